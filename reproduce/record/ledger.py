"""The ledger: one CSV row per run, added whole or not at all, with a checksum. No torch; pandas only to read.

    append({"run_id": "vit-s0", "row": "vit", "top1_last": 0.84, "status": "done"})
    read()["top1_last"].mean()

A row is one line; its last cell, ``check``, is the checksum of the others (see :mod:`checksummed_csv`). A later row
with the same ``run_id`` replaces the earlier one when the file is read: the last wins, the file keeps both. A file with
fewer, more or reordered columns, or without checksums, is understood; missing columns are added on the right at the
next append and columns of others are kept. Under a lock the file is read, checked and replaced in one step, so that a
reader never sees half a row and a killed writer leaves nothing to mend.
"""

import contextlib
import math
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reproduce.errors import UserError
from reproduce.record.folder import results_path
from reproduce.record.ledger_columns import COLUMNS, INTEGERS, NUMBERS
from reproduce.record.ledger_rows import Rows, split_rows
from reproduce.record.whole_files import write_whole

if typing.TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "INTEGERS", "NUMBERS", "append", "ledger_path", "locked", "mentions", "read", "results_path"]
LOCK_SECONDS = 120.0
_NO_ROOM = "free some space or set ATTNREPRO_RESULTS to a folder that can be written; the old ledger is untouched"
_NO_LOCKS = "set ATTNREPRO_RESULTS to a folder on a local disk, or on a network file system with locks"


def ledger_path() -> Path:
    """Return where the ledger lies: ``runs.csv`` in :func:`results_path`."""
    return results_path() / "runs.csv"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file at ``path`` against other writers; the system takes the lock from a process that dies.

    Raises:
        UserError: another process has held it for :data:`LOCK_SECONDS`, its folder cannot be written, or has no locks.
    """
    import filelock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            yield
    except filelock.Timeout:
        raise UserError(
            f"another process has held {path} for {LOCK_SECONDS:.0f} s",
            f"end that process, or delete {path}.lock where none is running",
        ) from None
    except NotImplementedError as error:
        raise UserError(f"{path} cannot be locked ({error})", _NO_LOCKS) from None
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error})", _NO_ROOM) from error


def append(row: Mapping[str, Any], path: Path | None = None) -> None:
    """Add one run to the ledger at ``path``, creating it with a header where there is none.

    Raises:
        UserError: the file is no ledger or damaged, the folder cannot be written or locked, the disk is full, or a
            writer hangs; the file is as it was.
        ValueError: ``row`` has no ``run_id``, a column that neither we nor the file know, or text for a number.
    """
    path = (path or ledger_path()).resolve()  # a link to a shared ledger stays a link
    if not row.get("run_id"):
        raise ValueError("a row of the ledger needs a run_id")
    cells = {column: _write_cell(column, value) for column, value in row.items()}
    with locked(path):
        raw = _content(path)
        if raw and b"\n" not in raw:
            raw += b"\n"  # a header alone, as a person may leave it
        rows = split_rows(raw, path)
        foreign = set(cells) - set(rows.header) - set(COLUMNS)
        if foreign:
            raise ValueError(f"the ledger has no column {min(foreign)!r}")
        write_whole(path, _add(raw, rows, cells))


def _add(raw: bytes, rows: Rows, cells: Mapping[str, str]) -> bytes:
    wider = rows.widen(COLUMNS)
    text = raw if wider is rows and rows.lines else wider.write()
    return text + wider.write_row([cells.get(name, "") for name in wider.names])


def tidy(path: Path | None = None) -> None:
    """Take away what a writer that was killed has left beside the ledger."""
    path = (path or ledger_path()).resolve()
    for piece in path.parent.glob(f"{path.name}.*.tmp"):
        with contextlib.suppress(OSError, UserError), locked(path):
            piece.unlink(missing_ok=True)


def read(path: Path | None = None) -> "pd.DataFrame":
    """Return every run as a typed frame: whole numbers Int64, measurements float, all else text.

    Columns come in the order of :data:`COLUMNS`, then the file's own; an empty cell of text is "". A missing or empty
    file gives an empty frame with all columns. Reading never changes the file.

    Raises:
        UserError: a line that is cut off, changed after it was written, of a wrong length, not UTF-8, or with text for
            a number; it names the line.
    """
    from reproduce.record.ledger_frame import make_frame

    path = path or ledger_path()
    try:
        raw = _content(path)
    except OSError as error:
        raise UserError(
            f"the ledger {path} cannot be read ({error.strerror})", "check the path and its rights"
        ) from None
    return make_frame(split_rows(raw, path), path)


def mentions(run_id: str, path: Path | None = None) -> bool:
    """Say quickly, without pandas, whether the ledger may hold a run: its name stands somewhere in the file."""
    try:
        return run_id.encode() in _content(path or ledger_path())
    except OSError:
        return False  # what is wrong with it is said where it is read


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _write_cell(column: str, value: Any) -> str:
    if hasattr(value, "item"):
        value = value.item()  # a scalar of numpy or torch
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if column in INTEGERS or column in NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{column} takes a number, not {value!r}")
        if column in INTEGERS and not (math.isfinite(value) and int(value) == value):
            raise ValueError(f"{column} takes a whole number, not {value!r}")
        return str(int(value)) if column in INTEGERS else repr(value)
    return " ".join(str(value).replace("\0", " ").split("\n")).replace("\r", " ")  # a row is one line
