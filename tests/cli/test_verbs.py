"""The verbs as a user types them, on small budgets: train, table, eval, show, ls; JSON on stdout and nothing else."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import app
from reproduce.console import output
from reproduce.recipes.registry import TABLES
from reproduce.record import ledger, manifest

SHARED = Path(os.environ.get("ATTNREPRO_SHARED", Path(__file__).resolve().parents[3] / "shared"))
CIFAR_JPEG = SHARED / "data" / "cifar10-jpeg"
TINY = ["--set", "data.train_limit=100", "--set", "data.test_limit=50", "--set", "epochs=1", "--jobs", "1"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def document(*words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_train_adds_one_row_and_never_repeats_it() -> None:
    first = document("train", "learned", *TINY)["runs"][0]
    assert len(ledger.read()) == 1
    again = document("train", "learned", *TINY)["runs"][0]
    assert len(ledger.read()) == 1
    assert first == again
    assert first["status"] == "done"
    assert first["dataset"] == "shapes"
    assert first["epochs"] == 1
    assert first["test_images"] == manifest.read(Path(first["checkpoint"]).parent)["test_images"] == 50
    for name in ("top1_last", "top1_best", "top1_val_selected", "latency_ms", "params", "macs", "images_per_second"):
        assert first[name] > 0


def test_a_file_a_run_leaves() -> None:
    line = document("train", "quadratic", *TINY)["runs"][0]
    folder = Path(line["checkpoint"]).parent
    assert {path.name for path in folder.iterdir()} >= {"manifest.json", "history.csv", "last.pt", "best.safetensors"}
    assert folder.name == line["run_id"]
    assert folder.parent.name == "quadratic"


def test_seeds_are_runs_of_their_own() -> None:
    lines = document("train", "quadratic", "--seeds", "0-1", *TINY)["runs"]
    assert [line["seed"] for line in lines] == [0, 1]
    assert lines[0]["recipe_sha256"] == lines[1]["recipe_sha256"]
    assert lines[0]["loss_last"] != lines[1]["loss_last"]


def test_runs_side_by_side_equal_runs_one_by_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = document("train", "learned", "--seeds", "0-1", *TINY)["runs"]
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(home / "other"))
    two = document("train", "learned", "--seeds", "0-1", *TINY[:-1], "2")["runs"]
    assert [line["loss_last"] for line in one] == [line["loss_last"] for line in two]


def test_table_json_has_the_agreed_shape_and_trains_only_what_is_missing() -> None:
    built = document("table", "accuracy", *TINY)
    assert {"table", "budget", "variant", "dataset", "rows"} <= built.keys()
    assert [row["row"] for row in built["rows"]] == list(TABLES["accuracy"].rows)
    for row in built["rows"]:
        assert {"row", "label", "params", "published", "measured", "committed", "verdict", "command"} <= row.keys()
        assert {"mean", "low", "high", "n"} <= row["measured"]["top1"].keys()
        assert row["verdict"] == "not comparable"
    assert len(ledger.read()) == 5
    assert document("table", "1", *TINY) == built
    assert len(ledger.read()) == 5


def test_table_without_runs_prints_dashes_and_commands() -> None:
    built = document("table", "hierarchical", "--no-run")
    assert all(row["verdict"] == "not run" and row["measured"] == {} for row in built["rows"])
    by_row = {row["row"]: row for row in built["rows"]}
    assert by_row["vit"]["params"] == 37_394_506
    assert by_row["san-pair-ha"]["published"]["top1"] == 0.853
    assert by_row["vit-ha"]["command"] == "attnrepro train vit-ha --budget smoke"
    assert not ledger.ledger_path().exists()


@pytest.mark.parametrize("form", ["text", "md", "latex", "html", "csv", "json"])
@pytest.mark.parametrize("name", ["accuracy", "heads", "hierarchical", "hyperparameters"])
def test_every_table_renders_in_every_format(name: str, form: str, home: Path) -> None:
    result = run("table", name, "--no-run", "--format", form, "--out", str(home / "table"))
    assert result.exit_code == 0, result.stderr
    assert len((home / "table").read_text()) > 500


def test_paper_budget_table_renders_without_its_data() -> None:
    built = document("table", "hierarchical", "--budget", "paper", "--no-run")
    assert built["budget"] == "paper"
    assert built["dataset"] == "cifar10"


def test_eval_repeats_what_training_selected() -> None:
    line = document("train", "learned", *TINY)["runs"][0]
    for name in (line["run_id"], line["checkpoint"]):
        assert document("eval", name)["top1"] == pytest.approx(line["top1_val_selected"])
    assert document("eval", line["run_id"], "--eval-mode", "train")["eval_mode"] == "train"


def test_show_gives_the_command_that_repeats_the_run() -> None:
    words = ["train", "learned", "--variant", "as-run", "--seeds", "3", "--set", "optimiser.lr=0.01", *TINY[:-2]]
    line = document(*words)["runs"][0]
    record = document("show", line["run_id"])
    assert record["ledger"]["run_id"] == line["run_id"]
    assert len(record["history"]) == line["epochs"]
    again = document(*record["command"].split()[1:])["runs"][0]
    assert again["run_id"] == line["run_id"]


def test_bf16_is_a_run_of_its_own() -> None:
    exact = document("train", "learned-content", *TINY)["runs"][0]
    rounded = document("train", "learned-content", "--precision", "bf16", *TINY)["runs"][0]
    assert exact["run_id"] != rounded["run_id"]
    assert rounded["precision"] == "bf16"
    assert rounded["loss_last"] != exact["loss_last"]
    assert rounded["loss_last"] == pytest.approx(exact["loss_last"], rel=0.05)


def test_a_document_is_printed_and_written(tmp_path: Path) -> None:
    printed = document("table", "3", "--no-run", "--out", str(tmp_path / "t.json"))
    assert json.loads((tmp_path / "t.json").read_text()) == printed
    assert document("claims", "re", "--out", str(tmp_path / "c.json")) == json.loads((tmp_path / "c.json").read_text())


@pytest.mark.parametrize("words", [["train", "cnn"], ["table", "gates"]])
def test_a_plan_says_which_rows_lack_their_data(words: list[str]) -> None:
    planned = run(*words, "--budget", "paper", "--dry-run", "--json")
    assert (planned.exit_code, json.loads(planned.stdout)) == (0, [])
    assert "left out: cnn" in planned.stderr
    assert "cifar10" in planned.stderr


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_is_for_those_who_want_it(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setattr(output.sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert output.takes_colour()
    monkeypatch.setenv(name, value)
    assert not output.takes_colour()


@pytest.mark.parametrize("name", ["VIT", "Vit"])
def test_a_name_in_capitals_is_near(name: str) -> None:
    assert "did you mean 'vit'?" in run("train", name).output


def test_max_minutes_leaves_a_run_that_goes_on() -> None:
    words = ["train", "learned", *TINY, "--set", "epochs=3"]
    assert document(*words, "--max-minutes", "0")["runs"][0]["status"] == "unfinished"
    assert not ledger.ledger_path().exists()
    assert document(*words)["runs"][0]["epochs"] == 3


def test_max_minutes_is_for_the_whole_command() -> None:
    words = ["train", "learned", *TINY, "--set", "epochs=3", "--seeds", "0-2", "--jobs", "1", "--max-minutes", "0"]
    assert [record["status"] for record in document(*words)["runs"]] == ["unfinished"] * 3
    begun = list(ledger.ledger_path().parent.glob("learned/*/last.pt"))
    assert len(begun) == 1  # the first seed has trained its epoch, the others wait for the next command


@pytest.mark.parametrize("minutes", ["-3", "nan"])
def test_minutes_that_mean_nothing_are_refused(minutes: str) -> None:
    refused = run("train", "learned", *TINY, "--max-minutes", minutes)
    assert refused.exit_code == 2
    assert "--max-minutes cannot be" in refused.output


@pytest.mark.parametrize("what", ["tables", "rows", "runs"])
def test_ls_lists(what: str) -> None:
    assert isinstance(document("ls", what), list)
    assert run("ls", what).exit_code == 0


def test_doctor_says_which_kernels_run_and_why() -> None:
    assert "kernels" in document("doctor")
    assert "torch" in run("doctor").stdout


def test_data_says_what_is_here() -> None:
    assert any(line["name"] == "shapes" and line["here"] == "yes" for line in document("data", "ls"))
    assert document("data", "show", "shapes")["classes"] == 10


def needs_real_images() -> None:
    if not CIFAR_JPEG.is_dir():
        pytest.skip(f"the real images are not at {CIFAR_JPEG}: set ATTNREPRO_SHARED")


def test_real_images_are_recognised_and_trained_on() -> None:
    needs_real_images()
    line = document("train", "learned", "--data", str(CIFAR_JPEG), *TINY)["runs"][0]
    assert line["dataset"] == "cifar10-jpeg75"
    record = document("show", line["run_id"])
    assert f"--data {CIFAR_JPEG.resolve()}" in record["command"]


@pytest.mark.slow
def test_hierarchical_on_real_images_beats_chance() -> None:
    """A slice of `table hierarchical --data ../shared/data/cifar10-jpeg`: one epoch, every row above 0.10."""
    needs_real_images()
    built = document("table", "hierarchical", "--data", str(CIFAR_JPEG), "--set", "epochs=1")
    for row in built["rows"]:
        assert row["measured"]["top1_last"]["low"] > 0.12, row["row"]


@pytest.mark.slow
def test_heads_beat_chance_on_the_embedded_images() -> None:
    built = document("table", "heads")
    for row in built["rows"]:
        assert row["measured"]["top1_last"]["low"] > 0.2, row["row"]


@pytest.mark.parametrize(
    ("words", "said", "program"),
    [
        (["tabel"], "error: no such command 'tabel'", ""),
        (["claims", "C14", "gates"], "error: got unexpected extra argument", " claims"),
        (["train", "learned", "--max-minutes", "abc"], "error: invalid value for '--max-minutes'", " train"),
        (["train"], "error: missing argument 'ROW'", " train"),
        (["--bogus"], "error: no such option: --bogus", ""),
    ],
)
def test_command_lines_that_cannot_be_read_are_refused_in_a_sentence_and_a_hint(
    words: list[str], said: str, program: str
) -> None:
    refused = run(*words)
    assert refused.exit_code == 2
    lines = refused.output.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(said)
    assert lines[1].startswith("hint: ")
    assert lines[1].endswith(f"{program} --help says what there is")
