"""Which runs a table or a command asks for, and which of them the ledger has. No torch.

runs = list_runs(fit_plan(plan, data=None, needed=True), seeds=[0], precision="fp32")
missing = [run for run in runs if find_done(ledger, run) is None]
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from reproduce.data.source import Source, identify
from reproduce.errors import UserError, check_word
from reproduce.recipes.recipe import PRECISIONS, Recipe
from reproduce.training.run import Run, fit_to_data

if TYPE_CHECKING:
    import pandas as pd

_IDENTITY = ["dataset", "data_sha256", "recipe_sha256"]


@dataclass(frozen=True)
class FittedPlan:
    """A plan fitted to its data: recipes of all rows, the data of those that have it, and why the others do not."""

    recipes: Mapping[str, Recipe]
    sources: Mapping[str, Source]  # by row
    left_out: Mapping[str, UserError]  # by row

    def explain_left_out(self) -> list[str]:
        """Return a line for every reason why rows are left out, with the rows and what to do."""
        rows: dict[tuple[str, str], list[str]] = {}
        for row, error in self.left_out.items():
            rows.setdefault((error.message, error.hint), []).append(row)
        return [f"left out: {', '.join(names)}: {message}; {hint}" for (message, hint), names in rows.items()]


def fit_plan(plan: Mapping[str, Recipe], data: str | None, *, needed: bool) -> FittedPlan:
    """Return the plan fitted to the data it reads.

    ``data`` is a name or a path; without it the recipes name their data, each row its own. A row whose data is not
    here, or has images of another size, is left out of training; where that holds for every row, it is an error if
    the data is ``needed`` or was named: a table can be shown without it.

    Raises:
        UserError: no row can be fitted.
    """
    recipes, sources, left_out = dict(plan), {}, {}
    found: dict[str, Source | UserError] = {}
    for row, recipe in plan.items():
        name = data if data is not None else recipe.data.name
        if name not in found:
            found[name] = _find(name)
        source = found[name]
        if isinstance(source, UserError):
            left_out[row] = source
            continue
        try:
            recipes[row] = fit_to_data(recipe, source)
            sources[row] = source
        except UserError as error:
            left_out[row] = error
    if not sources and (data is not None or needed):
        raise next(iter(left_out.values()))
    return FittedPlan(recipes, sources, left_out)


def _find(name: str) -> Source | UserError:
    try:
        return identify(name)
    except UserError as error:
        return error


def list_runs(plan: FittedPlan, seeds: Iterable[int], precision: str) -> list[Run]:
    """Return the runs of a fitted plan: every row that has its data with every seed.

    Raises:
        UserError: an unknown precision.
    """
    check_word("precision", precision, PRECISIONS)
    seeds = list(seeds)
    return [
        Run(recipe=plan.recipes[row], source=source, seed=seed, precision=precision)
        for row, source in plan.sources.items()
        for seed in seeds
    ]


def find_done(runs: "pd.DataFrame", run: Run) -> dict[str, Any] | None:
    """Return the ledger's row of ``run`` where it has been done, under whatever name its data had then."""
    done = runs[runs["status"] == "done"]
    found = done[done["run_id"] == run.run_id]
    if found.empty:
        alike = done[(done["seed"] == run.seed) & (done["precision"] == run.precision)]
        alike = adopt(alike, [run])
        same = (alike["recipe_sha256"] == run.recipe.sha256()) & (alike["data_sha256"] == run.source.sha256)
        found = done.loc[alike.index[same & (alike["row"] == run.recipe.row)]]
    return None if found.empty else {str(name): value for name, value in found.iloc[-1].to_dict().items()}


def adopt(runs: "pd.DataFrame", asked: Iterable[Run]) -> "pd.DataFrame":
    """Return the ledger with the present identity of data in every row of the recipes of ``asked`` on the same images.

    The same images may have been recorded under another name, when their folder had another, or under the fingerprint
    of the files that they were in. Such rows get the data set's name and sum, and the recipe's digest with that name;
    their ``run_id`` stays, by which their files are found. A row counts only where nothing but the name differs.
    """
    renamed = runs
    for recipe, source in {(run.recipe, run.source): None for run in asked}:
        present = (source.name, source.sha256, recipe.sha256())
        prints = runs["data_sha256"].isin((source.sha256, *source.older))
        of_row = renamed[prints & (runs["row"] == recipe.row)]
        for former in sorted({*of_row[_IDENTITY].itertuples(index=False, name=None)} - {present}):
            called = replace(recipe, data=replace(recipe.data, name=former[0]))
            if called.sha256() == former[2]:
                renamed = renamed.copy() if renamed is runs else renamed
                rows = of_row.index[(of_row[_IDENTITY] == list(former)).all(axis=1)]
                renamed.loc[rows, _IDENTITY] = present
    return renamed
