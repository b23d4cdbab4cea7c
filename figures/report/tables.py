"""Which form of a table the report shows: the best that the committed ledger has, a form a variant."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paper_tables import settings_table
from paper_tables.build import build
from paper_tables.formats.lay_out import lay_out
from paper_tables.formats.sheet import Block, Sheet
from paper_tables.selection import by_content
from paper_tables.settings_table import Settings
from paper_tables.table import Table
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import BUDGETS, Recipe
from reproduce.recipes.registry import plan_table
from reproduce.recipes.settings import override

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Shown:
    """A table as the report shows it: built, laid out, and the command of every row."""

    table: Table | Settings
    sheet: Sheet
    commands: tuple[tuple[str, str], ...]


def show_table(paper: PaperTable, runs: "pd.DataFrame") -> list[Shown]:
    """Return the forms of ``paper``: of each variant that was run the best, or the described one without runs."""
    if not paper.train:
        built = settings_table.build()
        return [Shown(built, lay_out(built), ((paper.name, f"attnrepro table {paper.name}"),))]
    runs = by_content(runs)
    best: dict[str, tuple[tuple[Any, ...], Table]] = {}
    done = runs[(runs["status"] == "done") & runs["row"].isin(paper.rows) & runs["budget"].isin(BUDGETS)]
    for key, group in done.groupby(["variant", "budget", "precision"], sort=True):
        variant, budget, precision = map(str, key)
        plan = plan_table(paper, variant=variant, budget=budget)
        data = {row: found for row, recipe in plan.items() if (found := _choose_data(recipe, group)) is not None}
        if not data:
            continue  # all of another version's recipes: the column "committed" has them
        own = plan_table(paper, variant=variant, budget="paper")
        faithful = sum(data[row][0] == own[row].data.name for row in data)
        rank = (BUDGETS.index(budget), faithful, len(data), precision == "fp32", precision)
        if variant in best and best[variant][0] >= rank:
            continue
        table = build(
            paper.name,
            _fit(plan, data),
            runs,
            runs,
            precision=precision,
            data_sha256={row: digest for row, (_, digest) in data.items()},
            options=_name_data(plan, data),
        )
        best[variant] = (rank, table)
    if not best:
        best["described"] = (
            (),
            build(paper.name, plan_table(paper, variant="described", budget="paper"), runs[:0], runs),
        )
    return [_show(table) for _, table in best.values()]


def _choose_data(recipe: Recipe, runs: "pd.DataFrame") -> tuple[str, str] | None:
    """Return name and fingerprint of the data of the most runs of ``recipe``, its own data first; None without runs."""
    of_row = runs[runs["row"] == recipe.row]
    found = []
    for key, group in of_row.groupby(["dataset", "data_sha256"], sort=True):
        dataset, digest = map(str, key)
        fits = group["recipe_sha256"] == override(recipe, {"data.name": dataset}).sha256()
        if fits.any():
            found.append(((dataset == recipe.data.name, int(fits.sum()), digest), (dataset, digest)))
    return max(found)[1] if found else None


def _name_data(plan: dict[str, Recipe], data: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Return the option that makes each row read the data that is shown, where that is not the recipe's own.

    Rows without runs follow those that name the same data. What PATH stands for follows as a comment of the shell.
    """
    read = {plan[row].data.name: found for row, found in data.items()}
    shown = {row: data.get(row) or read.get(recipe.data.name) for row, recipe in plan.items()}
    return {
        row: f"--data PATH  # of {found[0]}, {found[1][:12]}"
        for row, found in shown.items()
        if found is not None and found[0] != plan[row].data.name
    }


def _fit(plan: dict[str, Recipe], data: dict[str, tuple[str, str]]) -> dict[str, Recipe]:
    """Return the plan on the data that was read; rows without runs follow those that name the same data."""
    read = {plan[row].data.name: dataset for row, (dataset, _) in data.items()}
    return {
        row: override(
            recipe, {"data.name": data[row][0] if row in data else read.get(recipe.data.name, recipe.data.name)}
        )
        for row, recipe in plan.items()
    }


def _show(table: Table) -> Shown:
    sheet = lay_out(table)
    if all(_same_as_shown(table, row.committed_identity) for row in table.rows if row.committed_identity):
        # nothing better than what is shown: the column would say it twice
        sheet = replace(sheet, blocks=tuple(without_column(block, "committed") for block in sheet.blocks))
    if not any(row.measured for row in table.rows) and any(row.committed for row in table.rows):
        sheet = replace(sheet, blocks=tuple(without_column(block, "ours") for block in sheet.blocks))
    commands = tuple((row.row, row.command) for row in table.rows if row.command)
    return Shown(table, replace(sheet, commands=()), commands)


def _same_as_shown(table: Table, identity: Any) -> bool:
    shown = (table.budget, table.variant, table.precision)
    same = shown == (identity.budget, identity.variant, identity.precision)
    return same and identity.data_sha256 in table.data_sha256


def without_column(block: Block, heading: str) -> Block:
    """Return ``block`` without the column called ``heading``; as it is where it has none."""
    keep = [place for place, name in enumerate(block.headings) if name != heading]
    return replace(
        block,
        headings=tuple(block.headings[place] for place in keep),
        right=tuple(block.right[place] for place in keep),
        rows=tuple(tuple(row[place] for place in keep) for row in block.rows),
    )
