"""From recipes and ledgers to a table: published | ours | committed | verdict | command. No torch.

plan = plan_table(find_table("hierarchical"), variant="described", budget="smoke")
table = build("hierarchical", plan, ledger.read(), committed_runs())
table.rows[0].verdict.word          # agrees | differs | undecided | not comparable | not run

A cell takes only runs of the planned recipe; what was not run stays empty and names its command. Nothing is estimated.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from paper_tables import deviations, notes, published
from paper_tables.comparison import compare_published
from paper_tables.measured import Counts, read_counts
from paper_tables.pairs import Arms
from paper_tables.published import Value
from paper_tables.selection import Choice, Selection, best_committed, count_diverged, select
from paper_tables.table import Row, Table
from paper_tables.verdict import Evidence, published_value, reach
from reproduce.errors import UserError
from reproduce.recipes.command import write_command
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import BUDGETS, Recipe
from reproduce.recipes.registry import find_entry, find_table, resolve
from reproduce.recipes.settings import override
from reproduce.stats.against_published import Verdict

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
    reference: Mapping[str, Recipe] | None = None,
    structure: Mapping[tuple[str, str], Counts] | None = None,
    options: str | Mapping[str, str] = "",
    seeds: Sequence[int] = (),
) -> Table:
    """Set published values, our runs and the committed ones side by side.

    Args:
        name: a table's name or number.
        plan: the recipe of each row, all of one budget and variant; rows that it lacks count as not run.
        runs: the user's ledger.
        committed: the project's own ledger.
        precision: of the runs to show.
        data_sha256: sum of the data to show, by row; by default what :mod:`paper_tables.selection` puts first.
        left_out: rows that could not be run, and why.
        reference: the recipes of the paper budget; by default those of the registry.
        structure: exact sizes; by default ``measured/structure.csv``.
        options: what each row's command ends with, as ``--data PATH``; or that by row.
        seeds: of the commands of rows without runs; a row with runs names the seeds of those.

    Raises:
        UserError: an unknown table, or a damaged file of published values.
        ValueError: a plan that is empty or mixes budgets or variants.
    """
    paper, (budget, variant) = _find_trained(name), _kind_of(plan)
    builder = _Builder(
        paper=paper,
        budget=budget,
        variant=variant,
        plan=plan,
        selection=select(plan, runs, precision, data_sha256),
        runs=committed,
        precision=precision,
        reference=reference or {},
        structure=read_counts() if structure is None else structure,
        printed=published.read_table(paper.name),
        options=options,
        seeds=seeds,
    )
    return builder.build(left_out or {})


def _find_trained(name: str) -> PaperTable:
    paper = find_table(name)
    if not paper.train:
        raise UserError(f"table '{paper.name}' lists settings, not runs", "paper_tables.settings_table builds it")
    return paper


def _kind_of(plan: Mapping[str, Recipe]) -> tuple[str, str]:
    kinds = {(recipe.budget, recipe.variant) for recipe in plan.values()}
    if len(kinds) != 1:
        raise ValueError("a plan has one budget and one variant")
    return kinds.pop()


@dataclass(frozen=True, kw_only=True)
class _Builder:
    paper: PaperTable
    budget: str
    variant: str
    plan: Mapping[str, Recipe]
    selection: Selection
    runs: "pd.DataFrame"  # the committed ones
    precision: str
    reference: Mapping[str, Recipe]
    structure: Mapping[tuple[str, str], Counts]
    printed: Mapping[tuple[str, str], Value]
    options: str | Mapping[str, str]
    seeds: Sequence[int]

    def build(self, left_out: Mapping[str, str]) -> Table:
        paper, plain = self.paper, self.paper.against
        rows = tuple(map(self.row, paper.rows))
        arms = Arms(self.headline, self.selection.choices, self.plan)
        return Table(
            paper=paper,
            budget=self.budget,
            variant=self.variant,
            scale=_joined(recipe.scale for recipe in self.plan.values()),
            dataset=self.selection.dataset or _joined(recipe.data.name for recipe in self.plan.values()),
            data_sha256=self.selection.data_sha256,
            precision=self.precision,
            rows=rows,
            against_published=tuple(compare_published(self.printed, paper.rows, plain)) if plain else (),
            against=tuple(arms.compare(paper.rows, plain)) if plain else (),
            pairs=tuple(arms.pair(rows, *pair) for pair in paper.pairs),
            notes=(
                *notes.write(paper, self.plan, self.selection, rows, self.family),
                *notes.explain_left_out(left_out),
                *notes.list_others(self.printed, paper.rows),
            ),
            footnotes=tuple(entry for entry in deviations.read() if any(entry.number in row.footnotes for row in rows)),
            family=self.family,
        )

    def row(self, row: str) -> Row:
        recipe, choice, best = self.plan.get(row), self.selection.choices.get(row), self.committed.get(row)
        size = self.structure.get((row, self.variant), {})
        return Row(
            row=row,
            label=(recipe or find_entry(row).recipe).label,
            params=size.get("params"),
            macs=size.get("macs_fast"),
            flops=size.get("flops"),
            published=self.values(row),
            measured=choice.intervals(self.headline, choice.trials(recipe)) if choice else {},
            committed=best.intervals(self.headline, best.trials(self.committed_recipe(row))) if best else None,
            committed_identity=best.identity if best else None,
            verdict=self.verdicts[row],
            committed_verdict=self.committed_verdicts[row] if best else None,
            command=self.command(row) if self.has_variant(row) else "",
            footnotes=tuple(entry.number for entry in deviations.footnotes(self.paper.name, row, self.variant)),
            diverged=choice.diverged if choice else 0,
            unscored=choice.unscored(self.headline) if choice else 0,
            committed_diverged=best.diverged if best else count_diverged(row, self.variant, self.runs),
        )

    @property
    def headline(self) -> str:
        return self.paper.headline_of(self.variant)

    @cached_property
    def family(self) -> int:
        """How many rows have a printed accuracy that runs of this variant may be held against, run or not."""
        values = [published_value(self.variant, self.values(row)) for row in self.paper.rows if self.has_variant(row)]
        return sum(value is not None and not value.not_comparable for value in values)

    @cached_property
    def verdicts(self) -> dict[str, Verdict]:
        return self.reach(self.selection.choices, self.plan)

    @cached_property
    def committed_verdicts(self) -> dict[str, Verdict]:
        recipes = {row: recipe for row in self.committed if (recipe := self.committed_recipe(row)) is not None}
        return self.reach(self.committed, recipes)

    def reach(self, choices: Mapping[str, Choice], recipes: Mapping[str, Recipe]) -> dict[str, Verdict]:
        rows = {
            row: Evidence(choices.get(row), recipes.get(row), self.paper_recipe(row), self.values(row))
            for row in self.paper.rows
        }
        return reach(
            rows, variant=self.variant, headline=self.headline, family=self.family, margin=self.paper.margin
        )  # fmt: skip

    @cached_property
    def committed(self) -> dict[str, Choice]:
        """The committed runs of each row that say most."""
        found: dict[str, Choice] = {}
        for row in self.paper.rows:
            paper = self.paper_recipe(row)
            names = (paper.data.name, paper.sha256()) if paper else ("", "")
            best = best_committed(row, self.variant, self.runs, self.precision, *names)
            found |= {row: best} if best else {}
        return found

    def values(self, row: str) -> dict[str, Value]:
        return {metric: value for (name, metric), value in self.printed.items() if name == row}

    def has_variant(self, row: str) -> bool:
        return self.variant in find_entry(row).variant_names()

    def paper_recipe(self, row: str) -> Recipe | None:
        if not self.has_variant(row):
            return None
        return self.reference.get(row) or resolve(row, variant=self.variant, budget="paper")

    def committed_recipe(self, row: str) -> Recipe | None:
        """Return the registry's recipe that a committed digest stands for; None for that of another version."""
        identity = self.committed[row].identity
        if identity.budget not in BUDGETS:
            return None
        recipe = resolve(row, variant=self.variant, budget=identity.budget)
        candidates = (recipe, override(recipe, {"data.name": identity.dataset}))
        return next((found for found in candidates if found.sha256() == identity.recipe_sha256), None)

    def command(self, row: str) -> str:
        choice = self.selection.choices.get(row)
        return write_command(
            row,
            budget=self.budget,
            variant=self.variant,
            seeds=choice.seeds if choice else self.seeds,
            precision=self.precision,
            options=self.options if isinstance(self.options, str) else self.options.get(row, ""),
        )


def _joined(names: Iterable[str]) -> str:
    return " + ".join(sorted(set(names)))
