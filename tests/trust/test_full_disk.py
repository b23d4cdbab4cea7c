"""A disk that is full or read-only: one sentence, nothing lost, and the same command goes on when there is room."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from cli import app
from reproduce.record import ledger
from reproduce.record.folder import find_weights
from reproduce.training.checkpoint import load_weights

WORDS = ["train", "quadratic", "--jobs", "1"]
for setting in ("epochs=3", "batch_size=20", "model.width=8", "model.hidden=8"):
    WORDS += ["--set", setting]
WORDS += ["--set", "data.train_limit=40", "--set", "data.test_limit=10"]
Mount = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of half a megabyte, in memory."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a small disk takes root")
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)], check=False).returncode:
        pytest.skip("this sandbox cannot mount a tmpfs")
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(place / "results"))
    yield place
    subprocess.run(["umount", str(place)], check=True)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def fill(disk: Path, leave: int) -> Path:
    """Fill the disk but for so many bytes; returns what to delete to make room."""
    filler = disk / "filler"
    free = shutil.disk_usage(disk).free
    filler.write_bytes(bytes(max(0, free - leave)))
    return filler


def refused(done: Result) -> None:
    assert done.exit_code == 2, done.output
    lines = done.stderr.splitlines()
    assert "cannot be written" in lines[-2]
    assert lines[-1].startswith("hint: free some space")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("leave", [0, 4_096, 12_288, 24_576, 36_864])
def test_a_disk_that_fills_up_loses_nothing(
    disk: Path, leave: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filler = fill(disk, leave)
    refused(run(*WORDS))
    assert not list(disk.rglob("*.tmp"))
    filler.unlink()
    done = run(*WORDS)
    assert done.exit_code == 0, done.output
    broken = ledger.read()
    assert len(broken) == 1
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "whole"))
    assert run(*WORDS).exit_code == 0
    whole = ledger.read()
    for name in ("top1_last", "loss_last", "top1_val_selected"):
        assert list(broken[name]) == list(whole[name])
    ours, theirs = (load_weights(find_weights(frame.iloc[0].to_dict())).tensors for frame in (broken, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_ledger_on_a_full_disk_keeps_its_rows_and_takes_the_next_when_there_is_room(disk: Path) -> None:
    path = disk / "results" / "runs.csv"
    ledger.append({"run_id": "first"}, path)
    filler = fill(disk, 0)
    before, appended = path.read_bytes(), 0
    with pytest.raises(Exception, match="cannot be written"):  # noqa: PT012 (the page may have room for some)
        while appended < 100:
            ledger.append({"run_id": f"more-{appended}"}, path)
            appended += 1
    assert path.read_bytes().startswith(before)
    assert len(ledger.read(path)) == 1 + appended
    filler.unlink()
    ledger.append({"run_id": "last"}, path)
    assert list(ledger.read(path)["run_id"])[-1] == "last"


def test_results_that_became_read_only_are_still_shown(disk: Path) -> None:
    assert run(*WORDS).exit_code == 0
    shown = json.loads(run("ls", "runs", "--json").stdout)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        assert json.loads(run("ls", "runs", "--json").stdout) == shown
        assert run("table", "accuracy", "--no-run").exit_code == 0
        assert run("show", "quadratic").exit_code == 0
        done = run(*WORDS, "--seeds", "1")
        assert done.exit_code == 2
        assert "cannot be written (Read-only file system)" in done.stderr
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
