"""Shifted views of one padded map: how the plain-torch path reads k*k neighbours without copying them.

A map is padded once and, for stride s, split into s*s planes of every s-th row and column, each (N, C, Hq, Wq). Tap t
then is a view of one plane, moved by a constant.
"""

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from reproduce.kernels.window import Window, fold_border

CHUNK_BYTES = 12 << 20  # working set of one step: within a last-level cache, and large enough to hide a call


class Shifts:
    """Geometry of one operator call on maps of ``height`` x ``width`` pixels."""

    def __init__(self, window: Window, height: int, width: int) -> None:
        reach = window.dilation * (window.kernel - 1) // window.stride
        self.window, self.height, self.width = window, height, width
        self.out_height, self.out_width = window.out_size(height, width)
        self.outputs = self.out_height * self.out_width
        self.plane_height, self.plane_width = self.out_height + reach, self.out_width + reach

    @cached_property
    def places(self) -> list[tuple[int, int]]:
        """Return (plane, element offset in the plane) of every tap, in tap order."""
        step = self.window.stride
        return [
            ((y % step) * step + x % step, (y // step) * self.plane_width + x // step) for y, x in self.window.offsets()
        ]

    def spread(self, x_NCHW: Tensor) -> Tensor:
        """Return the padded planes (s*s, N, C, Hq, Wq)."""
        (batch, channels, height, width), pad, step = x_NCHW.shape, self.window.pad, self.window.stride
        rows, columns = self.plane_height * step, self.plane_width * step
        # The planes need not cover the whole padded map: what no tap reads is cut off.
        rows, columns = max(rows, height + 2 * pad), max(columns, width + 2 * pad)
        if pad and not self.window.reflect:
            padded = x_NCHW.new_zeros(batch, channels, rows, columns)
        else:  # written all over but beyond the border
            padded = x_NCHW.new_empty(batch, channels, rows, columns)
            padded[..., height + 2 * pad :, :].zero_()
            padded[..., width + 2 * pad :].zero_()
        padded[..., pad : pad + height, pad : pad + width] = x_NCHW
        if self.window.reflect:
            _mirror(padded[..., pad : pad + height, :], -1, pad, width)
            _mirror(padded, -2, pad, height)
        if step == 1:
            return padded.unsqueeze(0)
        padded = padded[..., : self.plane_height * step, : self.plane_width * step]
        planes = padded.unflatten(3, (self.plane_width, step)).unflatten(2, (self.plane_height, step))
        return planes.permute(3, 5, 0, 1, 2, 4).reshape(
            step * step, batch, channels, self.plane_height, self.plane_width
        )

    def empty_planes(self, like_NC: Tensor) -> Tensor:
        """Return zeroed planes for the gradient of maps with the batch and channels of ``like_NC``."""
        return like_NC.new_zeros(self.window.stride**2, *like_NC.shape[:2], self.plane_height, self.plane_width)

    def view(self, planes: Tensor, tap: int) -> Tensor:
        """Return the view (N, C, Ho, Wo) of the planes under ``tap``."""
        plane, offset = self.places[tap]
        stride = planes.stride()
        return planes.as_strided(
            (*planes.shape[1:3], self.out_height, self.out_width),
            stride[1:],
            planes.storage_offset() + plane * stride[0] + offset,
        )

    def blocks(self, planes: Tensor, taps: range) -> Iterator[tuple[slice, Tensor]]:
        """Yield (places in ``taps``, view (N, C, few, Ho, Wo)): at stride 1 a row of taps is one view."""
        if self.window.stride > 1:
            for place, tap in enumerate(taps):
                yield slice(place, place + 1), self.view(planes, tap).unsqueeze(2)
            return
        _, sample, channel, row, column = planes.stride()
        start = taps.start
        while start < taps.stop:
            stop = min(taps.stop, start - start % self.window.kernel + self.window.kernel)
            size = (*planes.shape[1:3], stop - start, self.out_height, self.out_width)
            stride = (sample, channel, self.window.dilation * column, row, column)
            view = planes.as_strided(size, stride, planes.storage_offset() + self.places[start][1])
            yield slice(start - taps.start, stop - taps.start), view
            start = stop

    def views(self, planes: Tensor, shared: int) -> list[Tensor]:
        """Return the views of all taps with the channels split, (N, C/shared, shared, Ho, Wo)."""
        _, batch, channels = planes.shape[:3]
        size = (batch, channels // shared, shared, self.out_height, self.out_width)
        plane, sample, channel, row, column = planes.stride()
        stride, start = (sample, shared * channel, channel, row, column), planes.storage_offset()
        return [planes.as_strided(size, stride, start + index * plane + offset) for index, offset in self.places]

    def collect(self, planes: Tensor) -> Tensor:
        """Return (N, C, H, W): the transpose of `spread`, border folded back."""
        step, pad = self.window.stride, self.window.pad
        _, batch, channels, rows, columns = planes.shape
        grid = planes.unflatten(0, (step, step)).permute(2, 3, 4, 0, 5, 1)
        grid = grid.reshape(batch, channels, rows * step, columns * step)
        tall, broad = self.height + 2 * pad, self.width + 2 * pad
        missing = (max(tall - rows * step, 0), max(broad - columns * step, 0))
        if any(missing):
            grid = torch.nn.functional.pad(grid, (0, missing[1], 0, missing[0]))
        return fold_border(grid[..., :tall, :broad], self.window)

    def frame(self, flat: Tensor) -> Tensor:
        """Return the view (..., Ho, Wo) of (..., L)."""
        return flat.unflatten(-1, (self.out_height, self.out_width))

    def steps(self, batch: int, floats: int, itemsize: int) -> Iterator[slice]:
        """Yield slices of the batch, each with a working set of about `CHUNK_BYTES` (``floats`` values a sample)."""
        size = max(1, min(batch, CHUNK_BYTES // max(1, floats * itemsize)))
        count = -(-batch // size)
        for index in range(count):  # of nearly equal length: a short last step costs as many calls as a long one
            yield slice(index * batch // count, (index + 1) * batch // count)


def _mirror(padded: Tensor, dim: int, pad: int, size: int) -> None:
    """Fill ``pad`` places on both sides of the ``size`` inner ones along ``dim`` with their reflection."""
    for start, source in ((0, pad + 1), (pad + size, size - 1)):
        edge = padded.narrow(dim, source, pad)
        padded.narrow(dim, start, pad).copy_(edge.flip(dim) if pad > 1 else edge)


def subtract(a_NCHW: Tensor, b_NCHW: Tensor, window: Window) -> Tensor:
    """Return (N, C, T, L): centre of a minus neighbours of b."""
    shifts = Shifts(window, a_NCHW.shape[2], a_NCHW.shape[3])
    size = (shifts.out_height, shifts.out_width)
    out = a_NCHW.new_empty(*a_NCHW.shape[:2], window.taps, *size)
    for part in shifts.steps(a_NCHW.shape[0], 4 * a_NCHW[0:1].numel(), a_NCHW.element_size()):
        planes, centre = shifts.spread(b_NCHW[part]), window.centres(a_NCHW[part])
        for place, view in shifts.blocks(planes, range(window.taps)):
            torch.sub(centre.unsqueeze(2), view, out=out[part, :, place])
    return out.flatten(3)


def sum_centres(g_NCTL: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Return (N, C, H, W): the taps' sum of g at every centre, zero off the stride grid (gradient of a)."""
    total = g_NCTL.sum(dim=2).unflatten(2, window.out_size(height, width))
    return window.spread_centres(total, height, width)


def scatter(g_NCTL: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Return (N, C, H, W): every g added to the pixel its tap reads (transpose of the gather)."""
    shifts = Shifts(window, height, width)
    g = g_NCTL.unflatten(3, (shifts.out_height, shifts.out_width))
    out = g.new_empty(*g.shape[:2], height, width)
    for part in shifts.steps(g.shape[0], 4 * g.shape[1] * height * width, g.element_size()):
        planes = shifts.empty_planes(g[part])
        for tap in range(window.taps):
            shifts.view(planes, tap).add_(g[part, :, tap])
        out[part] = shifts.collect(planes)
    return out
