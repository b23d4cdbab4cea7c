"""The ledger under many hands: of 1,000 rows none is lost or torn while others read; kills leave it whole."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from reproduce.errors import UserError
from reproduce.record import checksummed_csv, journal, ledger, ledger_frame

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
    from reproduce.recipes import find_table, plan_table

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


def test_a_writer_killed_after_any_byte_leaves_nothing_to_mend(path: Path) -> None:
    ledger.append({"run_id": "first"}, path)
    before = path.read_bytes()
    ledger.append(ROW, path)
    after = path.read_bytes()
    line = after[len(before) :]
    beside = path.with_name("runs.csv.next")
    for written in range(len(line) + 1):
        beside.write_bytes(b"%d\n" % len(before) + line)
        path.write_bytes(before + line[:written])
        whole = ["first", "second"] if written == len(line) else ["first"]
        assert list(ledger.read(path)["run_id"]) == whole
        assert path.read_bytes() == before + line[:written]  # reading changes nothing
        ledger.append({"run_id": "third"}, path)
        assert list(ledger.read(path)["run_id"]) == [*whole, "third"]
        assert not beside.exists()


def test_a_torn_row_is_seen_through_a_link(path: Path, tmp_path: Path) -> None:
    ledger.append({"run_id": "first"}, path)
    before = path.read_bytes()
    path.with_name("runs.csv.next").write_bytes(b"%d\nsecond,and more\n" % len(before))
    path.write_bytes(before + b"second,and")
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    assert list(ledger.read(link)["run_id"]) == ["first"]


@pytest.mark.parametrize("beside", [b"", b"12", b"many\nb", b"-5\nsecond", b"10\nfirst", b"99999999\nx", b"\xff\n\xff"])
def test_a_note_that_does_not_fit_takes_nothing_away(path: Path, beside: bytes) -> None:
    ledger.append({"run_id": "first"}, path)
    path.write_bytes(path.read_bytes() + b"second,torn by someone else")
    torn = path.read_bytes()
    path.with_name("runs.csv.next").write_bytes(beside)
    with pytest.raises(UserError, match="line 3"):
        ledger.read(path)
    ledger.append({"run_id": "third"}, path)
    assert torn in path.read_bytes()


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


def test_a_reader_waits_for_the_row_that_is_being_written(path: Path) -> None:
    ledger.append({"run_id": "first"}, path)
    half, rest = b"second" + b"," * 15, b"," * 16 + b"\n"
    writing = threading.Event()

    def write_slowly() -> None:
        with journal.locked(path, 10), path.open("ab", buffering=0) as file:
            file.write(half)
            writing.set()
            time.sleep(0.2)
            file.write(rest)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    writing.wait()
    assert list(ledger.read(path)["run_id"]) == ["first", "second"]
    writer.join()


def test_an_append_that_fails_halfway_leaves_the_ledger_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append({"run_id": "first"}, path)
    before, real = path.read_bytes(), journal._write

    def fail(target: Path, mode: str, content: bytes) -> None:
        if target == path:
            real(target, mode, content[:20])
            raise KeyboardInterrupt
        real(target, mode, content)

    monkeypatch.setattr(journal, "_write", fail)
    with pytest.raises(KeyboardInterrupt):
        ledger.append(ROW, path)
    assert path.read_bytes() == before
    assert sorted(item.name for item in path.parent.iterdir() if item.suffix != ".lock") == ["runs.csv"]


def test_what_an_append_writes_does_not_grow_with_the_ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append({"run_id": "first"}, path)
    written: list[int] = []
    real = journal._write
    monkeypatch.setattr(journal, "_write", lambda p, m, content: (written.append(len(content)), real(p, m, content)))
    for number in range(50):
        ledger.append({"run_id": f"{number:03d}"}, path)
    assert len(written) == 100
    assert max(written) - min(written) <= 8  # the note holds a place, which gets more digits


def test_both_ways_of_reading_agree_to_the_last_bit(path: Path) -> None:
    values = [
        0.1 + 0.2,
        5e-324,
        1.7976931348623157e308,
        float("inf"),
        float("-inf"),
        -0.0,
        None,
        1e22,
        123456789.123456789,
    ]
    for number, value in enumerate(values):
        text = f'a "b", {number} é — \u2028 ,'
        row = {"run_id": f"r{number}", "top1_last": value, "seed": -(2**63) + number, "params": None, "status": text}
        ledger.append(row, path)
    raw, header = path.read_bytes(), [*ledger.COLUMNS, checksummed_csv.CHECK]
    fast, slow = ledger_frame._parse_unchanged(raw, header), ledger_frame._parse_any(raw, header, path)
    assert fast is not None
    pd.testing.assert_frame_equal(pd.DataFrame(dict(fast)), pd.DataFrame(dict(slow)), check_exact=True)
    assert [value.hex() for value in fast["top1_last"][:6]] == [value.hex() for value in slow["top1_last"][:6]]


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


def test_a_wider_schema_keeps_checksums(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reproduce.record import add_row as widening

    ledger.append({"run_id": "a", "top1_last": 0.84}, path)
    ledger.append({"run_id": "b", "top1_last": 0.85}, path)
    path.write_text(path.read_text().replace("0.85", "0.86"))  # damaged before: damaged after
    for module in (widening, ledger_frame, ledger):
        monkeypatch.setattr(module, "COLUMNS", (*ledger.COLUMNS, "watts"))
    ledger.append({"run_id": "c", "watts": "3"}, path)
    header, first, second, _ = path.read_text().splitlines()
    assert header.endswith("checkpoint,watts,check")
    with pytest.raises(UserError, match="line 3"):
        ledger.read(path)
    path.write_text("\n".join([header, first, second.replace("0.86", "0.85")]) + "\n")
    with pytest.raises(UserError, match="line 3"):
        ledger.read(path)  # its checksum was never made anew
    path.write_text("\n".join([header, first]) + "\n")
    assert list(ledger.read(path)["top1_last"]) == [0.84]
