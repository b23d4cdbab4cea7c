"""Runs on other machines: a Ray cluster, a SLURM queue. What they share is the results folder. No torch.

    place = find_place(RunOptions(on="ray", address="auto"))
    place.plan(runs)            # what would be asked of whom; nothing is started

The results folder (ATTNREPRO_RESULTS) and the data must be under the same path on every machine: checkpoints lie there,
so that a run whose machine is lost goes on elsewhere from its last epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reproduce.console.options import RunOptions
from reproduce.errors import UserError
from reproduce.training.run import Run

RETRIES = 3  # how often a run is begun again after its machine was lost


@dataclass(frozen=True)
class Place:
    """Where runs are done, and what each of them is given."""

    kind: str = "here"  # one of `options.PLACES`
    address: str | None = None  # of the Ray cluster; None starts one of this machine
    cpus: int = 1
    gpus: int = 0
    hours: float = 24.0  # SLURM's limit; a run that reaches it is queued again and goes on

    def plan(self, runs: Sequence[Run]) -> list[dict[str, Any]]:
        """Return a record a run: what it is, and what it would be given where."""
        where = {"here": "this machine", "slurm": "SLURM"}.get(self.kind, f"Ray at {self.address or 'this machine'}")
        return [
            {"run_id": run.run_id, "row": run.recipe.row, "seed": run.seed, "epochs": run.recipe.total_epochs}
            | {"where": where, "cpus": self.cpus, "gpus": self.gpus}
            for run in runs
        ]


def find_place(options: RunOptions) -> Place:
    """Return the place that ``options`` name; each run gets one GPU, or ``cpus`` cores where the device is the CPU.

    Raises:
        UserError: options that do not go together, or a library that is not installed.
    """
    if options.on == "here":
        if options.address is not None or options.cpus is not None or options.gpus is not None:
            raise UserError("--address, --cpus and --gpus belong to --on", "add --on ray or --on slurm")
        return Place()
    _check_installed({"ray": "ray", "slurm": "submitit"}[options.on], options.on)
    if options.on == "slurm" and options.address is not None:
        raise UserError("--address is of a Ray cluster", "leave it out, or choose --on ray")
    gpus = (0 if options.device == "cpu" else 1) if options.gpus is None else options.gpus
    return Place(options.on, options.address, max(1, options.cpus or 1), gpus)


def _check_installed(module: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise UserError(f"--on {extra} needs {module}, which is not installed", f"pip install 'attnrepro[{extra}]'")
