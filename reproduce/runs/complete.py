"""From what is asked for to a ledger that has it: find what is missing, do it, read the ledger again.

runs, ledger = complete(plan, asked, running, command)
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reproduce.recipes.command import parse_seeds
from reproduce.recipes.recipe import Recipe
from reproduce.record import ledger
from reproduce.runs.place import Place
from reproduce.runs.plan import FittedPlan, find_done, fit_plan, list_runs
from reproduce.training.run import Run, check_execution

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Running:
    """How missing runs are done; ``agree`` is asked before they take more than ten minutes."""

    device: str
    agree: Callable[[str], bool]
    resume: bool = True
    jobs: int | None = None
    max_minutes: float | None = None  # counted from the moment at which this is made, with the reading of data
    tensorboard: bool = False
    deterministic: bool = False
    execution: str = "eager"
    place: Place = field(default_factory=Place)
    begun: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        """Refuse, even where nothing is missing, a way to carry out steps that does not exist."""
        check_execution(self.execution)


@dataclass(frozen=True)
class Completed:
    """A plan fitted to its data, its runs, and the ledger after them."""

    plan: FittedPlan
    runs: list[Run]
    missing: list[Run]  # those that the ledger lacked when it was first read
    ledger: "pd.DataFrame"


def complete(
    plan: Mapping[str, Recipe], *, data: str | None, seeds: str, precision: str, running: Running | None, command: str
) -> Completed:
    """Do the runs of ``plan`` that the ledger lacks (none where ``running`` is None) and return where it stands.

    The ledger is read before anything is trained, so that a damaged one is found first.

    Raises:
        UserError: no such data, seeds or precision; a damaged ledger; whatever a run raises.
    """
    fitted = fit_plan(plan, data, needed=running is not None)
    if running is not None:
        ledger.tidy()
    table = ledger.read()
    runs = list_runs(fitted, parse_seeds(seeds), precision)
    again = running is not None and not running.resume
    missing = [run for run in runs if again or find_done(table, run) is None]
    if running is not None and missing:
        _do(missing, running, command)
        table = ledger.read()
    return Completed(fitted, runs, missing, table)


def _do(missing: list[Run], running: Running, command: str) -> None:
    from reproduce.runs.launch import Session, choose_device, finish_all
    from reproduce.training.distributed import join
    from reproduce.training.step_modes import check_place

    # elsewhere, each machine chooses its own
    device = choose_device(running.device if running.place.kind == "here" else "cpu")
    with join(device) as ranks:
        if running.place.kind == "here":
            check_place(running.execution, device, ranks.world)
        session = Session(
            device,
            resume=running.resume,
            max_minutes=running.max_minutes,
            begun=running.begun,
            tensorboard=running.tensorboard,
            deterministic=running.deterministic,
            execution=running.execution,
            ranks=ranks,
        )
        finish_all(session, missing, command, agree=running.agree, jobs=running.jobs, place=running.place)
