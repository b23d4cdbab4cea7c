"""Runs on a SLURM cluster: one array of jobs through submitit, each queued again where its time or machine ends.

    jobs = submit(session, runs, command, place)      # returns at once; the jobs append their own rows

A job that is told to stop (time limit, preemption) is put back into the queue and goes on from its last epoch.
"""

import logging
from dataclasses import replace
from typing import Any

import submitit

from reproduce.errors import UserError
from reproduce.record import ledger
from reproduce.runs.place import RETRIES, Place
from reproduce.runs.session import Session, choose_device
from reproduce.training.run import Run

FOLDER = "slurm"  # beside the ledger: submitit's scripts, logs and pickles of our own arguments


class Task:
    """One run as SLURM starts it; ``checkpoint`` is what submitit calls before the job is taken away."""

    def __init__(self, session: Session, run: Run, command: str, place: Place) -> None:
        self.session, self.run, self.command, self.place = session, run, command, place

    def __call__(self) -> dict[str, Any] | None:
        """Train and measure the run and append its row."""
        device = choose_device("auto" if self.place.gpus else "cpu")
        return replace(self.session, device=device).finish(self.run, self.command, on_event=lambda event: None)

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Return what is queued in place of this job: the same run, which goes on from its last saved epoch."""
        return submitit.helpers.DelayedSubmission(Task(self.session, self.run, self.command, self.place))


def make_executor(place: Place, cluster: str = "slurm") -> submitit.AutoExecutor:
    """Return the executor of ``place``; scripts and logs go into the results folder.

    Raises:
        UserError: there is no SLURM on this machine.
    """
    folder = ledger.results_path().resolve() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster, slurm_max_num_timeout=RETRIES)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"jobs cannot be submitted from here ({reason[:100]})", "run it on a login node, where sbatch is"
        ) from None
    executor.update_parameters(
        name="attnrepro", timeout_min=int(60 * place.hours), cpus_per_task=place.cpus, gpus_per_node=place.gpus
    )
    return executor


def submit(
    session: Session, runs: list[Run], command: str, place: Place, cluster: str = "slurm"
) -> list["submitit.Job[Any]"]:
    """Submit ``runs`` as one array and return its jobs.

    Raises:
        UserError: no SLURM here, or it refuses the array.
    """
    logging.getLogger("submitit").setLevel(logging.ERROR)
    executor = make_executor(place, cluster)
    tasks = [Task(session, run, command, place) for run in runs]
    try:
        with executor.batch():
            jobs = [executor.submit(task) for task in tasks]
    except (submitit.core.utils.FailedJobError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise UserError(f"SLURM has refused the jobs ({reason[:200]})", "see its limits: sacctmgr, sinfo") from None
    return jobs
