"""Ctrl-C and SIGTERM: one sentence that says which epoch is saved, the command that goes on, nothing lost."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reproduce.record import ledger

ROOT = Path(__file__).resolve().parents[2]
Process = subprocess.Popen[str]
Start = Callable[..., Process]
TINY = ["--set", "data.train_limit=200", "--set", "data.test_limit=50"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the command line with results in a folder of its own; whatever still runs at the end is ended."""
    processes: list[Process] = []

    def begin(*words: str) -> Process:
        environment = {**os.environ, "ATTNREPRO_RESULTS": str(tmp_path), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "cli.py"), *words],
            env=environment | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear_ctrl_c,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def hear_ctrl_c() -> None:
    """Undo what a shell does to the tests when they run in its background: their children would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_for(process: Process, results: Path, count: int = 1) -> None:
    deadline = time.monotonic() + 120
    while len(list(results.rglob("last.pt"))) < count and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"])
def test_a_stop_says_what_is_saved_and_how_to_go_on(
    start: Start, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    words = ["train", "learned", "--jobs", "1", "--yes", *TINY, "--set", "epochs=2000", "--resume", "never"]
    process = start(*words)
    wait_for(process, tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=200)
    assert process.returncode == code, said
    assert re.search(r"stopped: learned-smoke-described-s0-\w+ has saved epoch \d+ of 2000\n", said), said
    assert "attnrepro train learned --jobs 1 --yes" in said.splitlines()[-1]
    assert said.splitlines()[-1].endswith("--resume auto")
    assert "Traceback" not in said
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("number", "code", "to_all"),
    [
        (signal.SIGINT, 130, True),  # as a terminal sends it
        pytest.param(signal.SIGTERM, 143, True, marks=pytest.mark.slow),  # as a scheduler does
        pytest.param(signal.SIGTERM, 143, False, marks=pytest.mark.slow),
    ],
    ids=["ctrl-c", "sigterm-to-all", "sigterm"],
)
def test_workers_stop_with_their_parent_and_say_so(
    start: Start, tmp_path: Path, number: signal.Signals, code: int, to_all: bool
) -> None:
    words = ["train", "learned", "--yes", "--seeds", "0-1", "--jobs", "2", *TINY, "--set", "epochs=2000"]
    process = start(*words)
    wait_for(process, tmp_path, 2)
    (os.killpg if to_all else os.kill)(process.pid, number)
    _, said = process.communicate(timeout=200)
    assert process.returncode == code, said
    last = said.splitlines()[-2]
    assert re.search(r"stopped: learned\S*-s\d-\S+ has saved epoch \d+ of 2000; learned\S*-s\d-\S+ has saved", last), (
        said
    )
    assert "Traceback" not in said


@pytest.mark.slow
def test_workers_of_a_killed_parent_end_and_let_their_runs_go(start: Start, tmp_path: Path) -> None:
    words = ["train", "learned", "--yes", "--seeds", "0-1", "--jobs", "2", *TINY, "--set", "epochs=2000"]
    process = start(*words)
    wait_for(process, tmp_path, 2)
    process.kill()
    process.communicate(timeout=200)  # ends when the last process that holds the pipe has ended
    again = start(*words, "--max-minutes", "0")
    _, said = again.communicate(timeout=200)
    assert again.returncode == 0, said  # no worker of the first holds a run
    assert ledger.read(tmp_path / "runs.csv").empty


def test_a_stop_before_the_first_epoch_says_that_nothing_is_saved(start: Start, tmp_path: Path) -> None:
    words = ["train", "learned", "--jobs", "1", "--yes", "--set", "epochs=100", "--budget", "short", "--data", "shapes"]
    process = start(*words)
    deadline = time.monotonic() + 120
    while not list(tmp_path.rglob("manifest.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 143, said
    assert "has saved no epoch yet" in said or "every finished epoch is saved" in said, said
