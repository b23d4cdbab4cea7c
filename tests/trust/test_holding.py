"""Two processes and one run: the second is told so, a dead one holds nobody up, a run is in the ledger once."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.registry import resolve
from reproduce.record import ledger
from reproduce.runs.run_lock import NAME, hold
from reproduce.runs.session import Session
from reproduce.training.run import Run, fit_to_data

ROOT = Path(__file__).resolve().parents[2]
TINY = {"data.train_limit": 40, "data.test_limit": 10, "batch_size": 20, "model.width": 8, "model.hidden": 8}
HOLDER = """
import sys, time
from tests.trust.test_holding import make_run
from reproduce.runs.run_lock import hold
with hold(make_run()):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def make_run(**changes: object) -> Run:
    source = identify("shapes")
    return Run(recipe=fit_to_data(resolve("learned", budget="smoke", changes=TINY | changes), source), source=source)


def test_a_second_process_is_told_and_a_killed_one_holds_nobody_up() -> None:
    run = make_run()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="is being trained by another process") as caught:
            Session(torch.device("cpu")).finish(run, "attnrepro train learned")
        assert run.run_id in caught.value.message
        assert not (run.folder / "manifest.json").exists()  # nothing of the other's was touched
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (run.folder / NAME).exists()
    row = Session(torch.device("cpu")).finish(run, "attnrepro train learned")
    assert row is not None
    assert row["status"] == "done"


def test_pieces_of_a_killed_writer_are_taken_away() -> None:
    run = make_run()
    run.folder.mkdir(parents=True)
    piece = run.folder / "last.pt.123.tmp"
    piece.write_bytes(b"half")
    with hold(run):
        assert not piece.exists()


def test_a_run_that_another_has_finished_meanwhile_is_not_done_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    run, session = make_run(), Session(torch.device("cpu"))
    first = session.finish(run, "attnrepro train learned")
    monkeypatch.setattr("reproduce.runs.session.train", lambda *_, **__: pytest.fail("trained again"))
    second = session.finish(run, "attnrepro train learned")  # it was asked for before the first had finished
    assert first is not None
    assert second is not None
    assert second["top1_last"] == first["top1_last"]
    assert ledger.ledger_path().read_text().count(run.run_id) == 2  # its name and, in one row, its checkpoint


def test_of_many_that_begin_at_once_one_trains() -> None:
    run, session = make_run(), Session(torch.device("cpu"))
    ends: list[str] = []

    def go() -> None:
        try:
            ends.append(str((session.finish(run, "attnrepro train learned") or {})["status"]))
        except UserError as error:
            ends.append(error.message)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert "done" in ends
    lines = ledger.ledger_path().read_text().splitlines()
    assert len(lines) == 2, ends


def test_a_folder_that_cannot_be_made_is_named(results: Path) -> None:
    results.write_text("a file")
    with pytest.raises(UserError, match="cannot be written"), hold(make_run()):
        pass
