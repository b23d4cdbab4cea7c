"""A run that is killed goes on: weights, curve and ledger row are those of the unbroken run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from reproduce import ledger
from reproduce.checkpoint import load_weights

ROOT = Path(__file__).resolve().parents[2]
WORDS = [
    "train", "learned", "--jobs", "1", "--set", "data.train_limit=400", "--set", "data.test_limit=50",
    "--set", "epochs=15",
]  # fmt: skip
EXACT = ("top1_last", "top1_best", "top1_val_selected", "top5_last", "loss_last", "epochs", "run_id")


def start(results: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "ATTNREPRO_RESULTS": str(results), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *WORDS],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def read(results: Path) -> tuple[dict[str, object], dict[str, torch.Tensor]]:
    line = ledger.read(results / "runs.csv").iloc[-1].to_dict()
    weights = load_weights(Path(str(line["checkpoint"])))
    return {name: line[name] for name in EXACT}, weights.tensors


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_as_if_never_killed(tmp_path: Path) -> None:
    whole = start(tmp_path / "whole")
    assert whole.wait(300) == 0
    expected, weights = read(tmp_path / "whole")
    moments = random.Random(0)
    broken = tmp_path / "broken"
    kills = 0
    for _ in range(6):
        process = start(broken)
        deadline = time.monotonic() + moments.uniform(2.0, 6.0)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
    assert kills >= 1
    assert start(broken).wait(300) == 0
    found, again = read(broken)
    assert found == expected
    assert all(torch.equal(again[name], value) for name, value in weights.items())
    assert len(ledger.read(broken / "runs.csv")) == 1
    assert (
        not list(broken.rglob("*.pt.*.tmp")) or kills
    )  # a killed writer may leave its own half beside, never in place


def test_ctrl_c_says_that_the_epochs_are_saved(tmp_path: Path) -> None:
    process = start(tmp_path)
    folder = tmp_path / "learned"
    deadline = time.monotonic() + 120
    while not list(folder.rglob("last.pt")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert b"every finished epoch is saved" in said
    assert b"Traceback" not in said
