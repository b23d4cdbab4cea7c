"""Same seed, same machine: equal rows, whatever the process, the number of workers, or what was done before."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reproduce.record import ledger

ROOT = Path(__file__).resolve().parents[2]
TIMED = ["latency_ms", "train_seconds", "images_per_second", "peak_memory_mb", "started", "checkpoint"]
SETTINGS = [
    "epochs=2",
    "data.train_limit=100",
    "data.test_limit=50",
    "batch_size=30",
    "model.width=8",
    "model.hidden=8",
]
TINY = [word for setting in SETTINGS for word in ("--set", setting)]


def rows(results: Path, *words: str, **environment: str) -> list[dict[str, Any]]:
    """Run the command in a process of its own and return the ledger's rows by name, but for what clocks decide."""
    settings = {**os.environ, "ATTNREPRO_RESULTS": str(results), "OMP_NUM_THREADS": "1", **environment}
    words = (sys.executable, str(ROOT / "cli.py"), *words)
    done = subprocess.run(words, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frame = ledger.read(results / "runs.csv").drop(columns=TIMED).sort_values("run_id")
    return json.loads(frame.to_json(orient="records", double_precision=15))


@pytest.mark.parametrize("row", ["quadratic", pytest.param("learned-content", marks=pytest.mark.slow)])
def test_two_processes_write_equal_rows(row: str, tmp_path: Path) -> None:
    words = ["train", row, "--jobs", "1", *TINY]
    one = rows(tmp_path / "one", *words)
    two = rows(tmp_path / "two", *words, PYTHONHASHSEED="7")
    assert one == two


@pytest.mark.slow
def test_rows_do_not_depend_on_jobs_order_or_company(tmp_path: Path) -> None:
    together = rows(tmp_path / "two", "train", "learned", "--seeds", "0-2", "--jobs", "2", *TINY)
    one_by_one = rows(tmp_path / "one", "train", "learned", "--seeds", "2,0,1", "--jobs", "1", *TINY)
    assert together == one_by_one
    alone = rows(tmp_path / "alone", "train", "learned", "--seeds", "2", "--jobs", "1", *TINY)
    assert alone == [line for line in together if line["seed"] == 2]


@pytest.mark.slow
@pytest.mark.parametrize("row", ["san-pair-ha", "vit-ha", "learned-content-16h-ha"])
def test_every_family_writes_equal_rows(row: str, tmp_path: Path) -> None:
    words = [
        "train",
        row,
        "--jobs",
        "1",
        "--set",
        "epochs=1",
        "--set",
        "data.train_limit=100",
        "--set",
        "data.test_limit=50",
    ]
    assert rows(tmp_path / "one", *words) == rows(tmp_path / "two", *words)


@pytest.mark.slow
def test_a_stop_between_any_two_epochs_changes_no_row(tmp_path: Path) -> None:
    words = ["train", "learned", "--jobs", "1", *TINY, "--set", "epochs=4"]
    whole = rows(tmp_path / "whole", *words)
    while not (broken := rows(tmp_path / "broken", *words, "--max-minutes", "0")):
        pass  # an epoch a call
    assert broken == whole
