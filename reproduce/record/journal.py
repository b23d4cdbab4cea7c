r"""One line at the end of a file that many processes write and read at once, and that any of them may be killed at.

    with locked(path):
        undo_torn(path)
        append_line(path, b"a,b,c\n")

What a line costs does not depend on the file's length: it is written at the end, not into a copy. So that a writer that
is killed in the middle of it leaves nothing to mend, the line is first put beside the file (``runs.csv.next``) with
the place where it is to stand; who holds the lock next takes the torn piece away. A reader without the lock can see a
piece of a line that is being written: :func:`read_settled` reads between writers.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from reproduce.errors import UserError


@contextlib.contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Hold the file at ``path`` against other writers; the system takes the lock from a process that dies.

    Raises:
        UserError: another process has held it for ``seconds``.
        OSError: the lock cannot be made; NotImplementedError on a file system without locks.
    """
    import filelock

    lock = filelock.FileLock(f"{path}.lock", timeout=seconds)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UserError(
            f"another process has held the ledger {path} for {seconds:.0f} s",
            f"end that process, or delete {path}.lock where none is running",
        ) from None
    try:
        yield
    finally:
        lock.release()


def append_line(path: Path, line: bytes) -> None:
    """Write ``line`` at the end of the file and down to the disk; call it under the lock.

    Raises:
        OSError: there is no room, or the file cannot be written; it is as long as it was.
    """
    size = path.stat().st_size
    try:
        _write(_beside(path), "wb", b"%d\n" % size + line)
        _write(path, "ab", line)
    except BaseException:
        if path.stat().st_size > size:
            os.truncate(path, size)
        _forget(path)
        raise
    _forget(path)


def undo_torn(path: Path) -> None:
    """Take away the piece of a line that a killed writer has left; call it under the lock."""
    with contextlib.suppress(FileNotFoundError):
        place = _torn_from(path, path.stat().st_size, path)
        if place is not None:
            os.truncate(path, place)
    _forget(path)
    with contextlib.suppress(OSError):
        path.with_name(path.name + ".tmp").unlink(missing_ok=True)  # half of a ledger that was to be written anew


def read_settled(path: Path, seconds: float) -> bytes:
    """Return the file as it is between writers, without the torn piece that a killed one left; nothing is changed.

    Where no lock can be made (a read-only folder) nobody of ours writes: the file is read as it is.

    Raises:
        UserError: another process has held the file for ``seconds``.
        OSError: it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, NotImplementedError):
            stack.enter_context(locked(path, seconds))
        content = path.read_bytes()
        place = _torn_from(path, len(content), content)
        return content if place is None else content[:place]


def has_begun(path: Path) -> bool:
    """Return whether an append is under way, or was when its writer was killed."""
    return _beside(path).exists()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".next")


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):  # what stays there is taken for what it is: of an append that is over
        _beside(path).unlink(missing_ok=True)


def _write(path: Path, mode: str, content: bytes) -> None:
    with path.open(mode, buffering=0) as target:
        rest = memoryview(content)
        while rest:
            rest = rest[target.write(rest) :]
        os.fsync(target.fileno())


def _torn_from(path: Path, size: int, content: Path | bytes) -> int | None:
    """Return where a torn piece begins: the file ends within the very line that was to be written there."""
    try:
        first, _, line = _beside(path).read_bytes().partition(b"\n")
        place = int(first)
    except (OSError, ValueError):
        return None
    if not 0 <= place < size < place + len(line):
        return None
    if isinstance(content, Path):
        with content.open("rb") as source:
            source.seek(place)
            piece = source.read()
    else:
        piece = content[place:]
    return place if line.startswith(piece) else None
