"""Which runs a table or a command asks for, and which of them the ledger has. No torch.

runs = list_runs(plan, source, seeds=[0], precision="fp32")
missing = [run for run in runs if find_done(ledger, run) is None]
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from reproduce.data.identity import Source, identify
from reproduce.errors import UserError
from reproduce.recipe import Recipe
from reproduce.run import Run, check_precision, fit_to_data

if TYPE_CHECKING:
    import pandas as pd


def fit_plan(plan: Mapping[str, Recipe], data: str | None, *, needed: bool) -> tuple[dict[str, Recipe], Source | None]:
    """Return the plan fitted to the data it reads, and the data.

    ``data`` is a name or a path; without it the recipes name their data. Data that is not here is an error only
    where it is ``needed`` for training: a table can be shown without it.

    Raises:
        UserError: no such data, or images of another size.
    """
    names = {recipe.data.name for recipe in plan.values()}
    try:
        source = identify(data if data is not None else min(names))
    except UserError:
        if data is not None or needed:
            raise
        return dict(plan), None
    return {row: fit_to_data(recipe, source) for row, recipe in plan.items()}, source


def list_runs(plan: Mapping[str, Recipe], source: Source, seeds: Iterable[int], precision: str) -> list[Run]:
    """Return the runs of a fitted plan: every row with every seed.

    Raises:
        UserError: an unknown precision.
    """
    check_precision(precision)
    seeds = list(seeds)
    return [
        Run(recipe=recipe, source=source, seed=seed, precision=precision) for recipe in plan.values() for seed in seeds
    ]


def find_done(runs: "pd.DataFrame", run: Run) -> dict[str, Any] | None:
    """Return the ledger's row of ``run`` where it has been done."""
    found = runs[(runs["run_id"] == run.run_id) & (runs["status"] == "done")]
    return None if found.empty else {str(name): value for name, value in found.iloc[-1].to_dict().items()}


def write_options(
    *, data: str | None, settings: Iterable[str], precision: str, variant: str = "described", seeds: str = "0"
) -> str:
    """Return the options that a command needs to repeat these choices; defaults are left out."""
    words = []
    if variant != "described":
        words += ["--variant", variant]
    if seeds != "0":
        words += ["--seeds", seeds]
    if data is not None:
        words += ["--data", data]
    for setting in settings:
        words += ["--set", setting]
    if precision != "fp32":
        words += ["--precision", precision]
    return shlex.join(words)
