"""One run on several devices: what the processes of ``torchrun`` share, and who of them writes.

    torchrun --nproc-per-node 2 -m cli train vit --budget paper

Every process holds the whole network and takes its share of each batch; gradients are averaged, so that the step is
that of the whole batch. Random numbers of data are functions of (seed, epoch), so all draw the same plan. Rank 0 alone
evaluates, saves, appends and speaks.
"""

import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from reproduce.errors import UserError

T = TypeVar("T")
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Ranks:
    """This process's place among those of the run; alone by default, and then nothing is communicated."""

    rank: int = 0
    world: int = 1

    @property
    def main(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def wrap(self, model: nn.Module, statistics: str) -> nn.Module:
        """Return ``model`` with gradients averaged over all processes.

        ``statistics`` of BatchNorm: ``global`` are those of the whole batch (SyncBatchNorm, on CUDA), ``local`` those
        of a process's share, which is another training: the recipe says so.

        Raises:
            UserError: global statistics where they cannot be had.
        """
        if self.world == 1:
            return model
        device = next(model.parameters()).device
        if statistics == "global":
            model = _share_statistics(model, device)
        devices = [device] if device.type == "cuda" else None
        # static_graph: a network may build what it never calls (cnn-deep), or call a block several times (HA)
        wrapper = nn.parallel.DistributedDataParallel
        # running statistics stay a process's own: rank 0's are saved (torch 2.14 renamed the argument)
        known = inspect.signature(wrapper.__init__).parameters
        buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        return wrapper(model, device_ids=devices, static_graph=True, **{buffers: False})  # type: ignore[arg-type]

    def weigh(self, loss: Tensor, share: int, batch: int) -> Tensor:
        """Return the mean loss of this share as its part of the whole batch's mean, for averaged gradients."""
        return loss if self.world == 1 else loss * (self.world * share / batch)

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of ``value`` over all processes."""
        if self.world > 1:
            torch.distributed.all_reduce(value)
        return value

    def agree(self, value: T) -> T:
        """Return rank 0's ``value``, in every process."""
        if self.world == 1:
            return value
        box: list[Any] = [value]
        torch.distributed.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[no-any-return]

    def wait(self) -> None:
        """Wait for every process."""
        if self.world > 1:
            torch.distributed.barrier()


ALONE = Ranks()


def started_by_torchrun() -> bool:
    """Return whether this process is one of several that ``torchrun`` has started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def join(device: torch.device) -> Iterator[Ranks]:
    """Join the other processes of a ``torchrun``, if there are any; from here on rank 0 alone prints results.

    Raises:
        UserError: the others cannot be reached.
    """
    if not started_by_torchrun():
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the processes of torchrun do not find each other ({reason})", "start it anew") from None
    ranks = Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
    if not ranks.main:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  (for good: it has nothing of its own to say)
    try:
        yield ranks
    finally:
        torch.distributed.destroy_process_group()


def own_device(device: torch.device) -> torch.device:
    """Return this process's own GPU where ``device`` is CUDA and torchrun has started several processes here."""
    if device.type != "cuda" or not started_by_torchrun():
        return device
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if local >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise UserError(f"process {local} of this machine has no GPU: it has {count}", f"--nproc-per-node {count}")
    return torch.device("cuda", local)


def is_loss_of_rank(error: BaseException) -> bool:
    """Return whether ``error`` is what a collective operation raises when another process has gone."""
    backend = getattr(torch.distributed, "DistBackendError", RuntimeError)
    words = ("gloo", "nccl", "connection closed", "connection reset", "store", "timed out")
    return isinstance(error, backend) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )


def _share_statistics(model: nn.Module, device: torch.device) -> nn.Module:
    norms = [layer for layer in model.modules() if isinstance(layer, _NORMS)]
    if not norms:
        return model
    local = "--set batch_statistics=local trains with those of each process's share, which is another recipe"
    if device.type != "cuda":
        raise UserError("BatchNorm over several processes needs CUDA devices", local)
    if any(type(layer) not in _NORMS for layer in norms):
        raise UserError("SAN's fused attention takes its batch statistics within one process", local)
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)
