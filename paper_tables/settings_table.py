"""Table 4: the published settings of every model, each compared with what our recipe says. Nothing is trained.

build(plan_table(find_table("4"), variant="described", budget="paper")).rows[0].cells["lr"].same      # True
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from paper_tables import deviations, published
from paper_tables.deviations import Deviation
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import find_table, resolve

HEADINGS = {
    "epochs": "epochs",
    "batch_size": "batch",
    "optimiser": "optimiser",
    "lr": "LR",
    "schedule": "schedule",
    "warmup_or_steps": "warm-up | steps",
    "momentum": "momentum",
    "weight_decay": "weight decay",
}
_OPTIMISERS = {"sgd": "SGD", "adam": "Adam"}  # as papers write them


@dataclass(frozen=True)
class Cell:
    """One setting: printed, ours, and whether they are the same."""

    published: str
    ours: str
    same: bool


@dataclass(frozen=True)
class Group:
    """One line of the published table with the rows of ours that it covers."""

    label: str
    rows: tuple[str, ...]
    cells: Mapping[str, Cell]
    footnotes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every cell of the line is the same."""
        return all(cell.same for cell in self.cells.values())


@dataclass(frozen=True)
class Settings:
    """The built table."""

    name: str
    number: int | None
    title: str
    budget: str
    variant: str
    rows: tuple[Group, ...]
    notes: tuple[str, ...]
    footnotes: tuple[Deviation, ...]


def build(plan: Mapping[str, Recipe] | None = None) -> Settings:
    """Compare the published settings with the recipes of ``plan``: by default the described ones as published.

    Raises:
        UserError: a damaged file of published values.
        ValueError: a plan of several budgets or variants.
    """
    paper = find_table("hyperparameters")
    printed = published.read_hyperparameters()
    if not plan:
        plan = {row: resolve(row) for setting in printed for row in setting.rows}
    kinds = {(recipe.budget, recipe.variant) for recipe in plan.values()}
    if len(kinds) != 1:
        raise ValueError("a plan has one budget and one variant")
    ((budget, variant),) = kinds
    groups = tuple(
        group
        for label in dict.fromkeys(setting.group for setting in printed)
        if (group := _group(label, printed, plan, paper.name, variant)).rows
    )
    cells = [cell for group in groups for cell in group.cells.values()]
    notes = (
        f"Ours: the recipes themselves, {variant}, budget {budget}; {sum(cell.same for cell in cells)} of "
        f"{len(cells)} cells are the same.",
        "Momentum and weight decay stand in the caption of the published table, for all rows.",
    )
    entries = tuple(entry for entry in deviations.read() if any(entry.number in group.footnotes for group in groups))
    return Settings(paper.name, paper.number, paper.title, budget, variant, groups, notes, entries)


def describe(recipe: Recipe) -> dict[str, str]:
    """Return a recipe's settings in the words of the published table."""
    schedule = recipe.schedule
    steps = ", ".join(map(str, schedule.milestones)) if schedule.kind == "multistep" else str(schedule.warmup)
    return {
        "epochs": str(recipe.epochs),
        "batch_size": str(recipe.batch_size),
        "optimiser": _OPTIMISERS.get(recipe.optimiser.kind, recipe.optimiser.kind),
        "lr": f"{recipe.optimiser.lr:g}",
        "schedule": schedule.kind.capitalize(),
        "warmup_or_steps": steps,
        "momentum": f"{recipe.optimiser.momentum:g}",
        "weight_decay": f"{recipe.optimiser.weight_decay:g}",
    }


def _group(label: str, printed: list[published.Setting], plan: Mapping[str, Recipe], table: str, variant: str) -> Group:
    settings = [setting for setting in printed if setting.group == label]
    rows = tuple(row for row in settings[0].rows if row in plan)
    ours = [describe(plan[row]) for row in rows]
    cells = {}
    for setting in settings:
        values = list(dict.fromkeys(words[setting.field] for words in ours))
        same = all(_equal(setting.value, value) for value in values)
        # Rows of one line that differ among themselves are all shown.
        cells[setting.field] = Cell(setting.value, " / ".join(values), same)
    numbers = dict.fromkeys(entry.number for row in rows for entry in deviations.footnotes(table, row, variant))
    shown = [number for number in numbers if _about_settings(number)]
    return Group(label, rows, cells, tuple(shown))


def _about_settings(number: str) -> bool:
    """Return whether a deviation names this table; those of all tables are about models and results."""
    return any(entry.number == number and "all" not in entry.tables for entry in deviations.read())


def _equal(printed: str, ours: str) -> bool:
    try:
        return math.isclose(float(printed), float(ours), rel_tol=1e-12)
    except ValueError:
        return printed.replace(" ", "").lower() == ours.replace(" ", "").lower()
