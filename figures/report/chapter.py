"""A chapter of the report: one study, its tables as they can be shown, and its claims."""

from collections.abc import Iterable
from dataclasses import dataclass

from figures.report.tables import Shown
from paper_tables.claims.claim import Assessment, Study
from paper_tables.published import Value
from paper_tables.table import Row, Table
from paper_tables.verdict import published_value
from reproduce.stats.against_published import Verdict


@dataclass(frozen=True)
class Accuracy:
    """A printed accuracy that runs may be held against, and what is said of it in one variant."""

    table: Table
    row: Row
    value: Value
    verdict: Verdict

    @property
    def place(self) -> tuple[str, str]:
        """Table and row: of all variants the same printed number."""
        return (self.table.name, self.row.row)

    @property
    def seeds(self) -> int:
        """How many of the seeds that count are there: those behind a verdict that may be reached."""
        found = (self.row.committed or {}).get("top1")
        return found.n if found is not None and self.verdict.word in ("agrees", "differs", "undecided") else 0

    @property
    def name(self) -> str:
        """Return the row, its variant where it is not the described one, and the two numbers."""
        variant = "" if self.table.variant == "described" else f" ({self.table.variant})"
        ours = (self.row.committed or self.row.measured).get("top1")
        mean = "" if ours is None else f", ours {ours.mean:.4f} over {ours.n} seeds"
        return f"{self.row.row}{variant}: printed {self.value.printed()}{mean}"


@dataclass(frozen=True)
class Chapter:
    """One study: its tables as they can be shown, and its claims."""

    study: Study
    tables: tuple[Shown, ...]
    claims: Assessment

    @property
    def accuracies(self) -> tuple[Accuracy, ...]:
        """The printed accuracies of the study's tables that can be compared, each once per shown variant."""
        return tuple(_list_accuracies(self.tables))


def _list_accuracies(tables: Iterable[Shown]) -> Iterable[Accuracy]:
    for table in (shown.table for shown in tables):
        if not isinstance(table, Table):
            continue
        for row in table.rows:
            value = published_value(table.variant, row.published)
            if value is not None and not value.not_comparable:
                yield Accuracy(table, row, value, row.committed_verdict or row.verdict)
