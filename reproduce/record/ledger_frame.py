"""From the rows of a ledger to a typed frame; text for a number is named by file and line. No torch.

make_frame(split_rows(path.read_bytes(), path), path)
"""

import math
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reproduce.record.checksummed_csv import CHECK
from reproduce.record.ledger_columns import COLUMNS, INTEGERS, NUMBERS
from reproduce.record.ledger_rows import Rows, damage

if typing.TYPE_CHECKING:
    import pandas as pd


def make_frame(rows: Rows, path: Path) -> "pd.DataFrame":
    """Return the runs in ``rows`` of the file ``path``: see :func:`reproduce.record.ledger.read`."""
    import pandas as pd

    columns = dict(zip(rows.header, zip(*rows.cells, strict=True), strict=True)) if rows.cells else {}
    if "" in columns.get("run_id", ()):
        raise damage(path, rows.lines[columns["run_id"].index("")], "has no run_id")
    names = [*COLUMNS, *(name for name in rows.header if name not in COLUMNS and name != CHECK)]
    empty = ("",) * len(rows.cells)
    frame = pd.DataFrame({name: _column(name, columns.get(name, empty), path, rows.lines) for name in names})
    return frame.drop_duplicates("run_id", keep="last", ignore_index=True)


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
                raise damage(path, line, f"{name} is {cell!r}, not a number") from None
        raise
