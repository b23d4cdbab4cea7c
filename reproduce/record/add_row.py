"""Adding a row to a ledger file as it is found: new, of an older schema, with columns of others, or torn. No pandas.

The usual case is one line at the end. Only a file that lacks a column, or whose last line is unfinished, is written
anew beside and put in the old one's place in one step.
"""

import contextlib
import csv
import os
import shutil
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path

from reproduce.errors import UserError
from reproduce.record import checksummed_csv
from reproduce.record.checksummed_csv import CHECK
from reproduce.record.journal import append_line
from reproduce.record.ledger_columns import COLUMNS

_CUT_OFF = b",cut off"


def add_row(cells: Mapping[str, str], path: Path) -> None:
    """Add a row to the file at ``path``; call it under the lock.

    Raises:
        UserError: the file is no ledger.
        OSError: it cannot be written; it is as it was.
        ValueError: a column that neither we nor the file know.
    """
    known = read_header(path)
    missing = [name for name in (*COLUMNS, CHECK) if name not in known]
    foreign = set(cells) - set(known) - set(COLUMNS)
    if foreign:
        raise ValueError(f"the ledger has no column {min(foreign)!r}")
    if missing and CHECK in known and known[-1] != CHECK:
        raise UserError(f"{path}, line 1: '{CHECK}' is not the last column", f"move the column '{CHECK}' to the end")
    columns = [name for name in (*known, *missing) if name != CHECK]
    columns.insert(known.index(CHECK) if CHECK in known and not missing else len(columns), CHECK)
    line = _write_row(cells, columns)
    if known and not missing and _ends_whole(path):
        append_line(path, line)
    else:
        _write_anew(path, known, columns, line)


def read_header(path: Path) -> list[str]:
    """Return the columns of the file at ``path``, or nothing where it is missing or empty.

    Raises:
        UserError: its first line is not the header of a ledger.
    """
    if not path.exists() or path.stat().st_size == 0:
        return []
    with path.open("rb") as source:
        return split_header(source.readline(1 << 16), path)


def split_header(raw: bytes, path: Path) -> list[str]:
    """Return the columns that the first line of a ledger names; raises UserError where it is none."""
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


def _write_row(cells: Mapping[str, str], columns: Sequence[str]) -> bytes:
    names = [name for name in columns if name != CHECK]
    values = [cells.get(name, "") for name in names]
    values.insert(list(columns).index(CHECK), checksummed_csv.checksum(values, checksummed_csv.begin(names)))
    return checksummed_csv.write_cells(values)


def _write_anew(path: Path, known: Sequence[str], columns: Sequence[str], line: bytes) -> None:
    fresh = path.with_name(path.name + ".tmp")  # one name is enough: only the holder of the lock writes it
    wider = len(columns) - len(known)
    try:
        if known and not wider:
            shutil.copyfile(path, fresh)
        with fresh.open("ab" if known and not wider else "wb") as target:
            if not known:
                target.write(checksummed_csv.write_cells(columns))
            elif wider:
                _widen(path, target, known, columns)
            if known:
                target.write(_closing(path, len(columns), widened=wider > 0))
            target.write(line)
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


def _widen(path: Path, target: typing.BinaryIO, known: Sequence[str], columns: Sequence[str]) -> None:
    """Copy the file with empty cells for the missing columns; all other bytes stay as they are.

    Where rows have checksums, those that fit are made anew over the wider row; those that do not still will not.
    """
    checks = known[-1] == CHECK
    added = b"," * (len(columns) - len(known))
    before, after = checksummed_csv.begin(known[:-1]), checksummed_csv.begin(columns[:-1])
    quoted = False  # inside a quoted cell a line end does not end the row
    with path.open("rb") as source:
        first = source.readline().rstrip(b"\r\n")
        rest = columns[len(known) - checks :]
        first = first.rpartition(b",")[0] if checks else first
        target.write(first + b"," + ",".join(rest).encode() + b"\n")
        for line in source:
            text = line.rstrip(b"\r\n")
            quoted ^= bool(text.count(b'"') % 2)
            if not (line.endswith(b"\n") and text and not quoted):
                target.write(line)
            elif checks:
                cells, _, check = text.rpartition(b",")
                fits = checksummed_csv.all_fit([text], before)
                target.write(
                    checksummed_csv.seal_line(cells + added, after) if fits else cells + added + b"," + check + b"\n"
                )
            else:
                target.write(text + added + line[len(text) :])


def _closing(path: Path, width: int, widened: bool) -> bytes:
    """Return what ends an unfinished last line, leaving it one that :func:`read` refuses, and no more."""
    with path.open("rb") as source:
        last = source.readline()
        if last.endswith(b"\n"):
            source.seek(-1, os.SEEK_END)
            if source.read() == b"\n":
                return b""
            last = _last_line(source)
        elif not widened:
            return b"\n"  # a header alone, without its line end
        else:
            return b""  # the widened header has its line end already
    close = b'"' if last.count(b'"') % 2 else b""
    cells = next(csv.reader([(last + close).decode("latin-1")]), [])
    return close + (_CUT_OFF if len(cells) == width else b"") + b"\n"


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as source:
        source.seek(-1, os.SEEK_END)
        return source.read() == b"\n"


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
