"""The ledger under many hands: of 1,000 rows none is lost or torn while others read; kills leave it whole."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reproduce.errors import UserError
from reproduce.record import checksummed_csv, ledger, ledger_frame

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import sys
from pathlib import Path
from reproduce.record import ledger
for number in range(int(sys.argv[3])):
    ledger.append({"run_id": f"{sys.argv[2]}-{number}", "row": "vit", "seed": number, "top1_last": number / 7,
                   "budget": "smoke", "variant": "described", "status": "done"}, Path(sys.argv[1]))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results" / "runs.csv"


def write(path: Path, writers: int, each: int) -> list["subprocess.Popen[bytes]"]:
    return [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number), str(each)], cwd=ROOT)
        for number in range(writers)
    ]


def render(path: Path) -> str:
    """Render Table 3 of a ledger as `table --no-run` does."""
    from paper_tables.build import build
    from paper_tables.formats.render import render as as_text
    from paper_tables.measured import committed_runs
    from reproduce.recipes.registry import find_table, plan_table

    plan = plan_table(find_table("hierarchical"), variant="described", budget="smoke", changes={})
    return as_text(build("hierarchical", plan, ledger.read(path), committed_runs()), "text", colour=False, width=None)


def check_many(path: Path, writers: int, each: int) -> None:
    render(path)  # imports what it needs
    processes = write(path, writers, each)
    counts, rendered = [0], 0
    while any(process.poll() is None for process in processes):
        counts.append(len(ledger.read(path)))  # raises on half a row
        if counts[-1]:
            rendered += "learned-content" in render(path)
        assert counts[-1] >= counts[-2], "a row was there and is gone"
    assert [process.returncode for process in processes] == [0] * writers
    frame = ledger.read(path).set_index("run_id")
    assert len(frame) == writers * each
    for writer in range(writers):
        for number in range(each):
            line = frame.loc[f"{writer}-{number}"]
            assert (line["seed"], line["top1_last"], line["status"]) == (number, number / 7, "done")
    assert path.read_bytes().count(b"\n") == writers * each + 1
    assert rendered
    assert len(set(counts)) > 1, "the reader saw nothing of the writing"


def test_four_processes_append_while_others_read_and_render(path: Path) -> None:
    check_many(path, 4, 40)


@pytest.mark.slow
def test_sixteen_processes_append_a_thousand_rows_while_others_read_and_render(path: Path) -> None:
    check_many(path, 16, 63)


ROW = {"run_id": "second", "row": "vit", "status": 'do"ne, really', "top1_last": 0.5}


@pytest.mark.slow
def test_writers_killed_in_the_middle_lose_only_their_own_row(path: Path) -> None:
    drawn = random.Random(0)
    for turn in range(25):
        writer = write(path, 1, 100_000)[0]
        size, deadline = path.stat().st_size if path.exists() else 0, time.monotonic() + 20
        while (not path.exists() or path.stat().st_size == size) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(drawn.uniform(0, 0.05))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        rows = ledger.read(path)
        assert list(rows["seed"]) == list(range(len(rows)))  # all rows up to some row, in order
        path.rename(path.with_name(f"ledger-{turn}.csv"))


def test_a_changed_cell_is_refused_and_a_change_on_purpose_is_not(path: Path) -> None:
    ledger.append({"run_id": "a", "top1_last": 0.84}, path)
    ledger.append({"run_id": "b", "top1_last": 0.85}, path)
    text = path.read_text()
    path.write_text(text.replace("0.84", "0.94"))
    with pytest.raises(UserError, match="line 2: was changed after it was written") as caught:
        ledger.read(path)
    assert "empty the cell 'check'" in caught.value.hint
    line = next(line for line in path.read_text().splitlines() if line.startswith("a,"))
    path.write_text(path.read_text().replace(line, line.rpartition(",")[0] + ","))
    assert list(ledger.read(path)["top1_last"]) == [0.94, 0.85]


def test_a_renamed_column_is_seen(path: Path) -> None:
    ledger.append({"run_id": "a", "top1_last": 0.84, "top1_best": 0.9}, path)
    text = path.read_text()
    for old, new in (
        ("top1_best", "top1_besu"),
        (",check\n", ",chekk\n"),
        ("top1_last,top1_best", "top1_best,top1_last"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(UserError, match=r"runs\.csv, line [12]"):
            ledger.read(path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_append_that_fails_halfway_leaves_the_ledger_as_it_was(
    path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append({"run_id": "first"}, path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(KeyboardInterrupt):
        ledger.append(ROW, path)
    assert path.read_bytes() == before
    assert sorted(item.name for item in path.parent.iterdir() if item.suffix != ".lock") == ["runs.csv"]


def test_nothing_is_added_to_a_damaged_ledger_until_it_is_mended(path: Path) -> None:
    ledger.append({"run_id": "first"}, path)
    whole = path.read_bytes()
    path.write_bytes(whole + b"second,torn by another program")
    with pytest.raises(UserError, match="line 3: the last line is cut off"):
        ledger.append({"run_id": "third"}, path)
    assert path.read_bytes() == whole + b"second,torn by another program"
    path.write_bytes(whole)
    ledger.append({"run_id": "third"}, path)
    assert list(ledger.read(path)["run_id"]) == ["first", "third"]


def test_a_wider_schema_keeps_checksums(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append({"run_id": "a", "top1_last": 0.84}, path)
    for module in (ledger_frame, ledger):
        monkeypatch.setattr(module, "COLUMNS", (*ledger.COLUMNS, "watts"))
    ledger.append({"run_id": "c", "watts": "3"}, path)
    header, first, _ = path.read_text().splitlines()
    assert header.endswith(",watts,check")
    assert list(ledger.read(path)["watts"]) == ["", "3"]
    path.write_text(path.read_text().replace("0.84", "0.85"))
    with pytest.raises(UserError, match="line 2: was changed"):
        ledger.read(path)
    assert checksummed_csv.read_as_check(first.rpartition(",")[2])
