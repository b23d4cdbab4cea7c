"""From recipes and ledgers to a table: published | ours | committed | verdict | command. No torch.

table = build("hierarchical", plan(rows, variant="described", budget="smoke"), ledger.read(), committed_runs())
table.rows[0].verdict.word          # agrees | differs | not comparable | not run

A cell takes only runs of the planned recipe; what was not run stays empty and names its command. Nothing is estimated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paper_tables import deviations, notes, published
from paper_tables.comparison import Comparison, compare_published, compare_runs
from paper_tables.measured import Counts, read_counts
from paper_tables.published import Value
from paper_tables.selection import (
    LATENCY,
    Choice,
    Identity,
    Selection,
    best_committed,
    count_diverged,
    select,
    test_size,
)
from paper_tables.table import Pair, Row, Table
from paper_tables.verdict import reach
from reproduce.errors import UserError
from reproduce.recipes import find_entry, find_table, resolve
from reproduce.recipes.command import write_command
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import BUDGETS, Recipe, override
from reproduce.stats import intervals

if TYPE_CHECKING:
    import pandas as pd


def build(
    name: str,
    plan: Mapping[str, Recipe],
    runs: "pd.DataFrame",
    committed: "pd.DataFrame",
    *,
    precision: str = "fp32",
    data_sha256: Mapping[str, str] | None = None,
    left_out: Mapping[str, str] | None = None,
    test_images: int | None = None,
    reference: Mapping[str, Recipe] | None = None,
    structure: Mapping[tuple[str, str], Counts] | None = None,
    options: str | Mapping[str, str] = "",
    seeds: Sequence[int] = (),
) -> Table:
    """Set published values, our runs and the committed ones side by side.

    Args:
        name: a table's name or number.
        plan: the recipe of each row, all of one budget and variant; rows of the table that it lacks count as not run.
        runs: the user's ledger.
        committed: the project's own ledger.
        precision: of the runs to show.
        data_sha256: fingerprint of the data to show, by row; by default that of the newest fitting run.
        left_out: rows that could not be run, and why.
        test_images: test images behind one run, where neither recipe nor data set name tells.
        reference: the recipes of the paper budget; by default those of the registry.
        structure: exact sizes; by default ``measured/structure.csv``.
        options: text that each row's command ends with, for example ``--data PATH``; or that text by row.
        seeds: that were asked for: of the commands of rows without runs. A row with runs names the seeds of those.

    Raises:
        UserError: an unknown table, or a damaged file of published values.
        ValueError: a plan that is empty or mixes budgets or variants.
    """
    paper = find_table(name)
    if not paper.train:
        raise UserError(f"table '{paper.name}' lists settings, not runs", "paper_tables.hyperparameters builds it")
    kinds = {(recipe.budget, recipe.variant) for recipe in plan.values()}
    if len(kinds) != 1:
        raise ValueError("a plan has one budget and one variant")
    selection = select(plan, runs, precision, data_sha256)
    headline = paper.headline_of(next(iter(plan.values())).variant)
    builder = _Builder(
        paper=paper,
        headline=headline,
        plan=plan,
        selection=selection,
        committed=committed,
        precision=precision,
        test_images=test_images,
        reference=reference,
        structure=read_counts() if structure is None else structure,
        values=published.read_table(paper.name),
        options=options,
        seeds=seeds,
    )
    return builder.build(left_out or {})


@dataclass(frozen=True, kw_only=True)
class _Builder:
    paper: PaperTable
    headline: str
    plan: Mapping[str, Recipe]
    selection: Selection
    committed: "pd.DataFrame"
    precision: str
    test_images: int | None
    reference: Mapping[str, Recipe] | None
    structure: Mapping[tuple[str, str], Counts]
    values: Mapping[tuple[str, str], Value]
    options: str | Mapping[str, str]
    seeds: Sequence[int]

    @property
    def budget(self) -> str:
        return next(iter(self.plan.values())).budget

    @property
    def variant(self) -> str:
        return next(iter(self.plan.values())).variant

    def build(self, left_out: Mapping[str, str]) -> Table:
        paper, plain = self.paper, self.paper.against
        rows = tuple(self.row(row) for row in paper.rows)
        return Table(
            paper=paper,
            budget=self.budget,
            variant=self.variant,
            scale=_joined(recipe.scale for recipe in self.plan.values()),
            dataset=self.selection.dataset or _joined(recipe.data.name for recipe in self.plan.values()),
            data_sha256=self.selection.data_sha256,
            precision=self.precision,
            rows=rows,
            against_published=tuple(compare_published(self.values, paper.rows, plain)) if plain else (),
            against=tuple(self.compare(paper.rows, plain)) if plain else (),
            pairs=tuple(self.pair(rows, *pair) for pair in paper.pairs),
            notes=(
                *notes.write(self.plan, self.selection, rows, paper, self.headline),
                *notes.explain_left_out(left_out),
                *notes.list_others(self.values, paper.rows),
            ),
            footnotes=tuple(entry for entry in deviations.read() if any(entry.number in row.footnotes for row in rows)),
        )

    def row(self, row: str) -> Row:
        values = {metric: value for (name, metric), value in self.values.items() if name == row}
        recipe, choice = self.plan.get(row), self.selection.choices.get(row)
        has_variant = self.variant in find_entry(row).variant_names()
        reference = self._paper_recipe(row) if has_variant else None
        published_data = self._paper_recipe(row).data.name if has_variant else ""
        best = best_committed(row, self.variant, self.committed, self.precision, published_data)
        shown = self._committed_recipe(best.identity, row) if best else None
        sizes = self._trials(choice, recipe), test_size(best.identity.dataset, shown) if best and shown else None
        command = self._command(row) if has_variant else ""
        size = self.structure.get((row, self.variant), {})
        return Row(
            row=row,
            label=(recipe or find_entry(row).recipe).label,
            params=size.get("params"),
            macs=size.get("macs_fast"),
            flops=size.get("flops"),
            published=values,
            measured=choice.intervals(self.headline, sizes[0]) if choice else {},
            committed=best.intervals(self.headline, sizes[1]) if best else None,
            committed_identity=best.identity if best else None,
            verdict=self._verdict(choice, recipe, reference, values, sizes[0], self.selection.diverged.get(row, ())),
            committed_verdict=self._verdict(best, shown, reference, values, sizes[1]) if best else None,
            command=command,
            footnotes=tuple(entry.number for entry in deviations.footnotes(self.paper.name, row, self.variant)),
            diverged=choice.diverged if choice else len(self.selection.diverged.get(row, ())),
            unscored=choice.unscored(self.headline) if choice else 0,
            committed_diverged=best.diverged if best else count_diverged(row, self.variant, self.committed),
        )

    def _verdict(
        self,
        choice: Choice | None,
        recipe: Recipe | None,
        reference: Recipe | None,
        values: Mapping[str, Value],
        test_images: int | None,
        diverged: Sequence[int] = (),
    ) -> intervals.Verdict:
        if choice is None and diverged:
            count = len(diverged)
            return intervals.Verdict("not comparable", f"{count} run{'s' * (count > 1)} diverged, none finished")
        return reach(self.variant, self.headline, choice, recipe, reference, values, test_images)

    def pair(self, rows: tuple[Row, ...], plain: str, changed: str) -> Pair:
        found = {row.row: row for row in rows}
        one, two = found[plain], found[changed]

        def ratio(first: float | None, second: float | None) -> float | None:
            return first / second if first and second else None

        def printed(row: Row, metric: str) -> float | None:
            return row.published[metric].value if metric in row.published else None

        before, after = printed(one, "top1"), printed(two, "top1")
        gain, wall = self._compare(plain, changed)
        return Pair(
            plain=plain,
            changed=changed,
            gain_published=None if before is None or after is None else after - before,
            gain=gain,
            params_published=ratio(printed(one, "params"), printed(two, "params")),
            params=ratio(one.params, two.params),
            macs=ratio(one.macs, two.macs),
            wall_published=ratio(printed(one, "wall_ms"), printed(two, "wall_ms")),
            wall=wall,
        )

    def compare(self, rows: Sequence[str], plain: str) -> list[Comparison]:
        """Return the tests of each row's runs against those of ``plain``, where all are of one scale."""
        choices = {row: self.selection.choices[row] for row in rows if row in self.selection.choices}
        if len({choice.identity.scale for choice in choices.values()}) != 1 or plain not in choices:
            return []
        trials = self._trials(choices[plain], self.plan.get(plain))
        runs = {row: choice.values.get(self.headline, ()) for row, choice in choices.items()}
        return compare_runs(runs, trials, rows, plain)

    def _compare(self, plain: str, changed: str) -> tuple[intervals.Interval | None, float | None]:
        """Return the gain of ``changed`` and its speed-up; nothing where the two rows' runs are not of one kind."""
        one, two = self.selection.choices.get(plain), self.selection.choices.get(changed)
        if one is None or two is None or one.identity.scale != two.identity.scale:
            return None, None
        metric = self.headline
        gain = wall = None
        if metric in one.values and metric in two.values:
            trials = self._trials(one, self.plan.get(plain))
            gain = intervals.difference(two.values[metric], one.values[metric], trials)
        if LATENCY in one.values and LATENCY in two.values and one.device == two.device:
            wall = intervals.summarise(one.values[LATENCY]).mean / intervals.summarise(two.values[LATENCY]).mean
        return gain, wall

    def _paper_recipe(self, row: str) -> Recipe:
        if self.reference is not None and row in self.reference:
            return self.reference[row]
        return resolve(row, variant=self.variant, budget="paper")

    def _committed_recipe(self, identity: Identity, row: str) -> Recipe | None:
        """Return the registry's recipe that a committed digest stands for; None for that of another version."""
        if identity.budget not in BUDGETS:
            return None
        recipe = resolve(row, variant=self.variant, budget=identity.budget)
        candidates = (recipe, override(recipe, {"data.name": identity.dataset}))
        return next((found for found in candidates if found.sha256() == identity.recipe_sha256), None)

    def _trials(self, choice: Choice | None, recipe: Recipe | None) -> int | None:
        if choice is None:
            return None
        found = test_size(choice.identity.dataset, recipe) if recipe else None
        return self.test_images if found is None else found

    def _command(self, row: str) -> str:
        choice = self.selection.choices.get(row)
        ended = choice.seeds if choice else self.selection.diverged.get(row, ())
        return write_command(
            row,
            budget=self.budget,
            variant=self.variant,
            seeds=ended or self.seeds,
            precision=self.precision,
            options=self.options if isinstance(self.options, str) else self.options.get(row, ""),
        )


def _joined(names: Iterable[str]) -> str:
    return " + ".join(sorted(set(names)))
