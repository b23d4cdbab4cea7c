"""What both cores do a few samples, or a few taps of one sample, at a time: relation, products, the ReLU's gradient."""

from collections.abc import Iterator

import torch
from torch import Tensor

from reproduce.kernels.cpu.scratch import take
from reproduce.kernels.cpu.shifts import Shifts
from reproduce.kernels.operands import Pair

TILE_BYTES = 2 << 20  # working set where a sample is cut: its taps are large, so they may as well fit the inner caches
FORMS = ("difference", "product", "hidden")


def close_relu(g: Tensor, active: Tensor, out: Tensor) -> None:
    """Write g where ``active`` > 0, else 0; ``out`` may be either of the two."""
    torch.ops.aten.threshold_backward.grad_input(g, active, 0, grad_input=out)


def multiply(matrix: Tensor, x_NDX: Tensor) -> Tensor:
    """Return matrix @ x for every sample; torch.matmul would transpose and copy the wide operand first."""
    return torch.bmm(matrix.expand(len(x_NDX), -1, -1), x_NDX)


def relate(pair: Pair, shifts: Shifts, form: str, centre: Tensor, planes: Tensor, taps: range) -> Tensor:
    """Return u for some taps, (n, D, len(taps), L), in scratch memory."""
    u = take("wide", (*centre.shape[:2], len(taps), shifts.outputs), centre)
    framed, combine = shifts.frame(u), torch.mul if form == "product" else torch.sub
    for place, view in shifts.blocks(planes, taps):
        combine(centre.unsqueeze(2), view, out=framed[:, :, place])
    return u.add_(pair.c[:, None, None]) if form == "product" else u


def tiles(shifts: Shifts, batch: int, floats: int, itemsize: int) -> Iterator[tuple[slice, range]]:
    """Yield (samples, taps): whole samples where several fit the working set, else some taps of one sample."""
    taps = shifts.window.taps
    for part in shifts.steps(batch, floats * taps, itemsize):
        if part.stop - part.start > 1:
            yield part, range(taps)
            continue
        few = max(1, TILE_BYTES // max(1, floats * itemsize))
        for start in range(0, taps, few):
            yield part, range(start, min(start + few, taps))
