"""What a table module states: the columns to show and the pairs to set against each other."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["row", "published", "measured", "committed", "params", "macs", "flops", "verdict"]


@dataclass(frozen=True)
class Column:
    """One column of a rendered table: what it shows, of which metric, under which heading."""

    heading: str
    kind: Kind
    metric: str = "top1"


@dataclass(frozen=True)
class Definition:
    """The part of a table that its paper fixes beyond rows and title: columns, and (plain, changed) pairs of rows."""

    columns: tuple[Column, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    against: str = ""  # the row that every other is tested against
    pairs_title: str = ""  # over the pairs: which is which, and which way round the ratios are


ROW = Column("row", "row")
PUBLISHED = Column("published", "published")
OURS = Column("ours", "measured")
COMMITTED = Column("committed", "committed")
PARAMS = Column("parameters", "params", "params")
MACS = Column("MACs", "macs", "macs")
FLOPS = Column("FLOPs", "flops", "flops")
TOP5 = Column("top-5", "measured", "top5_last")
SPEED = Column("images/s", "measured", "images_per_second")
MEMORY = Column("memory, MB", "measured", "peak_memory_mb")
VERDICT = Column("verdict", "verdict")
