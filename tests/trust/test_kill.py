"""A run that is killed at any moment goes on: weights, curve and ledger row are the unbroken run's, to the bit."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KILLS = Path(__file__).with_name("kills.py")


def kill(folder: Path, count: int, seed: int) -> list[dict[str, Any]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # fork is safe only before there are threads
    done = subprocess.run(
        [sys.executable, str(KILLS), str(folder), str(count), str(seed)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["kills"]


def check(kills: list[dict[str, Any]], count: int) -> None:
    assert len(kills) == count
    for one in kills:
        assert one["code"] == -signal.SIGKILL, one
        assert one["exit"] == 0, one
        assert one["differs"] == [], one


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a child a run")
def test_killed_four_times_it_ends_as_if_never_killed(tmp_path: Path) -> None:
    check(kill(tmp_path, 4, seed=1), 4)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a minute and a half on an idle core
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a child a run")
def test_killed_at_fifty_moments_it_ends_as_if_never_killed(tmp_path: Path) -> None:
    kills = kill(tmp_path, 50, seed=0)
    check(kills, 50)
    seen = " ".join(one["seen"] for one in kills)
    for file in ("last.pt.", "history.csv.", "positions.csv.", "runs.csv."):
        assert file in seen, f"no kill fell into the writing of {file}: {seen}"
