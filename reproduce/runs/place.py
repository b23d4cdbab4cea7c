"""Runs on other machines: a Ray cluster, a SLURM queue. What they share is the results folder. No torch.

    place = find_place("ray", address="auto", cpus=None, gpus=None)
    place.plan(runs)            # what would be asked of whom; nothing is started

The results folder (ATTNREPRO_RESULTS) and the data must be under the same path on every machine: checkpoints lie there,
so that a run whose machine is lost goes on elsewhere from its last epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from reproduce.errors import UserError, did_you_mean
from reproduce.training.run import Run

Kind = Literal["here", "ray", "slurm"]
KINDS: tuple[str, ...] = ("here", "ray", "slurm")
RETRIES = 3  # how often a run is begun again after its machine was lost


@dataclass(frozen=True)
class Place:
    """Where runs are done, and what each of them is given."""

    kind: Kind = "here"
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


def find_place(
    kind: str, *, address: str | None = None, cpus: int | None = None, gpus: int | None = None, device: str = "auto"
) -> Place:
    """Return the place called ``kind``; each run gets one GPU, or ``cpus`` cores where ``device`` is the CPU.

    Raises:
        UserError: no such place, options that do not go together, or a library that is not installed.
    """
    if kind not in KINDS:
        raise UserError(f"runs cannot be done on '{kind}'", did_you_mean(kind, KINDS))
    if kind == "here":
        if address is not None or cpus is not None or gpus is not None:
            raise UserError("--address, --cpus and --gpus belong to --on", "add --on ray or --on slurm")
        return Place()
    _check_installed({"ray": "ray", "slurm": "submitit"}[kind], kind)
    if kind == "slurm" and address is not None:
        raise UserError("--address is of a Ray cluster", "leave it out, or choose --on ray")
    gpus = (0 if device == "cpu" else 1) if gpus is None else gpus
    return Place(cast(Kind, kind), address, max(1, cpus or 1), gpus)


def _check_installed(module: str, extra: str) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise UserError(f"--on {extra} needs {module}, which is not installed", f"pip install 'attnrepro[{extra}]'")
