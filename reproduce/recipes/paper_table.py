"""What a published table is: its rows in the printed order, its columns, and the margin that its numbers are held to.

TABLE = PaperTable(name="vits", number=None, title="...", study="re", rows=("vit", "vit-ha"), against="vit")
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["row", "published", "measured", "committed", "params", "macs", "flops", "verdict"]
MARGIN = 0.01  # a point: how far from a printed accuracy a network may be and still be called the same


@dataclass(frozen=True)
class Column:
    """One column of a rendered table: what it shows, of which metric, under which heading."""

    heading: str
    kind: Kind
    metric: str = "top1"


COLUMNS: Mapping[str, Column] = {
    column.heading: column
    for column in (
        Column("row", "row"),
        Column("published", "published"),
        Column("original paper", "published", "top1_original"),
        Column("corrected (A3)", "published", "top1_corrected"),
        Column("published, training", "published", "top1_train"),
        Column("ours", "measured"),
        Column("top-5", "measured", "top5_last"),
        Column("committed", "committed"),
        Column("parameters", "params", "params"),
        Column("MACs", "macs", "macs"),
        Column("FLOPs", "flops", "flops"),
        Column("wall time, ms", "measured", "latency_ms"),
        Column("images/s", "measured", "images_per_second"),
        Column("memory, MB", "measured", "peak_memory_mb"),
        Column("verdict", "verdict"),
    )
}


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """A published table: its name and number, which study it is from, its rows and its columns.

    A new table is a module beside this one that has a ``TABLE`` and the ``ENTRIES`` of its rows, and the file
    ``paper_tables/published/NAME.csv`` of what the paper prints.
    """

    name: str
    number: int | None  # None: known by its name alone, which carries the study
    title: str
    study: str
    rows: tuple[str, ...]
    train: bool = True  # False: the table lists settings, nothing is trained for it
    headline: Mapping[str, str] = field(default_factory=dict)  # variant -> accuracy that is compared, if not the usual
    headings: tuple[str, ...] = ("row", "published", "ours", "committed", "parameters", "verdict")
    pairs: tuple[tuple[str, str], ...] = ()  # (plain, changed) rows
    pairs_title: str = ""  # over the pairs: which is which, and which way round the ratios are
    against: str = ""  # the row that every other is tested against
    margin: float = MARGIN  # within which a measured accuracy agrees with the printed one

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns to show, in order; raises KeyError where ``headings`` has one that is not in COLUMNS."""
        return tuple(COLUMNS[heading] for heading in self.headings)

    def of_accuracies(self) -> "PaperTable":
        """Return the table with those columns alone that accuracies from elsewhere can fill."""
        columns = [one for one in self.columns if one.kind != "committed"]
        shown = [one.heading for one in columns if one.kind != "measured" or one.metric == "top1"]
        return replace(self, headings=tuple(shown))

    def headline_of(self, variant: str) -> str:
        """Return which accuracy is compared: selected on held-out images as described, best on the test set elsewhere.

        A table whose paper reports another one says so in ``headline``.
        """
        usual = "top1_val_selected" if variant == "described" else "top1_best"
        return self.headline.get(variant, usual)
