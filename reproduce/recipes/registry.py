"""The registry: which rows there are, and how a row, a variant and a budget become one recipe. No torch.

resolve("learned-content-ha", variant="as-run", budget="smoke", changes={"optimiser.lr": "0.05"})
"""

import math
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from reproduce.errors import UserError, check_word, did_you_mean
from reproduce.recipes.entry import Entry, scale_schedule
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import BUDGETS, VARIANTS, Recipe
from reproduce.recipes.settings import override, override_settings


def _table_modules() -> list[ModuleType]:
    """Return the modules beside this one that state a table: numbered tables first, then by study and name."""
    beside = pkgutil.iter_modules([str(Path(__file__).parent)], prefix=f"{__package__}.")
    modules = [import_module(found.name) for found in beside if found.name != __name__]
    stated = [module for module in modules if hasattr(module, "TABLE")]
    return sorted(stated, key=lambda m: (m.TABLE.number or math.inf, m.TABLE.study, m.TABLE.name))


_MODULES = _table_modules()
ENTRIES: dict[str, Entry] = {row: entry for module in _MODULES for row, entry in module.ENTRIES.items()}
TABLES: dict[str, PaperTable] = {module.TABLE.name: module.TABLE for module in _MODULES}


def resolve(
    row: str, *, variant: str = "described", budget: str = "paper", changes: Mapping[str, Any] | None = None
) -> Recipe:
    """Return the recipe of ``row`` in ``variant`` at ``budget`` with ``changes`` laid over it.

    Raises:
        UserError: an unknown row, variant, budget or setting, or a value of another type.
    """
    entry = find_entry(row)
    check_word("variant", variant, VARIANTS)
    check_word("budget", budget, BUDGETS)
    if variant not in entry.variant_names():
        has = ", ".join(entry.variant_names())
        raise UserError(f"row '{row}' has no variant '{variant}'", f"it has: {has}")
    recipe = override(override(entry.recipe, {"variant": variant}), entry.variants.get(variant, {}))
    if budget == "short":
        recipe = replace(scale_schedule(recipe, entry.short_epochs), budget="short")
    elif budget == "smoke":
        recipe = override(replace(recipe, budget="smoke", scale="mini"), entry.smoke)
    if not changes:
        return recipe
    changed = override_settings(recipe, changes)
    return replace(changed, scale="custom") if changed.model != recipe.model else changed


def find_entry(row: str) -> Entry:
    """Return the registry's entry of ``row``; raises UserError with the nearest name."""
    if row not in ENTRIES:
        table = TABLES.get(row)
        hint = f"that is a table; its rows: {', '.join(table.rows)}" if table else did_you_mean(row, ENTRIES)
        raise UserError(f"no row is called '{row}'", hint)
    return ENTRIES[row]


def find_table(name: str) -> PaperTable:
    """Return the table called ``name`` (or numbered so); raises UserError with the nearest name."""
    for table in TABLES.values():
        if name == table.name or (table.number is not None and name == str(table.number)):
            return table
    numbers = {f"table{table.number}": str(table.number) for table in TABLES.values() if table.number is not None}
    meant = numbers.get(re.sub(r"[^a-z0-9]", "", name.lower()))
    raise UserError(f"no table is called '{name}'", f"did you mean '{meant}'?" if meant else did_you_mean(name, TABLES))


def plan_table(
    table: PaperTable, *, variant: str, budget: str, changes: Mapping[str, Any] | None = None
) -> dict[str, Recipe]:
    """Return the recipe of every row of ``table`` that has the variant; the rendered table names the others.

    Raises:
        UserError: as :func:`resolve`, or no row of the table has the variant.
    """
    check_word("variant", variant, VARIANTS)
    rows = [row for row in table.rows if variant in find_entry(row).variant_names()]
    if not rows:
        raise UserError(f"no row of table '{table.name}' has a variant '{variant}'", "choose --variant described")
    return {row: resolve(row, variant=variant, budget=budget, changes=changes) for row in rows}
