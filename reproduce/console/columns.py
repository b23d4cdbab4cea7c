"""Records as aligned columns for a terminal or a pipe. No torch."""

from collections.abc import Mapping, Sequence
from typing import Any


def columns(records: Sequence[Mapping[str, Any]]) -> str:
    """Return one line a record under a line of names; numbers to the right, nothing cut.

    An empty list gives a sentence that says so.
    """
    if not records:
        return "nothing to list"
    names = list(dict.fromkeys(name for record in records for name in record))
    cells = [names, *([_cell(record.get(name)) for name in names] for record in records)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    numeric = [all(_is_number(record.get(name)) for record in records) for name in names]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join(lines)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if value is None or value != value:  # a NaN of pandas: nothing was measured
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    # names may come from files of others: no control codes for the terminal
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in str(value))
