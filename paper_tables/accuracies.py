"""Accuracies from a CSV of somebody else's: what is measured, one line per row and seed, and what is printed.

    row,seed,accuracy,test_images         row,accuracy,deviation,n,test_images,classes
    vit,0,0.8431,10000                    vit,0.843,,,10000,10
    vit,1,diverged,                       cnn,0.667,0.019,16,10000,10

Columns may come in any order; those after the accuracy may be left out. A seed whose run diverged says so in place of
its accuracy: it counts as lost, which no mean of the others makes good. What cannot be read is named by file, line and
column.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from paper_tables.published import Value
from reproduce.errors import UserError, did_you_mean

MEASURED_COLUMNS = ("row", "seed", "accuracy", "test_images")
PRINTED_COLUMNS = ("row", "accuracy", "deviation", "n", "test_images", "classes")
DIVERGED = "diverged"


@dataclass(frozen=True)
class Measured:
    """The runs of one row: accuracies by seed, None where a run diverged, and their numbers of test images."""

    seeds: Mapping[int, float | None]
    test_images: frozenset[int | None]

    @property
    def finished(self) -> tuple[float, ...]:
        """The accuracies of the runs that have one."""
        return tuple(value for value in self.seeds.values() if value is not None)


@dataclass(frozen=True)
class Target:
    """What a row is held against: a printed value, the images that it is a share of, and the classes among them."""

    value: Value
    test_images: int | None
    classes: int | None


@dataclass(frozen=True)
class _Cells:
    """One line of a file, by column, which says where it is wrong."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def wrong(self, column: str, what: str, hint: str) -> UserError:
        return UserError(f"{self.path}, line {self.line}, column '{column}': {what}", hint)

    def name(self) -> str:
        if not self.cells["row"]:
            raise self.wrong("row", "no row is named", "name the row that the accuracy is of")
        return self.cells["row"]

    def share(self, column: str) -> float:
        text = self.cells[column]
        number = self._number(column, text, f"write a share from 0 to 1, or '{DIVERGED}' for a run that has none")
        if 1 < number <= 100:
            hint = f"accuracies are shares from 0 to 1: {number / 100:.6g} for {text} %"
            raise self.wrong(column, f"{text} is a percentage", hint)
        if not 0 <= number <= 1:
            raise self.wrong(column, f"{text} is no accuracy", "accuracies are shares from 0 to 1: 0.938")
        return number

    def count(self, column: str, least: int) -> int | None:
        """Return a whole number, None where the cell is empty or there is no such column."""
        text = self.cells.get(column, "")
        if not text:
            return None
        number = self._number(column, text, f"write a whole number from {least} on")
        if number < least or number != int(number):
            raise self.wrong(column, f"'{text}' is no whole number from {least} on", f"write one, for example {least}")
        return int(number)

    def _number(self, column: str, text: str, hint: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self.wrong(column, f"'{text}' is not a number" if text else "the cell is empty", hint)
        return number


def read_measured(path: Path, rows: Iterable[str]) -> dict[str, Measured]:
    """Return the accuracies in ``path`` by row; ``rows`` are those of the table.

    Raises:
        UserError: a file that cannot be read, or the first cell that is wrong.
    """
    known, found = tuple(rows), dict[str, dict[int, float | None]]()
    images: dict[str, set[int | None]] = {}
    lines: dict[tuple[str, int], int] = {}
    for cells in _read(path, MEASURED_COLUMNS, needed=3):
        row, seed = cells.name(), cells.count("seed", 0)
        if row not in known:
            raise cells.wrong("row", f"the table has no row '{row}'", did_you_mean(row, known))
        if seed is None:
            raise cells.wrong("seed", "the cell is empty", "number the runs of a row: 0, 1, 2")
        if (row, seed) in lines:
            before = f"seed {seed} of '{row}' is on line {lines[row, seed]} already"
            raise cells.wrong("seed", before, "keep one line per row and seed")
        lines[row, seed] = cells.line
        lost = cells.cells["accuracy"].lower() == DIVERGED
        found.setdefault(row, {})[seed] = None if lost else cells.share("accuracy")
        images.setdefault(row, set()).update(() if lost else {cells.count("test_images", 1)})
    if not found:
        raise UserError(f"{path} has no accuracies", f"write a line per run below {','.join(MEASURED_COLUMNS)}")
    return {row: Measured(dict(sorted(seeds.items())), frozenset(images[row])) for row, seeds in found.items()}


def read_printed(path: Path) -> dict[str, Target]:
    """Return the printed accuracies in ``path`` by row.

    Raises:
        UserError: a file that cannot be read, or the first cell that is wrong.
    """
    found: dict[str, Target] = {}
    for cells in _read(path, PRINTED_COLUMNS, needed=2):
        row, runs = cells.name(), cells.count("n", 1)
        if row in found:
            raise cells.wrong("row", f"'{row}' stands twice", "keep one line per row")
        deviation = cells.share("deviation") if cells.cells.get("deviation") else None
        if (deviation is not None) != ((runs or 1) > 1):
            raise cells.wrong(
                "n", "a deviation needs the number of its runs, and more than one", "fill in both or none"
            )
        value = Value(
            table=path.stem,
            row=row,
            metric="top1",
            value=cells.share("accuracy"),
            text=cells.cells["accuracy"],
            spread=deviation,
            spread_of="sample" if deviation is not None else "",
            n=runs,
            source=f"{path}, line {cells.line}",
            note="",
        )
        found[row] = Target(value, cells.count("test_images", 1), cells.count("classes", 2))
    if not found:
        raise UserError(f"{path} has no rows", f"write a line per row below {','.join(PRINTED_COLUMNS)}")
    return found


def _read(path: Path, columns: tuple[str, ...], needed: int) -> Iterator[_Cells]:
    """Yield the lines of a CSV that has the first ``needed`` of ``columns``, and no others than these."""
    example = f"its first line is {','.join(columns)}; what comes after '{columns[needed - 1]}' may be left out"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"there is no file {path}", "name a CSV file of accuracies") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text ({error})", "save it as CSV in UTF-8") from None
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        for name in header:
            if name not in columns or header.count(name) > 1:
                wrong = "stands twice" if name in columns else "is not known"
                raise UserError(f"{path}, line 1, column '{name}': the column {wrong}", example)
        for name in columns[:needed]:
            if name not in header:
                raise UserError(f"{path}, line 1, column '{name}': the column is missing", example)
        for cells in reader:
            if len(cells) not in (0, len(header)):
                wrong = f"{len(cells)} cells, the first line has {len(header)}"
                raise UserError(f"{path}, line {reader.line_num}: {wrong}", "write a cell per column, empty or not")
            if any(cells):
                yield _Cells(path, reader.line_num, dict(zip(header, map(str.strip, cells), strict=True)))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not a line of a CSV ({error})", example) from None
