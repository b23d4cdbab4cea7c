"""The roofline of this device: what it copies and multiplies at best, measured in the run that uses it.

roof = measure_roof(torch.device("cpu"))
roof.seconds(cost), roof.bound(cost)          # least time of a `traffic.Cost`, and what limits it
"""

import statistics
from collections.abc import Callable
from typing import NamedTuple

import torch

from reproduce.bench.counted_cost import Cost
from reproduce.bench.timing import HEAD_START, time_on_device

_COPY_BYTES = {"cpu": 1 << 28, "cuda": 1 << 30}  # far beyond any cache
_SIDE = {"cpu": 1536, "cuda": 8192}
_TURNS = 7


class Roof(NamedTuple):
    """Peak rates: bytes a second read and written by a copy, FLOPs a second in float32."""

    bandwidth: float
    rate: float

    def seconds(self, cost: Cost) -> float:
        """Return the least time that ``cost`` can take."""
        return max(cost.bytes / self.bandwidth, cost.flops / self.rate)

    def bound(self, cost: Cost) -> str:
        """Return ``memory`` or ``compute``: what that least time is made of."""
        return "memory" if cost.bytes / self.bandwidth >= cost.flops / self.rate else "compute"


def measure_roof(device: torch.device) -> Roof:
    """Return the median copy bandwidth and the median rate of a float32 matrix product (no TF32) on ``device``."""
    source = torch.zeros(_COPY_BYTES[device.type] // 4, device=device)
    target = torch.empty_like(source)
    copying = _median(lambda: target.copy_(source), device)
    side = _SIDE[device.type]
    left, right = torch.randn(2, side, side, device=device)
    out = torch.empty_like(left)
    tf32 = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        multiplying = _median(lambda: torch.mm(left, right, out=out), device)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = tf32
    return Roof(2 * source.nbytes / copying, 2 * side**3 / multiplying)


def _median(work: Callable[[], object], device: torch.device) -> float:
    return statistics.median(time_on_device({"": work}, _TURNS, device, warmups=2, head_start=HEAD_START)[""])
