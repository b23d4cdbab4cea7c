"""A table as data: what :func:`paper_tables.build.build` returns and every format shows."""

from collections.abc import Mapping
from dataclasses import dataclass

from paper_tables.comparison import Comparison
from paper_tables.deviations import Deviation
from paper_tables.published import Value
from paper_tables.selection import Identity
from reproduce.recipes.paper_table import PaperTable
from reproduce.stats.against_published import Verdict
from reproduce.stats.intervals import Interval


@dataclass(frozen=True)
class Row:
    """One row: what was published, what these runs and the committed ones say, and the command that makes it."""

    row: str
    label: str
    params: int | None  # of the paper-scale model
    macs: int | None  # of its forward pass of one image
    flops: int | None  # of the same, as the row's paper counts them; None where no paper prints any
    published: Mapping[str, Value]
    measured: Mapping[str, Interval]
    committed: Mapping[str, Interval] | None
    committed_identity: Identity | None
    verdict: Verdict
    committed_verdict: Verdict | None
    command: str
    footnotes: tuple[str, ...]  # numbers of deviations
    diverged: int = 0  # of our runs: no mean has them
    unscored: int = 0  # of our finished runs: without a finite accuracy, in no mean of it
    committed_diverged: int = 0


@dataclass(frozen=True)
class Pair:
    """A plain row against its changed form: gain in accuracy, ratios (plain over changed) of size and wall time."""

    plain: str
    changed: str
    gain_published: float | None
    gain: Interval | None
    params_published: float | None
    params: float | None
    macs: float | None
    wall_published: float | None
    wall: float | None


@dataclass(frozen=True)
class Table:
    """A built table; ``dataset`` and ``data_sha256`` are those of the runs shown, or planned where there are none."""

    paper: PaperTable
    budget: str
    variant: str
    scale: str
    dataset: str
    data_sha256: str
    precision: str
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    against_published: tuple[Comparison, ...]
    against: tuple[Comparison, ...]
    notes: tuple[str, ...]
    footnotes: tuple[Deviation, ...]
    family: int  # rows with a printed accuracy that may be compared: Holm's correction is over so many
    basis: str = ""  # what the accuracies are of, where it is no ledger

    @property
    def name(self) -> str:
        """What the table is called on the command line."""
        return self.paper.name

    @property
    def number(self) -> int | None:
        """Its number in the [Re] report, None where it is known by name alone."""
        return self.paper.number

    @property
    def title(self) -> str:
        """The title that its paper gives it, or what it shows."""
        return self.paper.title
