"""Aggregation at stride 1 with nothing padded: in the flattened map every tap is a constant offset.

What a tap would read beyond a reflecting border, another tap of the same pixel reads inside. So the weight of the one
is added to that of the other, in a copy of the weights, and set to zero (beyond a zero border it is only set to zero).
What an offset then still carries round from one row's end to the next has weight zero.

Maps are (n, S, q, L) here, S groups of q channels that share q weights; weights (n, q, T, L), L = H*W.
"""

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from reproduce.kernels.cpu.scratch import take
from reproduce.kernels.window import Window

COPY_LIMIT = 4  # weights, of which a copy is made, for every value of the map: beyond that padding the map is cheaper


def suits(window: Window, map_NCHW: Tensor, shared: int) -> bool:
    """Return whether the sums can be formed so, the copy of the weights is small, and values may be read (`is_finite`).

    On a CUDA device, where the plain path runs if CuPy is missing, reading one would wait and break a graph's capture.
    """
    folds = window.stride == 1 and (window.dilation == 1 or not window.reflect)
    small = window.taps * shared <= COPY_LIMIT * map_NCHW.shape[1]
    return folds and small and map_NCHW.device.type == "cpu"


def is_finite(map_: Tensor) -> bool:
    """Return whether every value is finite (or false where only their sum is not): zero times infinity is no zero."""
    return bool(map_.sum().isfinite())


def fold(weight_nqTL: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Return a copy of the weights, in scratch memory, in which no tap beyond the border has one."""
    folded = take("folded", weight_nqTL.shape, weight_nqTL).copy_(weight_nqTL)
    for outer, twin in _pairs(folded, window, height, width):
        if window.reflect:
            twin.add_(outer)
        outer.zero_()
    return folded


def mend(gradient_nqTL: Tensor, window: Window, height: int, width: int) -> None:
    """Set what belongs to taps beyond the border, in place: the transpose of `fold`."""
    for outer, twin in _pairs(gradient_nqTL, window, height, width):
        if window.reflect:
            outer.copy_(twin)
        else:
            outer.zero_()


def _pairs(taps_nqTL: Tensor, window: Window, height: int, width: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield views (tap that lies beyond the border, tap that reads its mirror image), columns first, then rows."""
    taps = taps_nqTL.unflatten(3, (height, width)).unflatten(2, (window.kernel, window.kernel))
    for place, size in ((3, width), (2, height)):
        for pixel, outer, twin in _beyond(window, size):
            line = taps.select(place + 2, pixel)
            yield line.select(place, outer), line.select(place, twin)


@lru_cache(maxsize=256)
def _beyond(window: Window, size: int) -> tuple[tuple[int, int, int], ...]:
    """Return (pixel, tap, twin) of one axis wherever the tap lies beyond the border; without reflection twin is tap."""
    reach, found = window.kernel // 2, []
    for pixel in range(size):
        for tap in range(window.kernel):
            place = pixel + (tap - reach) * window.dilation
            if not 0 <= place < size:
                mirrored = -place if place < 0 else 2 * (size - 1) - place
                found.append((pixel, tap, reach + mirrored - pixel if window.reflect else tap))
    return tuple(found)


@lru_cache(maxsize=256)
def _runs(window: Window, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
    """Return (first output, the pixel it reads, how many follow one another) of every tap, counted along L."""
    size, found = height * width, []
    for y, x in window.offsets():
        offset = (y - window.pad) * width + x - window.pad
        found.append((min(max(0, -offset), size), min(max(0, offset), size), max(0, size - abs(offset))))
    return tuple(found)


def add_taps(
    source_nSqL: Tensor, folded_nqTL: Tensor, window: Window, size: tuple[int, int], out_nSqL: Tensor, *, back: bool
) -> None:
    """Fill ``out_nSqL``: with the sum over taps of weight times neighbour, or ``back`` with the gradient of the map."""
    weights, middle = folded_nqTL.unsqueeze(1).unbind(3), window.taps // 2
    torch.mul(source_nSqL, weights[middle], out=out_nSqL)
    for tap, (mine, theirs, many) in enumerate(_runs(window, *size)):
        if tap != middle:
            to, of = (theirs, mine) if back else (mine, theirs)
            weight = weights[tap].narrow(3, mine, many)
            out_nSqL.narrow(3, to, many).addcmul_(source_nSqL.narrow(3, of, many), weight)


def to_weight(x_nSqL: Tensor, g_nSqL: Tensor, window: Window, size: tuple[int, int], out_nqTL: Tensor) -> None:
    """Fill ``out_nqTL``, the gradient of the weights."""
    product, outs = take("term", g_nSqL.shape, g_nSqL), out_nqTL.unbind(2)
    for tap, (mine, theirs, many) in enumerate(_runs(window, *size)):
        part = product.narrow(3, mine, many)
        torch.mul(x_nSqL.narrow(3, theirs, many), g_nSqL.narrow(3, mine, many), out=part)
        torch.sum(part, 1, out=outs[tap].narrow(2, mine, many))
    mend(out_nqTL, window, *size)
