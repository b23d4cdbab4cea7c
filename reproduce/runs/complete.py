"""From what is asked for to a ledger that has it: find what is missing, do it, read the ledger again. No torch.

state = complete(plan, RecipeOptions(seeds="0-2"), RunOptions(), agree=ask, command="attnrepro train vit")
state.runs, state.ledger
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reproduce.console.options import RecipeOptions, RunOptions
from reproduce.recipes.command import parse_seeds
from reproduce.recipes.recipe import Recipe
from reproduce.record import ledger
from reproduce.runs.place import Place, find_place
from reproduce.runs.plan import FittedPlan, adopt, find_done, fit_plan, list_runs
from reproduce.training.run import Run

if TYPE_CHECKING:
    import pandas as pd

Agree = Callable[[str], bool]  # is told how long runs will take, before they take more than ten minutes


@dataclass(frozen=True)
class Completed:
    """A plan fitted to its data, its runs, and the ledger after them."""

    plan: FittedPlan
    runs: list[Run]
    missing: list[Run]  # those that the ledger lacked when it was first read
    ledger: "pd.DataFrame"
    place: Place

    def list_missing(self) -> list[dict[str, Any]]:
        """Return a record per missing run: what it is, and what it would be given where."""
        return self.place.plan(self.missing)


def complete(
    plan: Mapping[str, Recipe], asked: RecipeOptions, options: RunOptions | None, *, agree: Agree, command: str
) -> Completed:
    """Do the runs of ``plan`` that the ledger lacks and return where it stands.

    The ledger is read before anything is trained, so that a damaged one is found first.

    Args:
        plan: a recipe per row.
        asked: which data, seeds and precision.
        options: how the missing runs are done; None, or a dry run: none are.
        agree: what is asked before long runs.
        command: goes into the manifests.

    Raises:
        UserError: no such data, seeds or precision; a damaged ledger; whatever a run raises.
    """
    place = find_place(options) if options is not None else Place()
    does = options is not None and not options.dry_run
    fitted = fit_plan(plan, asked.data, needed=does)
    if does:
        ledger.tidy()
    table = ledger.read()
    runs = list_runs(fitted, parse_seeds(asked.seeds), asked.precision)
    again = does and options is not None and not options.resumes
    missing = [run for run in runs if again or find_done(table, run) is None]
    if does and options is not None and missing:
        _do(missing, options, place, agree, command)
        table = ledger.read()
    return Completed(fitted, runs, missing, adopt(table, runs), place)


def _do(missing: list[Run], options: RunOptions, place: Place, agree: Agree, command: str) -> None:
    from reproduce.runs.launch import finish_all
    from reproduce.runs.session import Session, choose_device
    from reproduce.training.distributed import join
    from reproduce.training.step_modes import check_place

    # elsewhere, each machine chooses its own
    device = choose_device(options.device if place.kind == "here" else "cpu")
    with join(device) as ranks:
        if place.kind == "here":
            check_place(options.execution, device, ranks.world)
        finish_all(Session(device, options, ranks), missing, command, agree=agree, place=place)
