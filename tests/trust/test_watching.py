"""What a run tells: levels of the log, TensorBoard where it is installed, and `show` with the command that repeats."""

import os
import shlex
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import app
from reproduce.console import logs
from reproduce.errors import UserError

TINY = ["--jobs", "1", "--set", "data.train_limit=40", "--set", "data.test_limit=10", "--set", "batch_size=20"]
TRAIN = ["train", "learned", *TINY, "--set", "model.width=8", "--set", "model.hidden=8", "--set", "epochs=2"]


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))
    monkeypatch.setenv("ATTNREPRO_LOG_LEVEL", "info")
    logs.choose_level("info")
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("level", "epochs", "files"), [("debug", True, True), ("info", True, False), ("error", False, False)]
)
def test_levels_of_the_log(level: str, epochs: bool, files: bool) -> None:
    done = run(*TRAIN, "--log-level", level)
    assert done.exit_code == 0, done.output
    assert ("epoch 2/2" in done.stderr) is epochs
    assert ("saved " in done.stderr and "last.pt" in done.stderr) is files
    assert ("runs.csv" in done.stderr) is files
    logs.choose_level("info")


def test_a_level_may_stand_anywhere_and_a_slip_is_named() -> None:
    assert run("--log-level=warning", "ls", "tables").exit_code == 0
    assert os.environ["ATTNREPRO_LOG_LEVEL"] == "warning"
    for words in (["ls", "--log-level", "infos"], ["ls", "--log-level"]):
        done = run(*words)
        assert done.exit_code == 2
        assert "no log level is called" in done.stderr


def test_without_tensorboard_one_sentence_and_nothing_is_trained(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = run(*TRAIN, "--tensorboard")
    assert done.exit_code == 2
    assert "TensorBoard is not installed" in done.stderr
    assert "pip install 'attnrepro[tensorboard]'" in done.stderr
    assert not list(results.rglob("last.pt"))


class Writer:
    """Stands in for TensorBoard's writer."""

    made: list["Writer"]

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step, self.points, self.closed = (
            folder,
            purge_step,
            list[tuple[str, float, int]](),
            False,
        )
        Writer.made.append(self)

    def add_scalar(self, name: str, value: float, epoch: int) -> None:
        self.points.append((name, value, epoch))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def test_the_curve_goes_to_tensorboard_beside_the_run(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Writer.made = []
    module: Any = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr("reproduce.runs.session.check_board", lambda: None)
    assert run(*TRAIN, "--tensorboard", "--max-minutes", "0").exit_code == 0
    assert run(*TRAIN, "--tensorboard").exit_code == 0  # goes on
    first, second = Writer.made
    assert (first.purge_step, second.purge_step) == (1, 2)
    assert Path(first.folder) == next(results.rglob("last.pt")).parent / "tensorboard"
    assert {name for name, _, _ in first.points} >= {"train_loss", "test_top1", "lr"}
    assert {epoch for _, _, epoch in second.points} == {2}
    assert first.closed
    assert second.closed


def test_tensorboard_itself_reads_the_curve(results: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert run(*TRAIN, "--tensorboard").exit_code == 0
    events = EventAccumulator(str(next(results.rglob("tensorboard"))))
    events.Reload()
    assert [point.step for point in events.Scalars("train_loss")] == [1, 2]


def test_show_names_the_command_that_makes_the_same_run() -> None:
    assert run(*TRAIN, "--seeds", "3").exit_code == 0
    shown = run("show", "learned")
    assert shown.exit_code == 0
    again = next(line for line in shown.stdout.splitlines() if "attnrepro train" in line).partition("attnrepro ")[2]
    before = run("ls", "runs").stdout
    done = run(*shlex.split(again))
    assert done.exit_code == 0, done.output
    assert "epoch" not in done.stderr  # the run is there: the command names exactly it
    assert run("ls", "runs").stdout == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "learned/../../x", "\x1b[31m"])
def test_names_of_runs_are_no_paths(name: str) -> None:
    done = run("show", name)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr


def test_a_recipe_of_a_foreign_file_leads_nowhere(results: Path) -> None:
    from dataclasses import replace

    from reproduce.data.source import identify
    from reproduce.recipes.registry import resolve
    from reproduce.training.run import Run, fit_to_data

    source = identify("shapes")
    recipe = fit_to_data(resolve("learned", budget="smoke"), source)
    for row in ("../../out", "/out", "..", "a/b", ""):
        with pytest.raises(UserError, match="no name of a row"):
            _ = Run(recipe=replace(recipe, row=row), source=source).folder


def test_control_codes_of_foreign_ledgers_do_not_reach_the_terminal() -> None:
    from reproduce.record import ledger

    ledger.append({"run_id": "evil\x1b]0;title\x07", "row": "vit", "status": "done"})
    done = run("ls", "runs")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout
