"""The ledger: one CSV row a run, appended whole or not at all. No torch; pandas only to read.

    append({"run_id": "vit-s0", "row": "vit", "top1_last": 0.84, "status": "done"})
    read()["top1_last"].mean()

A row is one line. A later row with the same ``run_id`` replaces the earlier one when the file is read: the last
wins, the file keeps both. A file with fewer, more or reordered columns is understood; what is missing is added on the
right at the next append and columns of others are kept. Reading never changes the file.
"""

import contextlib
import csv
import io
import math
import os
import shutil
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reproduce.errors import UserError

if typing.TYPE_CHECKING:
    import pandas as pd

COLUMNS: tuple[str, ...] = (
    "run_id",
    "row",
    "table",
    "budget",
    "variant",
    "scale",
    "dataset",
    "data_sha256",
    "recipe_sha256",
    "seed",
    "precision",
    "device",
    "epochs",
    "top1_last",
    "top1_best",
    "top1_val_selected",
    "top5_last",
    "loss_last",
    "params",
    "macs",
    "latency_ms",
    "train_seconds",
    "images_per_second",
    "peak_memory_mb",
    "torch",
    "cuda",
    "cupy",
    "git",
    "started",
    "status",
    "checkpoint",
)
INTEGERS = frozenset({"seed", "epochs", "params", "macs"})
NUMBERS = frozenset(
    {
        "top1_last",
        "top1_best",
        "top1_val_selected",
        "top5_last",
        "loss_last",
        "latency_ms",
        "train_seconds",
        "images_per_second",
        "peak_memory_mb",
    }
)
LOCK_SECONDS = 120.0
_CUT_OFF = b",cut off"
_NO_ROOM = "free some space or set ATTNREPRO_RESULTS to a folder that can be written; the old ledger is untouched"


def results_path() -> Path:
    """Return the folder of all results: ``$ATTNREPRO_RESULTS``, or ``results`` in the current folder."""
    return Path(os.environ.get("ATTNREPRO_RESULTS") or "results")


def ledger_path() -> Path:
    """Return where the ledger lies: ``runs.csv`` in :func:`results_path`."""
    return results_path() / "runs.csv"


def append(row: Mapping[str, Any], path: Path | None = None) -> None:
    """Add one run to the ledger at ``path``, creating it with a header where there is none.

    Writers wait for each other; the old text is copied byte for byte into a new file that takes the old one's place
    in one step, so that a reader sees the ledger before or after, never between. An unfinished last line is closed
    in such a way that :func:`read` still reports it.

    Raises:
        UserError: the file is no ledger, the folder cannot be written, the disk is full, or a writer hangs.
        ValueError: ``row`` has no ``run_id``, a column that neither we nor the file know, or text for a number.
    """
    import filelock

    path = (path or ledger_path()).resolve()  # a link to a shared ledger stays a link
    if not row.get("run_id"):
        raise ValueError("a row of the ledger needs a run_id")
    cells = {column: _write_cell(column, value) for column, value in row.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
            _append_locked(cells, path)
    except filelock.Timeout:
        raise UserError(
            f"another process has held the ledger {path} for {LOCK_SECONDS:.0f} s",
            f"end that process, or delete {path}.lock where none is running",
        ) from None
    except OSError as error:
        raise UserError(f"the ledger {path} cannot be written ({error.strerror or error})", _NO_ROOM) from error


def read(path: Path | None = None) -> "pd.DataFrame":
    """Return every run as a typed frame: whole numbers Int64, measurements float, all else text.

    Columns come in the order of :data:`COLUMNS`, then the file's own; an empty cell of text is "". A missing or empty
    file gives an empty frame with all columns.

    Raises:
        UserError: a line that is cut off, of a wrong length, not UTF-8, or with text for a number; it names the line.
    """
    import pandas as pd

    path = path or ledger_path()
    header, rows, lines = _parse(path)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
    names = [*COLUMNS, *(name for name in header if name not in COLUMNS)]
    if "" in columns.get("run_id", ()):
        raise _damage(path, lines[columns["run_id"].index("")], "has no run_id")
    frame = pd.DataFrame({name: _column(name, columns.get(name), path, lines) for name in names})
    return frame.drop_duplicates("run_id", keep="last", ignore_index=True)


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


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode("utf-8")


def _append_locked(cells: Mapping[str, str], path: Path) -> None:
    fresh = path.with_name(path.name + ".tmp")  # one name is enough: only the holder of the lock writes it
    header = _header(path)
    known = header or list(COLUMNS)
    missing = [name for name in COLUMNS if name not in known]
    foreign = set(cells) - set(known) - set(COLUMNS)
    if foreign:
        raise ValueError(f"the ledger has no column {min(foreign)!r}")
    columns = known + missing
    try:
        if header and not missing:
            shutil.copyfile(path, fresh)
        with fresh.open("ab" if header and not missing else "wb") as target:
            if not header:
                target.write(_line(columns))
            elif missing:
                _widen(path, target, known, missing)
            if header:
                target.write(_closing(path, known, missing))
            target.write(_line([cells.get(column, "") for column in columns]))
            target.flush()
            os.fsync(target.fileno())
        if path.exists():
            shutil.copymode(path, fresh)
        fresh.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _header(path: Path) -> list[str]:
    """Return the columns of the file at ``path``, or nothing where it is missing or empty."""
    if not path.exists() or path.stat().st_size == 0:
        return []
    with path.open("rb") as source:
        raw = source.readline(1 << 16)
    try:
        header = next(csv.reader([raw.decode("utf-8-sig")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    if "run_id" not in header or len(set(header)) != len(header):
        raise UserError(
            f"{path}, line 1: this is not the header of a ledger",
            "move the file away (it stays as it is), or put its header line back",
        )
    return header


def _widen(path: Path, target: typing.BinaryIO, known: list[str], missing: list[str]) -> None:
    """Copy the file with empty cells for ``missing`` at the end of each row; all other bytes stay as they are."""
    added = b"," * len(missing)
    quoted = False  # inside a quoted cell a line end does not end the row
    with path.open("rb") as source:
        first = source.readline()
        target.write(first.rstrip(b"\r\n") + b"," + ",".join(missing).encode() + b"\n")
        for line in source:
            text = line.rstrip(b"\r\n")
            quoted ^= bool(text.count(b'"') % 2)
            whole = line.endswith(b"\n") and text and not quoted
            target.write(text + added + line[len(text) :] if whole else line)


def _closing(path: Path, known: list[str], missing: list[str]) -> bytes:
    """Return what ends an unfinished last line, leaving it one that :func:`read` refuses, and no more."""
    with path.open("rb") as source:
        last = source.readline()
        if last.endswith(b"\n"):
            source.seek(-1, os.SEEK_END)
            if source.read() == b"\n":
                return b""
            last = _last_line(source)
        elif not missing:
            return b"\n"  # a header alone, without its line end
        else:
            return b""  # the widened header has its line end already
    close = b'"' if last.count(b'"') % 2 else b""
    cells = next(csv.reader([(last + close).decode("latin-1")]), [])
    return close + (_CUT_OFF if len(cells) == len(known) + len(missing) else b"") + b"\n"


def _last_line(source: typing.BinaryIO) -> bytes:
    size, text = source.seek(0, os.SEEK_END), b""
    while b"\n" not in text and len(text) < size:
        source.seek(max(0, size - len(text) - 65536))
        text = source.read(size - source.tell())
    return text.rsplit(b"\n", 1)[-1]


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system lets a folder be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _damage(path: Path, line: int, wrong: str) -> UserError:
    return UserError(
        f"{path}, line {line}: {wrong}", f"mend or delete line {line}, then try again; nothing was changed"
    )


def _parse(path: Path) -> tuple[list[str], list[list[str]], Sequence[int]]:
    """Return the header, the cells of each row and the line on which each row starts."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return [], [], []
    except OSError as error:
        raise UserError(
            f"the ledger {path} cannot be read ({error.strerror})", "check the path and its rights"
        ) from None
    header = _header(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _damage(path, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text") from None
    if raw and not raw.endswith(b"\n"):
        line = raw.count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: the last line is cut off (it has no line end)",
            f"delete line {line}, or end it with a line break if it is whole; nothing was changed",
        )
    rows, lines = _split(text, path)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise _damage(path, line, f"has {len(row)} cells, the header has {len(header)}")
    return header, rows[1:], lines[1:]


def _split(text: str, path: Path) -> tuple[list[list[str]], Sequence[int]]:
    """Return the cells of each row that is not blank, and the line on which the row starts."""
    with contextlib.suppress(csv.Error):
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
        if reader.line_num == len(rows) and all(rows):  # one line a row: the usual, and twice as fast
            return rows, range(1, len(rows) + 1)
    rows, lines, line = [], [], 1
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise _damage(path, line, f"cannot be split into cells ({error})") from None
    return rows, lines


def _column(name: str, cells: tuple[str, ...] | None, path: Path, lines: Sequence[int]) -> "pd.Series[Any]":
    import numpy as np
    import pandas as pd

    cells = ("",) * len(lines) if cells is None else cells
    if name in NUMBERS:
        values = _numbers(float, name, cells, path, lines)
        return pd.Series(np.array([math.nan if value is None else value for value in values], dtype=float))
    if name in INTEGERS:
        whole = _numbers(_whole, name, cells, path, lines)
        mask = np.array([value is None for value in whole], dtype=bool)
        filled = np.array([0 if value is None else value for value in whole], dtype=np.int64)
        return pd.Series(pd.arrays.IntegerArray(filled, mask))
    return pd.Series(cells, dtype=str)


def _whole(cell: str) -> int:
    try:
        value = int(cell)
    except ValueError:
        number = float(cell)  # an older ledger, or one that went through a spreadsheet, may hold 3.0
        value = int(number) if math.isfinite(number) else 1 << 64
        if value != number:
            raise ValueError from None
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError
    return value


def _numbers(
    kind: typing.Callable[[str], Any], name: str, cells: tuple[str, ...], path: Path, lines: Sequence[int]
) -> list[Any]:
    try:
        return [kind(cell) if cell else None for cell in cells]
    except ValueError:
        for cell, line in zip(cells, lines, strict=True):
            try:
                kind(cell or "0")
            except ValueError:
                raise _damage(path, line, f"{name} is {cell!r}, not a number") from None
        raise
