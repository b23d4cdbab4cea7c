"""Verdicts on accuracies that were measured elsewhere: the engine and the table of our own runs, nothing is trained.

judge_table("hierarchical", Path("runs.csv")).rows[0].verdict
judge_file(Path("printed.csv"), Path("runs.csv"), margin=0.01)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paper_tables import deviations, notes, published
from paper_tables.accuracies import PRINTED_COLUMNS, Measured, Target, read_measured, read_printed
from paper_tables.comparison import compare_published
from paper_tables.measured import Counts, read_counts
from paper_tables.pairs import Arms
from paper_tables.published import Value
from paper_tables.selection import Choice, Identity, test_size
from paper_tables.table import Row, Table
from paper_tables.verdict import as_printed, find_lost, published_value
from reproduce.errors import UserError
from reproduce.recipes.paper_table import MARGIN, PaperTable
from reproduce.recipes.registry import find_table, plan_table
from reproduce.stats.against_published import Cell, Verdict, judge

_METRIC = "top1"
_UNKNOWN = Identity(budget="", variant="", scale="", dataset="", data_sha256="", precision="", recipe_sha256="")


def judge_table(name: str, measured: Path, *, variant: str = "described") -> Table:
    """Return a table of ours with the accuracies in ``measured``, a CSV of row, seed, accuracy and test images.

    Raises:
        UserError: an unknown table or variant, or a file that is wrong.
    """
    paper = find_table(name)
    if not paper.train:
        raise UserError(f"table '{paper.name}' has no accuracies", "choose a table whose rows are trained")
    plan = plan_table(paper, variant=variant, budget="paper")
    values = published.read_table(paper.name)
    printed = {row: {metric: value for (of, metric), value in values.items() if of == row} for row in plan}
    targets = {
        row: Target(value, test_size(recipe.data.name, recipe), recipe.model.classes)
        for row, recipe in plan.items()
        if (value := published_value(variant, printed[row])) is not None
    }
    judged = _Judged(
        paper=paper,
        labels={row: recipe.label for row, recipe in plan.items()},
        targets=targets,
        printed=printed,
        path=measured,
        runs=read_measured(measured, plan),
        variant=variant,
        counts={row: counts for (row, of), counts in read_counts().items() if of == variant},
    )
    return judged.build()


def judge_file(printed: Path, measured: Path, *, margin: float = MARGIN) -> Table:
    """Return a table of the accuracies in ``measured`` beside those in ``printed``.

    Raises:
        UserError: a file that is wrong, or a margin that is no share.
    """
    if not 0 < margin < 1:
        raise UserError(f"a margin of {margin:g} is no share", "write points as a share: 0.01 for one point")
    targets = read_printed(printed)
    paper = PaperTable(
        name=printed.stem,
        number=None,
        title=f"Accuracies of {measured.name} against {printed.name}",
        study="",
        rows=tuple(targets),
        headings=("row", "published", "ours", "verdict"),
        margin=margin,
    )
    judged = _Judged(
        paper=paper,
        labels={row: row for row in targets},
        targets=targets,
        printed={row: {_METRIC: target.value} for row, target in targets.items()},
        path=measured,
        runs=read_measured(measured, targets),
    )
    return judged.build()


@dataclass(frozen=True, kw_only=True)
class _Judged:
    paper: PaperTable
    labels: Mapping[str, str]  # by row: of those that can be judged
    targets: Mapping[str, Target]
    printed: Mapping[str, Mapping[str, Value]]
    path: Path
    runs: Mapping[str, Measured]
    variant: str = ""
    counts: Mapping[str, Counts] = field(default_factory=dict)

    def build(self) -> Table:
        paper, plain = self.paper, self.paper.against
        family = sum(not target.value.not_comparable for target in self.targets.values())
        choices = {row: _as_choice(found, self.targets.get(row)) for row, found in self.runs.items()}
        verdicts = self.reach(family)
        rows = tuple(self.row(row, choices.get(row), verdicts[row]) for row in self.labels)
        arms = Arms(_METRIC, choices, {})
        printed = {(row, metric): value for row, of in self.printed.items() for metric, value in of.items()}
        return Table(
            paper=paper.of_accuracies(),
            budget="",
            variant=self.variant,
            scale="",
            dataset="",
            data_sha256="",
            precision="",
            rows=rows,
            pairs=tuple(arms.pair(rows, *pair) for pair in paper.pairs if set(pair) <= set(self.labels)),
            against_published=tuple(compare_published(printed, paper.rows, plain)) if plain else (),
            against=tuple(arms.compare(paper.rows, plain)) if plain else (),
            notes=(*self.notes(rows), *notes.explain_verdicts(rows, paper.margin, family)),
            footnotes=tuple(entry for entry in deviations.read() if any(entry.number in row.footnotes for row in rows)),
            family=family,
            basis=f"accuracies of {self.path.name}" + (f" | variant {self.variant}" if self.variant else ""),
        )

    def row(self, row: str, choice: Choice | None, verdict: Verdict) -> Row:
        size = self.counts.get(row, {})
        marks = deviations.footnotes(self.paper.name, row, self.variant) if self.variant else ()
        return Row(
            row=row,
            label=self.labels[row],
            params=size.get("params"),
            macs=size.get("macs_fast"),
            flops=size.get("flops"),
            published=self.printed[row],
            measured=choice.intervals(_METRIC, choice.test_images) if choice else {},
            committed=None,
            committed_identity=None,
            verdict=verdict,
            committed_verdict=None,
            command="",
            footnotes=tuple(entry.number for entry in marks),
            diverged=choice.diverged if choice else 0,
        )

    def reach(self, family: int) -> dict[str, Verdict]:
        verdicts = {row: Verdict("not run", f"{self.path.name} has no accuracy of it") for row in self.labels}
        cells = {}
        for row, found in self.runs.items():
            examined = _examine(found, self.targets.get(row))
            if isinstance(examined, Verdict):
                verdicts[row] = examined
            else:
                cells[row] = examined
        return verdicts | (judge(cells, family=family, margin=self.paper.margin) if cells else {})

    def notes(self, rows: tuple[Row, ...]) -> Iterator[str]:
        name = self.path.name
        yield f"Ours: the accuracies of {name}, taken at their word; recipe, data and epoch are not checked."
        yield from notes.explain_printed(rows)
        yield from notes.explain_intervals(rows)
        silent = [self.targets[row] for row, of in self.runs.items() if None in of.test_images and row in self.targets]
        if sizes := sorted({target.test_images for target in silent if target.test_images}):
            said = " or ".join(f"{size:,}" for size in sizes)
            yield f"{name} does not say on how many images: the {said} of the printed value are taken for granted."
        if any(target.classes is None or target.test_images is None for target in self.targets.values()):
            names = " and ".join(PRINTED_COLUMNS[-2:])
            yield f"Seeds no better than chance are not looked for where {names} of the printed value are not given."
        if lost := [f"{row.row} {row.diverged}" for row in rows if row.diverged]:
            yield f"Diverged, in no mean: {', '.join(lost)}."


def _examine(found: Measured, target: Target | None) -> Verdict | Cell:
    if target is None:
        return Verdict("not comparable", "nothing is published for this row")
    if target.value.not_comparable:
        return Verdict("not comparable", f"{target.value.printed()} is {target.value.not_comparable}")
    if other := sorted({size for size in found.test_images if size and size != target.test_images}):
        sizes = " and ".join(f"{size:,}" for size in other)
        official = f"not {target.test_images:,}" if target.test_images else "and the printed one names none"
        return Verdict("not comparable", f"{sizes} test images, {official}")
    values = found.finished
    lost = find_lost(
        values,
        seeds=len(found.seeds),
        diverged=len(found.seeds) - len(values),
        trials=target.test_images,
        classes=target.classes,
    )
    return Cell(values, as_printed(target.value), lost)


def _as_choice(found: Measured, target: Target | None) -> Choice:
    """Return measured accuracies in the form of a ledger's: what is not known of them is empty."""
    values = found.finished
    sizes = [size for size in found.test_images if size]
    return Choice(
        _UNKNOWN,
        {_METRIC: values} if values else {},
        device="",
        seeds=tuple(found.seeds),
        finished=len(values),
        diverged=len(found.seeds) - len(values),
        test_images=min(sizes) if sizes else target.test_images if target else None,
    )
