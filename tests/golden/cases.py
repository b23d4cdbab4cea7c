"""A small ledger with known values, written through the real ledger, for tests of tables and renderings."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from paper_tables import build as tables
from paper_tables.selection import test_size
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import TABLES, plan_table
from reproduce.record import ledger

DATA = "0123456789ab" + "0" * 52
OTHER_DATA = "fedcba987654" + "0" * 52
_PARAMS = {
    ("resnet18", "described"): 11_173_962,
    ("resnet18", "as-run"): 11_173_962,
    ("quadratic", "as-run"): 11_124_444,
    ("quadratic-aniso", "as-run"): 11_124_606,
    ("learned", "as-run"): 11_316_390,
    ("learned-content", "as-run"): 28_478_682,
    ("learned-content", "described"): 28_478_682,
    ("learned-content-ha", "described"): 4_754_122,
    ("san-pair", "described"): 3_737_056,
    ("san-patch", "described"): 3_851_142,
    ("san-pair-ha", "described"): 352_750,
    ("san-patch-ha", "described"): 356_282,
    ("vit", "described"): 37_394_506,
    ("vit-ha", "described"): 6_531_946,
}
STRUCTURE = {key: {"params": params, "macs_fast": 100 * params} for key, params in _PARAMS.items()}
EMPTY = ledger.read(Path("no such ledger.csv"))


def recipes(name: str, variant: str = "described", budget: str = "smoke", **changes: Any) -> dict[str, Recipe]:
    return plan_table(TABLES[name], variant=variant, budget=budget, changes=changes or None)


def run(recipe: Recipe, seed: int, top1: float, **more: Any) -> dict[str, Any]:
    """One finished run of ``recipe``; accuracies stand in a fixed relation so that a mix-up shows."""
    row = {
        "run_id": f"{recipe.row}-{recipe.budget}-{recipe.variant}-{seed}",
        "row": recipe.row,
        "table": recipe.table,
        "budget": recipe.budget,
        "variant": recipe.variant,
        "scale": recipe.scale,
        "dataset": recipe.data.name,
        "data_sha256": DATA,
        "recipe_sha256": recipe.sha256(),
        "seed": seed,
        "precision": "fp32",
        "device": "cpu",
        "top1_last": round(top1 - 0.01, 6),
        "top1_best": round(top1 + 0.01, 6),
        "top1_val_selected": top1,
        "latency_ms": 4.5,
        "started": f"2026-11-{seed + 1:02d}T10:00:00+00:00",
        "status": "done",
        "test_images": test_size(str(more.get("dataset", recipe.data.name)), recipe),
    }
    return row | more


def frame(runs: Iterable[Mapping[str, Any]], folder: Path) -> pd.DataFrame:
    path = folder / "runs.csv"
    path.unlink(missing_ok=True)
    for row in runs:
        ledger.append(row, path)
    return ledger.read(path)


def build(name, plan, runs=EMPTY, committed=EMPTY, **more):
    """A table of these runs, with sizes that do not come from the committed file."""
    return tables.build(name, plan, runs, committed, structure=STRUCTURE, **more)


def row_of(built, name):
    return next(row for row in built.rows if row.row == name)
