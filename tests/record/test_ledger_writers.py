"""The ledger under full disks, hanging and killed writers: the file stays whole, rights and links survive."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reproduce.errors import UserError
from reproduce.record import ledger

ROOT = Path(__file__).resolve().parents[2]


def test_a_folder_that_cannot_be_written(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("not a folder")
    with pytest.raises(UserError, match="cannot be written") as caught:
        ledger.append({"run_id": "a"}, blocker / "runs.csv")
    assert "ATTNREPRO_RESULTS" in caught.value.hint
    with pytest.raises(UserError, match="cannot be read"):
        ledger.read(blocker / "runs.csv")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_read_only_folder(path):
    ledger.append({"run_id": "a"}, path)
    path.parent.chmod(0o500)
    try:
        with pytest.raises(UserError, match="cannot be written"):
            ledger.append({"run_id": "b"}, path)
    finally:
        path.parent.chmod(0o700)
    assert list(ledger.read(path)["run_id"]) == ["a"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from reproduce.record import ledger
from reproduce.errors import UserError
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10,) * 2)
try:
    ledger.append({"run_id": "late"}, path)
except UserError as error:
    print(error.message, "|", error.hint)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_a_full_disk_leaves_the_old_file(path):
    ledger.append({"run_id": "a"}, path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "cannot be written" in done.stdout
    assert "free some space" in done.stdout
    assert path.read_bytes() == before
    assert not path.with_name("runs.csv.tmp").exists()


def test_a_failed_sync_leaves_the_old_file(path, monkeypatch):
    ledger.append({"run_id": "a"}, path)
    before = path.read_bytes()

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match="No space left"):
        ledger.append({"run_id": "b"}, path)
    assert path.read_bytes() == before
    assert not path.with_name("runs.csv.tmp").exists()


def test_a_hanging_writer_is_named(path, monkeypatch):
    import filelock

    monkeypatch.setattr(ledger, "LOCK_SECONDS", 0.05)
    path.parent.mkdir(parents=True)
    with filelock.FileLock(f"{path}.lock"), pytest.raises(UserError, match="another process"):
        ledger.append({"run_id": "a"}, path)


def test_rights_and_links_survive(path, tmp_path):
    ledger.append({"run_id": "a"}, path)
    path.chmod(0o640)
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    ledger.append({"run_id": "b"}, link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert len(ledger.read(path)) == 2


WRITER = """
import sys
from pathlib import Path
from reproduce.record import ledger
for number in range(int(sys.argv[3])):
    ledger.append({"run_id": f"{sys.argv[2]}-{number}", "seed": number}, Path(sys.argv[1]))
"""


def test_many_processes_append_and_none_is_lost(path):
    count, each = 6, 25
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number), str(each)], cwd=ROOT)
        for number in range(count)
    ]
    while any(writer.poll() is None for writer in writers):
        ledger.read(path)  # a reader never sees half a row
        time.sleep(0.01)
    assert [writer.returncode for writer in writers] == [0] * count
    frame = ledger.read(path)
    assert len(frame) == count * each
    assert set(frame["run_id"]) == {f"{one}-{two}" for one in range(count) for two in range(each)}


def test_a_killed_writer_leaves_a_whole_ledger(path):
    ledger.append({"run_id": "first"}, path)
    for delay in (0.15, 0.2, 0.25, 0.3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(delay), "100000"], cwd=ROOT)
        time.sleep(delay)
        writer.kill()
        writer.wait()
        ledger.append({"run_id": f"after {delay}"}, path)
    assert {"first", "after 0.15", "after 0.3"} <= set(ledger.read(path)["run_id"])


def test_what_a_killed_writer_left_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    ledger.append({"run_id": "a", "row": "vit"}, path)
    whole = path.read_bytes()
    (tmp_path / "runs.csv.4711.tmp").write_bytes(whole[:20])
    ledger.tidy(path)
    assert path.read_bytes() == whole
    ledger.tidy(tmp_path / "none.csv")
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".lock") == ["runs.csv"]
