"""Doing runs: how long they may take, training them, measuring what they cost, one row of the ledger each.

session = Session(device=choose_device("auto"))
row = session.finish(run, command="attnrepro train vit")
"""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reproduce.console.logs import LOG
from reproduce.errors import UserError
from reproduce.runs.place import Place
from reproduce.runs.session import Session, uses_one_thread
from reproduce.training.deadline import Deadline
from reproduce.training.run import Run

ASK_SECONDS = 600.0


def finish_all(
    session: Session,
    runs: list[Run],
    command: str,
    *,
    agree: Callable[[str], bool],
    place: Place,
) -> list[dict[str, Any] | None]:
    """Do ``runs`` and return their rows; asks first where they may take over ten minutes here.

    Mini models on a CPU go side by side, one thread each, as many as there are cores (or ``--jobs``); everything
    else goes one after the other with the whole device. At another ``place`` each gets what the place says; SLURM
    only takes the jobs, and the rows come later.

    Raises:
        UserError: the question was answered with no, or what a run raised.
    """
    if place.kind == "ray":
        from reproduce.runs.on_ray import finish_on_ray

        return finish_on_ray(session, runs, command, place)
    if place.kind == "slurm":
        from reproduce.runs.on_slurm import submit

        submitted = submit(session, runs, command, place)
        LOG.info(f"submitted {len(submitted)} jobs to SLURM: {', '.join(job.job_id for job in submitted)}")
        return [None] * len(runs)
    session = replace(session, deadline=Deadline.after(session.options.max_minutes, session.options.begun))
    side_by_side = session.ranks.world == 1 and all(uses_one_thread(run, session.device) for run in runs)
    workers = min(len(runs), session.options.jobs or (_cores() if side_by_side else 1))
    ranks = session.ranks
    seconds = session.estimate_seconds(runs) / max(1, workers) if ranks.main else 0.0
    if seconds > ASK_SECONDS and not agree(describe_duration(seconds)):
        raise UserError(
            f"runs of about {describe_duration(seconds)} in all were not started (n={len(runs)})",
            "add --yes to start them, or --budget smoke for a quick look",
        )
    if workers > 1:
        from reproduce.runs.processes import finish_in_parallel

        return finish_in_parallel(session, runs, command, workers)
    return [session.finish(run, command, on_event=None if ranks.main else lambda event: None) for run in runs]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe_duration(seconds: float) -> str:
    """Return seconds as a person says them: ``40 s``, ``12 min``, ``3.5 h``, ``6 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
