"""A ledger's bytes as rows of cells and back; damage is named by file and line. No torch, no pandas.

rows = split_rows(path.read_bytes(), path)
rows.widen(["run_id", "top1_last"]).write()
"""

import contextlib
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reproduce.errors import UserError
from reproduce.record import checksummed_csv
from reproduce.record.checksummed_csv import CHECK


@dataclass(frozen=True)
class Rows:
    """The cells of a ledger: ``header`` as it stands, ``cells`` a list per row, ``lines`` where each row begins."""

    header: tuple[str, ...]
    cells: Sequence[Sequence[str]]
    lines: Sequence[int]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns without ``check``."""
        return tuple(name for name in self.header if name != CHECK)

    def widen(self, wanted: Sequence[str]) -> "Rows":
        """Return the rows with ``check`` last and empty cells for the ``wanted`` columns that are missing."""
        missing = [name for name in (*wanted, CHECK) if name not in self.header]
        if not missing and self.header:
            return self
        header = (*self.names, *(name for name in missing if name != CHECK), CHECK)
        start, added = checksummed_csv.begin(header[:-1]), [""] * (len(header) - 1 - len(self.names))
        cells = []
        for row in self.cells:
            values = [cell for name, cell in zip(self.header, row, strict=True) if name != CHECK] + added
            claims = CHECK in self.header and row[self.header.index(CHECK)]
            cells.append([*values, checksummed_csv.checksum(values, start) if claims else ""])
        return Rows(header, cells, self.lines)

    def write(self) -> bytes:
        """Return the rows as the bytes of a file."""
        return b"".join(map(checksummed_csv.write_cells, (self.header, *self.cells)))

    def write_row(self, values: Sequence[str]) -> bytes:
        """Return a further row, its ``values`` in the order of :attr:`names`, as a line with its checksum."""
        check = checksummed_csv.checksum(values, checksummed_csv.begin(self.names))
        place = self.header.index(CHECK)
        return checksummed_csv.write_cells([*values[:place], check, *values[place:]])


def split_rows(raw: bytes, path: Path) -> Rows:
    """Return the rows in ``raw``, the content of ``path``; nothing where it is empty.

    Raises:
        UserError: no header of a ledger, or a line that is cut off, changed after it was written, of a wrong length, or
            not UTF-8; it names the line.
    """
    if not raw:
        return Rows((), (), ())
    header = _split_header(raw[: raw.find(b"\n") + 1] or raw, path)
    if not raw.endswith(b"\n"):
        line = raw.count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: the last line is cut off (it has no line end)",
            f"delete line {line}, or end it with a line break if it is whole; nothing was changed",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise damage(path, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8 text") from None
    cells, lines = _split(text, path)
    for line, row in zip(lines, cells, strict=True):
        if len(row) != len(header):
            raise damage(path, line, f"has {len(row)} cells, the header has {len(header)}")
    rows = Rows(header, cells[1:], lines[1:])
    _check(rows, path)
    return rows


def damage(path: Path, line: int, wrong: str) -> UserError:
    """Return the error for a line of ``path`` that is not as it was written."""
    return UserError(
        f"{path}, line {line}: {wrong}", f"mend or delete line {line}, then try again; nothing was changed"
    )


def _split_header(raw: bytes, path: Path) -> tuple[str, ...]:
    try:
        header = next(csv.reader([raw.decode("utf-8-sig")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        header = []
    if "run_id" not in header or len(set(header)) != len(header):
        raise UserError(
            f"{path}, line 1: this is not the header of a ledger",
            "move the file away (it stays as it is), or put its header line back",
        )
    return tuple(header)


def _split(text: str, path: Path) -> tuple[list[list[str]], Sequence[int]]:
    """Return the cells of each row that is not blank, and the line on which the row starts."""
    with contextlib.suppress(csv.Error):
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = list(reader)
        if reader.line_num == len(rows) and all(rows):  # one line per row: the usual, and twice as fast
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
        raise damage(path, line, f"cannot be split into cells ({error})") from None
    return rows, lines


def _check(rows: Rows, path: Path) -> None:
    """Refuse a row that was changed after it was written."""
    if CHECK not in rows.header:
        if any(checksummed_csv.read_as_check(row[-1]) for row in rows.cells):
            raise damage(path, 1, f"the column '{CHECK}' is gone, though rows have it")
        return
    place, start = rows.header.index(CHECK), checksummed_csv.begin(rows.names)
    for line, row in zip(rows.lines, rows.cells, strict=True):
        if not checksummed_csv.fits([*row[:place], *row[place + 1 :]], row[place], start):
            raise UserError(
                f"{path}, line {line}: {checksummed_csv.CHANGED}",
                f"put back line {line} (or the header), or delete it and run that row again; a change made by hand on "
                f"purpose stands without a checksum: empty the cell '{CHECK}'",
            )
