"""What is told before a run begins that its asker would rather know then: a late epoch, slow arithmetic."""

import time

import torch

from reproduce.console.logs import LOG
from reproduce.training.deadline import Deadline
from reproduce.training.estimate import estimate_seconds, measure_rate
from reproduce.training.run import Run

_SLOWER = 2.0  # times; below it a difference may be the machine's load
_SIDE = 512  # of the matrices that are multiplied to see


def forewarn(run: Run, device: torch.device, deadline: Deadline, world: int = 1) -> None:
    """Tell, as warnings, that one epoch will outlast ``--max-minutes`` and that the precision is emulated here."""
    if deadline.at is not None:
        epoch = estimate_seconds(run, device, world) / run.recipe.total_epochs
        left = deadline.at - time.time()
        if epoch > left:
            LOG.warning(
                "%s: an epoch takes about %.3g minutes, --max-minutes leaves %.3g: it stops after the first",
                run.run_id,
                epoch / 60,
                max(left, 0) / 60,
            )
    if run.precision == "bf16" and device.type == "cpu":
        slower = measure_rate(device, "fp32", _SIDE) / measure_rate(device, "bf16", _SIDE)
        if slower > _SLOWER:
            LOG.warning(
                "%s: this processor emulates bfloat16, a product takes %.2g times as long as in float32",
                run.run_id,
                slower,
            )
