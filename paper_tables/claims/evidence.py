"""What claims are judged by, behind one interface, and the values that the papers print. No torch.

Printed(("hierarchical",)).samples(("vit-ha", "vit")).samples[0].mean
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from paper_tables.claims.measured_files import Point
from paper_tables.claims.outcome import Missing, Obstacle
from paper_tables.measured import read_counts
from paper_tables.published import Value, read_losses
from paper_tables.published import read_curves as read_published_curves
from paper_tables.published import read_table as read_published_table
from paper_tables.selection import TEST_IMAGES
from reproduce.recipes.registry import ENTRIES
from reproduce.stats.sample import Sample

_PRINTED = {
    "latency_ms": "wall_ms",
    "images_per_second": "seconds_per_epoch",
}  # our names of metrics -> those of published/*.csv
# printed of another form than the row's: configured non-isotropic (D14); `logged` has it under its own name
NOT_OF_THE_ROW = {("heads", "quadratic-16h", "top1")}
# rows whose published curve is drawn under the name of another: the run of Figure 1 was non-isotropic (D14, D15)
DRAWN_AS = {"quadratic-aniso": "quadratic", "quadratic-aniso-16h": "quadratic-16h"}
Head = dict[str, float]  # what was measured on one head of one layer


@dataclass(frozen=True)
class Found:
    """Samples of several arms that may be compared, what they share, and why they may not decide."""

    samples: tuple[Sample, ...]
    basis: str
    obstacles: tuple[Obstacle, ...] = ()


@dataclass(frozen=True)
class Curves:
    """Training curves of several rows that may be compared: of every row one (epoch, value) curve per seed."""

    rows: tuple[tuple[tuple[Point, ...], ...], ...]
    basis: str
    obstacles: tuple[Obstacle, ...] = ()
    seeds: tuple[tuple[int, ...], ...] = ()  # of every row those of its curves, where they are known


@dataclass(frozen=True)
class Maps:
    """What was measured on the attention maps of a row's networks: of every run a record per head.

    ``commands`` draw the figures of the runs that have none yet.
    """

    runs: tuple[tuple[Head, ...], ...]
    basis: str
    obstacles: tuple[Obstacle, ...] = ()
    commands: tuple[str, ...] = ()


Evidenced = TypeVar("Evidenced", Found, Curves)


class Evidence(ABC):
    """What a part may ask. The base knows what needs no training; what it lacks it reports as missing."""

    side: Literal["ours", "published"] = "ours"
    variant = "described"
    local = False  # whether what lies on this machine counts

    def __init__(
        self,
        tables: Sequence[str] = (),
        trials: int = 10_000,
        seeds: str = "0-4",
        counts: Mapping[tuple[str, str], Any] | None = None,
    ) -> None:
        """Printed values are those of the first of ``tables`` that has them.

        ``trials`` is the number of test images behind one printed accuracy where the row's data do not say, ``seeds``
        how many runs per arm claims deserve, as a command names them.
        """
        self.tables, self.trials, self.seeds = tuple(dict.fromkeys(filter(None, tables))), trials, seeds
        self.counts = read_counts() if counts is None else counts

    @abstractmethod
    def samples(self, arms: Sequence[str], metric: str = "top1") -> Found | Missing:
        """Return a sample of every arm, all from comparable runs."""

    @abstractmethod
    def curves(self, rows: Sequence[str], column: str = "test_top1") -> Curves | Missing:
        """Return the curves of all rows, one per seed, all from comparable runs."""

    @abstractmethod
    def maps(self, row: str, kind: str, columns: Sequence[str]) -> Maps | Missing:
        """Return what was measured on trained networks' attention maps; every record has ``columns``."""

    def held_against_print(self, row: str, found: Evidenced) -> Evidenced | Missing:
        """Return ``found``, what is known of ``row``, if it may be compared with a printed value; else why not."""
        return found

    def count(self, row: str, column: str = "params") -> float | Missing:
        """Return an exact count of the paper-scale model: ``params``, ``macs_fast`` or ``macs_naive``."""
        found = self.counts.get((row, self.variant), self.counts.get((row, "described"), {})).get(column)
        if found is None:
            return Missing(f"'{row}' is not in measured/structure.csv", ("attnrepro bench --cpu --suite structure",))
        return float(found)

    def printed(self, row: str, metric: str = "top1") -> Value | None:
        """Return what is printed for ``row``: in the first of the tables that has it."""
        for table in self.tables:
            value = _values_of(table).get((row, metric))
            if value and not value.not_comparable and (table, row, metric) not in NOT_OF_THE_ROW:
                return value
        return None

    def printed_sample(self, row: str, metric: str = "top1") -> Sample | None:
        """Return the printed value as a sample: with its spread where one is printed."""
        value = self.printed(row, metric)
        if value is None:
            return None
        data = _data_of(row, value.table)
        trials = TEST_IMAGES.get(data, self.trials) if metric.startswith("top") else None
        return Sample.printed(value.value, value.deviation, value.n, trials)


class Printed(Evidence):
    """The published values as evidence."""

    side = "published"

    def samples(self, arms: Sequence[str], metric: str = "top1") -> Found | Missing:
        """Return the printed values of all arms."""
        found = [None if " " in arm else self.printed_sample(arm, _PRINTED.get(metric, metric)) for arm in arms]
        absent = [arm for arm, sample in zip(arms, found, strict=True) if sample is None]
        if absent:
            return Missing(f"nothing is printed for {', '.join(absent)}")
        return Found(tuple(sample for sample in found if sample is not None), "as printed")

    def curves(self, rows: Sequence[str], column: str = "test_top1") -> Curves | Missing:
        """Return the points read off the published plots."""
        if column not in ("test_top1", "train_loss"):
            return Missing(f"no published {column.replace('_', ' ')} of {rows[0]}")
        names = [DRAWN_AS.get(row, "" if row in DRAWN_AS.values() else row) for row in rows]
        if column == "test_top1":
            drawn = [(point.row, point.epoch, point.top1, point.error) for point in _curves()]
        else:
            drawn = [(point.row, point.epoch, point.loss, point.error) for point in _losses()]
        read = [[point[1:] for point in drawn if point[0] == name] for name in names]
        absent = [row for row, points in zip(rows, read, strict=True) if not points]
        if absent:
            return Missing(f"no published curve of {absent[0]}")
        error = max(point[2] for points in read for point in points)
        basis = f"read off a plot to +-{error:g}" if error else "as printed"
        return Curves(tuple((tuple((epoch, value) for epoch, value, _ in points),) for points in read), basis)

    def maps(self, row: str, kind: str, columns: Sequence[str]) -> Maps | Missing:
        """Return what is missing: papers show maps, they print no numbers of them."""
        return Missing("maps are shown, no numbers of them are printed")

    def count(self, row: str, column: str = "params") -> float | Missing:
        """Return the printed number of parameters."""
        value = self.printed(row, column)
        return Missing(f"no {column} of {row} are printed") if value is None else value.value


def _data_of(row: str, table: str) -> str:
    """Return the data that a printed row is of: its own, or where this version lacks the row its table's."""
    same = [row] if row in ENTRIES else [name for name, entry in ENTRIES.items() if entry.recipe.table == table]
    return ENTRIES[same[0]].recipe.data.name if same else ""


_values_of = functools.cache(read_published_table)  # the package's own files do not change while it runs
_curves = functools.cache(read_published_curves)
_losses = functools.cache(read_losses)
