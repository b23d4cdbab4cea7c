"""From the bytes of a ledger to a typed frame; damage is named by file and line. No torch.

make_frame(path.read_bytes(), path)

A file whose every line is as we wrote it is parsed by Arrow, in a tenth of the time; any other is taken apart cell by
cell, which understands what older versions, other programs and people leave, and knows the line of what it does not.
"""

import contextlib
import csv
import io
import math
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reproduce.errors import UserError
from reproduce.record import checksummed_csv
from reproduce.record.add_row import split_header
from reproduce.record.checksummed_csv import CHECK
from reproduce.record.ledger_columns import COLUMNS, INTEGERS, NUMBERS

if typing.TYPE_CHECKING:
    import pandas as pd


def make_frame(raw: bytes, path: Path) -> "pd.DataFrame":
    """Return the runs in ``raw``, the content of ``path``: see :func:`reproduce.record.ledger.read`."""
    import pandas as pd

    header = split_header(raw[: raw.find(b"\n") + 1] or raw, path) if raw else []
    columns = _parse_unchanged(raw, header)
    if columns is None:
        columns = _parse_any(raw, header, path)
    rows = len(next(iter(columns.values()), ()))
    names = [*COLUMNS, *(name for name in header if name not in COLUMNS and name != CHECK)]
    frame = pd.DataFrame({name: columns[name] if name in columns else _empty_column(name, rows) for name in names})
    return frame.drop_duplicates("run_id", keep="last", ignore_index=True)


def _parse_unchanged(raw: bytes, header: Sequence[str]) -> "Mapping[str, pd.Series[Any]] | None":
    """Return the columns of a file in which every line has a checksum that fits, else None."""
    if not header or header[-1] != CHECK:
        return None
    head = checksummed_csv.write_header(header[:-1])
    if not raw.startswith(head) or not raw.endswith(b"\n"):
        return None
    if not checksummed_csv.all_fit(
        raw[len(head) : -1].split(b"\n") if len(raw) > len(head) else (), checksummed_csv.begin(header[:-1])
    ):
        return None
    import pandas as pd
    import pyarrow
    import pyarrow.csv

    kinds = {name: pyarrow.string() for name in header}
    kinds |= {name: pyarrow.float64() for name in NUMBERS} | {name: pyarrow.int64() for name in INTEGERS}
    options = pyarrow.csv.ConvertOptions(column_types=kinds, null_values=[""], include_columns=list(header[:-1]))
    try:
        table = pyarrow.csv.read_csv(pyarrow.BufferReader(raw), convert_options=options)
    except pyarrow.ArrowInvalid:
        return None
    columns = {}
    for name in header[:-1]:
        column = table.column(name)
        if name in INTEGERS:
            mask = column.is_null().to_numpy()
            columns[name] = pd.Series(pd.arrays.IntegerArray(column.fill_null(0).to_numpy().copy(), mask.copy()))
        elif name in NUMBERS:
            columns[name] = pd.Series(column.to_numpy())  # what is not there becomes NaN
        else:
            columns[name] = pd.Series(column.to_pandas(), dtype=str)
    return None if (columns["run_id"] == "").any() else columns


def _parse_any(raw: bytes, header: Sequence[str], path: Path) -> "Mapping[str, pd.Series[Any]]":
    rows, lines = _split_rows(raw, header, path)
    _check_rows(rows, lines, header, path)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else {}
    if "" in columns.get("run_id", ()):
        raise _damage(path, lines[columns["run_id"].index("")], "has no run_id")
    return {name: _column(name, cells, path, lines) for name, cells in columns.items() if name != CHECK}


def _split_rows(raw: bytes, header: Sequence[str], path: Path) -> tuple[list[list[str]], Sequence[int]]:
    """Return the cells of each row and the line on which each row starts."""
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
    return rows[1:], lines[1:]


def _check_rows(rows: list[list[str]], lines: Sequence[int], header: Sequence[str], path: Path) -> None:
    """Refuse a row that was changed after it was written."""
    if CHECK not in header:
        if any(checksummed_csv.read_as_check(row[-1]) for row in rows):
            raise _damage(path, 1, f"the column '{CHECK}' is gone, though rows have it")
        return
    place = header.index(CHECK)
    start = checksummed_csv.begin(name for name in header if name != CHECK)
    for line, row in zip(lines, rows, strict=True):
        if not checksummed_csv.fits([*row[:place], *row[place + 1 :]], row[place], start):
            raise UserError(
                f"{path}, line {line}: {checksummed_csv.CHANGED}",
                f"put back line {line} (or the header), or delete it and run that row again; a change made by hand on "
                f"purpose stands without a checksum: empty the cell '{CHECK}'",
            )


def _empty_column(name: str, rows: int) -> "pd.Series[Any]":
    return _column(name, ("",) * rows, Path(), range(rows))


def _damage(path: Path, line: int, wrong: str) -> UserError:
    return UserError(
        f"{path}, line {line}: {wrong}", f"mend or delete line {line}, then try again; nothing was changed"
    )


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


def _column(name: str, cells: tuple[str, ...], path: Path, lines: Sequence[int]) -> "pd.Series[Any]":
    import numpy as np
    import pandas as pd

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
