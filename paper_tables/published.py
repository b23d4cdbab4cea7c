"""What the papers print: every value with its source, read from ``published/*.csv`` and checked line by line.

read_table("hierarchical")[("vit-ha", "top1")].value      # 0.877
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from reproduce.errors import UserError, did_you_mean
from reproduce.recipes import registry
from reproduce.record.whole_files import read_listed

FOLDER = Path(__file__).parent / "published"
TABLES = (*(name for name, table in registry.TABLES.items() if table.train), "logged")
METRICS: tuple[str, ...] = ("top1", "top1_original", "top1_best", "top1_corrected", "top1_rerun", "top1_train")
METRICS += ("top5", "top5_corrected", "loss", "params", "macs", "flops", "wall_ms", "seconds_per_epoch")
VALUE_COLUMNS: tuple[str, ...] = ("table", "row", "metric", "value", "spread", "spread_of", "n", "source", "note")
VALUE_COLUMNS += ("corrected_spread", "epoch", "not_comparable")
EPOCHS = ("", "best", "last", "selected")  # not known or no accuracy, best on test, last, chosen by held-out images
SETTING_COLUMNS = ("group", "rows", "field", "value", "source")
CURVE_COLUMNS = ("row", "epoch", "top1", "error", "source", "note")
LOSS_COLUMNS = ("row", "epoch", "loss", "error", "source", "note")


@dataclass(frozen=True)
class Value:
    """One published number; ``text`` is its printed form, ``spread`` the printed standard deviation over ``n`` runs.

    ``spread_of`` says which deviation that is: of the runs as a population (over n), or as a sample (over n - 1);
    ``corrected_spread`` stands where the printed one is a misprint. ``epoch`` is that of an accuracy, one of
    :data:`EPOCHS`. ``not_comparable`` says why no run of the row can be held against the number.
    """

    table: str
    row: str
    metric: str
    value: float
    text: str
    spread: float | None
    spread_of: str
    n: int | None
    source: str
    note: str
    corrected_spread: float | None = None
    epoch: str = ""
    not_comparable: str = ""

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation that the spread stands for: the corrected one, where the print is wrong."""
        spread = self.spread if self.corrected_spread is None else self.corrected_spread
        if spread is None or self.spread_of != "population" or not self.n or self.n < 2:
            return spread
        return spread * math.sqrt(self.n / (self.n - 1))

    @property
    def half_unit(self) -> float:
        """Half a unit of the last printed digit: the number before rounding was at most so far away."""
        exponent = Decimal(self.text).as_tuple().exponent
        return float(Decimal(5).scaleb(int(exponent) - 1))

    def printed(self) -> str:
        """Return the number as the paper prints it: ``0.910``, ``12.1M``, ``2.2G``."""
        units = {"e6": "M", "e9": "G"}
        return self.text[:-2] + units[self.text[-2:]] if self.text[-2:] in units else self.text


@dataclass(frozen=True)
class Setting:
    """One cell of the published Table 4 (or of its caption): a field of the rows that share the line."""

    group: str
    rows: tuple[str, ...]
    field: str
    value: str
    source: str


@dataclass(frozen=True)
class CurvePoint:
    """Test accuracy read off a published plot, right to within ``error``."""

    row: str
    epoch: int
    top1: float
    error: float
    source: str
    note: str


@dataclass(frozen=True)
class LossPoint:
    """Mean training loss of an epoch, in nats, read off a published plot, right to within ``error``."""

    row: str
    epoch: int
    loss: float
    error: float
    source: str
    note: str


def read_table(name: str, folder: Path = FOLDER) -> dict[tuple[str, str], Value]:
    """Return the published values of a table by row and metric; ``logged`` holds those that no table prints.

    Raises:
        UserError: an unknown table, or a line of its file that breaks the schema (file and line are named).
    """
    if name not in TABLES:
        raise UserError(f"no published table is called '{name}'", did_you_mean(name, TABLES))
    path = folder / f"{name}.csv"
    values: dict[tuple[str, str], Value] = {}
    for line, cells in _lines(path, VALUE_COLUMNS):
        value = _value(path, line, cells)
        if value.table != name:
            raise _damage(path, line, f"belongs to table '{value.table}', not to '{name}'")
        if (value.row, value.metric) in values:
            raise _damage(path, line, f"repeats {value.metric} of '{value.row}'")
        values[value.row, value.metric] = value
    return values


def read_hyperparameters(folder: Path = FOLDER) -> list[Setting]:
    """Return the cells of the published Table 4 in the printed order; raises UserError on a damaged line."""
    path = folder / "hyperparameters.csv"
    settings, seen = [], set()
    for line, cells in _lines(path, SETTING_COLUMNS):
        if not all(cells.values()):
            raise _damage(path, line, "has an empty cell")
        if (cells["group"], cells["field"]) in seen:
            raise _damage(path, line, f"repeats {cells['field']} of '{cells['group']}'")
        seen.add((cells["group"], cells["field"]))
        rows = tuple(cells["rows"].split())
        settings.append(Setting(cells["group"], rows, cells["field"], cells["value"], cells["source"]))
    return settings


def read_curves(folder: Path = FOLDER) -> list[CurvePoint]:
    """Return the digitised accuracy curves, by row and epoch; points hidden in the plot are absent."""
    path = folder / "curves.csv"
    return [
        CurvePoint(row, epoch, _share(path, line, "top1", value), _share(path, line, "error", error), source, note)
        for line, row, epoch, value, error, source, note in _points(path, CURVE_COLUMNS)
    ]


def read_losses(folder: Path = FOLDER) -> list[LossPoint]:
    """Return the digitised training losses, by row and epoch."""
    path = folder / "losses.csv"
    return [
        LossPoint(row, epoch, _number(path, line, "loss", value), _number(path, line, "error", error), source, note)
        for line, row, epoch, value, error, source, note in _points(path, LOSS_COLUMNS)
    ]


def _points(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, str, int, str, str, str, str]]:
    """Yield (line, row, epoch, value, error, source, note) of a file of curves; no row has an epoch twice."""
    seen = set()
    for line, cells in _lines(path, columns):
        row, number, value, error, source, note = cells.values()
        epoch = int(_number(path, line, "epoch", number))
        if (row, epoch) in seen:
            raise _damage(path, line, f"repeats epoch {epoch} of '{row}'")
        seen.add((row, epoch))
        yield line, row, epoch, value, error, source, note


def _value(path: Path, line: int, cells: dict[str, str]) -> Value:
    if not cells["row"] or not cells["source"]:
        raise _damage(path, line, "has no row or no source")
    if cells["metric"] not in METRICS:
        raise _damage(path, line, f"has the unknown metric '{cells['metric']}'")
    read = _share if cells["metric"].startswith("top") else _number
    spread = _number(path, line, "spread", cells["spread"]) if cells["spread"] else None
    n = _number(path, line, "n", cells["n"]) if cells["n"] else None
    if (cells["spread_of"] in ("population", "sample")) != (spread is not None):
        raise _damage(path, line, "needs a spread_of, population or sample, with a spread and with nothing else")
    right = cells["corrected_spread"]
    corrected = _number(path, line, "corrected_spread", right) if right else None
    if right and spread is None:
        raise _damage(path, line, "corrects a spread that it does not have")
    if cells["epoch"] not in EPOCHS:
        raise _damage(path, line, f"epoch is '{cells['epoch']}', not best, last, selected or nothing")
    if n is not None and (n < 1 or n != int(n)):
        raise _damage(path, line, f"n is '{cells['n']}', not a number of runs")
    return Value(
        table=cells["table"],
        row=cells["row"],
        metric=cells["metric"],
        value=read(path, line, "value", cells["value"]),
        text=cells["value"],
        spread=spread,
        spread_of=cells["spread_of"],
        n=None if n is None else int(n),
        source=cells["source"],
        note=cells["note"],
        corrected_spread=corrected,
        epoch=cells["epoch"],
        not_comparable=cells["not_comparable"],
    )


def _lines(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        text = read_listed(path, "restore the file from the repository; after an edit of your own: make sums")
    except FileNotFoundError:
        raise UserError(f"there is no {path}", "install the package again; published values come with it") from None
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = next(reader, [])
        if tuple(header) != columns:
            raise _damage(path, 1, f"must be the header {','.join(columns)}")
        for cells in reader:
            if len(cells) != len(columns):
                raise _damage(path, reader.line_num, f"has {len(cells)} cells, not {len(columns)}")
            yield reader.line_num, dict(zip(columns, cells, strict=True))
    except csv.Error as error:
        raise _damage(path, reader.line_num, f"cannot be split into cells ({error})") from None


def _number(path: Path, line: int, name: str, cell: str) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise _damage(path, line, f"{name} is '{cell}', not a number")
    return number


def _share(path: Path, line: int, name: str, cell: str) -> float:
    number = _number(path, line, name, cell)
    if number > 1:
        raise _damage(path, line, f"{name} is '{cell}'; accuracies are shares from 0 to 1")
    return number


def _damage(path: Path, line: int, wrong: str) -> UserError:
    return UserError(f"{path}, line {line}: {wrong}", "mend the line, or restore the file from the repository")
