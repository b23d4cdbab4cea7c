"""Batch statistics of the relation tensors, without forming them.

The k*k taps of a padded map are summed by two banded matrices that count, for every row and column of the map,
how often the window reads it: R (Ho x H) for one output row's k rows, K (k x H) for one tap's Ho rows. Padding, stride
and dilation are in the matrices, so the sums below are small matrix products, differentiable any number of times:

    mean = E[phi] - E[psi~],   var = E[(phi - p)^2] + E[(psi~ - q)^2] - 2 E[(phi - p)(box psi~ - q)] - (mean - p + q)^2

with p, q the maps' own means, subtracted first so that float32 loses nothing where a mean is large.
"""

from functools import lru_cache
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from reproduce.kernels.mapping import Mapping
from reproduce.kernels.window import Window


class Moments(NamedTuple):
    """Mean and biased variance of every channel, and how many values they come from."""

    mean: Tensor
    var: Tensor
    number: int


def count_reads(size: int, window: Window, like: Tensor) -> Tensor:
    """Return (k, outputs, size): 1 where tap row ky of an output row reads this row of the map, else 0."""
    if torch.compiler.is_compiling() or type(like) not in (Tensor, nn.Parameter) or like.device.type != "cpu":
        return _count_reads(size, window, like)  # kept only where a kept tensor is a plain one in ordinary memory
    return _keep_reads(size, window, like.dtype)


@lru_cache(maxsize=32)
def _keep_reads(size: int, window: Window, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):
        return _count_reads(size, window, torch.empty(0, dtype=dtype))


def _count_reads(size: int, window: Window, like: Tensor) -> Tensor:
    outputs = -(-size // window.stride)
    tap = torch.arange(window.kernel, device=like.device)[:, None] * window.dilation
    row = tap + torch.arange(outputs, device=like.device) * window.stride - window.pad
    if window.reflect:
        row = row.abs()
        row = torch.where(row >= size, 2 * (size - 1) - row, row)
    return (row.unsqueeze(-1) == torch.arange(size, device=like.device)).to(like.dtype)


def average_window(x_NCHW: Tensor, window: Window) -> Tensor:
    """Return (N, C, Ho, Wo): the mean of the k*k taps, zeros beyond the border counted in zero mode."""
    rows = count_reads(x_NCHW.shape[2], window, x_NCHW).sum(0) / window.taps
    columns = count_reads(x_NCHW.shape[3], window, x_NCHW).sum(0)
    return rows @ x_NCHW @ columns.T


def neighbour_moments(x_NCHW: Tensor, window: Window) -> Moments:
    """Return the moments of every channel of the gathered (N, C, T, L) tensor, shapes (C,)."""
    pivot, _, first, second, count = _centre_neighbours(x_NCHW, window)
    return Moments(first + pivot, (second - first.square()).clamp_min(0), count)


def _centre_neighbours(x_NCHW: Tensor, window: Window) -> tuple[Tensor, Tensor, Tensor, Tensor, int]:
    """Return the map's mean p (C,), x - p, the means of x~ - p and of its square over the gathered tensor, its size.

    Sums, not means, of maps: the backward of a mean divides a whole map by the same number everywhere.
    """
    batch = x_NCHW.shape[0]
    count = batch * window.taps * _outputs(x_NCHW, window)
    times_HW = _count_times(x_NCHW, window)
    pivot = x_NCHW.detach().mean((0, 2, 3))
    moved = x_NCHW - pivot[:, None, None]
    outside = 1 - batch * times_HW.sum() / count
    first = (moved.sum(0) * times_HW).sum((1, 2)) / count - outside * pivot
    second = (moved.square().sum(0) * times_HW).sum((1, 2)) / count + outside * pivot.square()
    return pivot, moved, first, second, count


def _count_times(x_NCHW: Tensor, window: Window) -> Tensor:
    """Return (H, W): how often each pixel is read."""
    rows, columns = (count_reads(size, window, x_NCHW).sum((0, 1)) for size in x_NCHW.shape[2:])
    return torch.outer(rows, columns)


def tap_moments(x_NCHW: Tensor, window: Window) -> Moments:
    """Return the moments of every tap of every channel, shapes (C, T)."""
    batch, height, width = x_NCHW.shape[0], *x_NCHW.shape[2:]
    rows = count_reads(height, window, x_NCHW).sum(1)
    columns = count_reads(width, window, x_NCHW).sum(1)
    count = batch * _outputs(x_NCHW, window)
    pivot = x_NCHW.detach().mean((0, 2, 3))
    moved, pivot = x_NCHW - pivot[:, None, None], pivot[:, None]
    outside = (1 - batch * torch.outer(rows.sum(1), columns.sum(1)) / count).flatten()
    first = (rows @ moved.sum(0) @ columns.T / count).flatten(1) - outside * pivot
    second = (rows @ moved.square().sum(0) @ columns.T / count).flatten(1) + outside * pivot.square()
    return Moments(first + pivot, (second - first.square()).clamp_min(0), count)


def centre_moments(x_NCHW: Tensor, window: Window, repeats: int = 1) -> Moments:
    """Return the moments of the centres, (C,), each counted ``repeats`` times."""
    centre = window.centres(x_NCHW)
    mean = centre.mean((0, 2, 3))
    var = (centre - mean[:, None, None]).square().mean((0, 2, 3))
    return Moments(mean, var, repeats * centre.shape[0] * _outputs(x_NCHW, window))


def difference_moments(phi_NRHW: Tensor, psi_NRHW: Tensor, window: Window) -> Moments:
    """Return the moments of phi(x_i) - psi(x_j), (r,), over every centre and tap."""
    q, g, near, near_square, count = _centre_neighbours(psi_NRHW, window)
    centre, outputs = window.centres(phi_NRHW), count // window.taps
    p = centre.detach().mean((0, 2, 3))
    f = centre - p[:, None, None]
    box = average_window(g, window)
    if not window.reflect:  # beyond the border psi is 0, so that g is -q
        box = box - q[:, None, None] * (1 - average_window(torch.ones_like(psi_NRHW[:1, :1]), window))
    mean = f.sum((0, 2, 3)) / outputs
    # E[f^2] - 2 E[f box]; both factors are centred, so nothing cancels
    mixed = (f * torch.sub(f, box, alpha=2)).sum((0, 2, 3)) / outputs
    var = mixed + near_square - (mean - near).square()
    return Moments(p + mean - q - near, var.clamp_min(0), count)


def tap_difference_moments(phi_NRHW: Tensor, psi_NRHW: Tensor, window: Window) -> Moments:
    """Return the moments of phi(x_i) - psi(x_j) for every tap, (r, T)."""
    centre, near = centre_moments(phi_NRHW, window), tap_moments(psi_NRHW, window)
    height, width = window.out_size(*phi_NRHW.shape[-2:])
    phi = window.centres(phi_NRHW) - centre.mean[:, None, None]
    padded, step = window.pad_map(psi_NRHW), window.stride
    cross = [
        (phi * padded[:, :, y : y + step * height : step, x : x + step * width : step]).mean((0, 2, 3))
        for y, x in window.offsets()
    ]
    var = centre.var[:, None] + near.var - 2 * torch.stack(cross, 1)
    return Moments(centre.mean[:, None] - near.mean, var.clamp_min(0), near.number)


def product_moments(phi_NRHW: Tensor, psi_NRHW: Tensor, window: Window) -> Moments:
    """Return the moments of phi(x_i) * psi(x_j), (r,), over every centre and tap."""
    phi, outside = window.centres(phi_NRHW), psi_NRHW.new_zeros(())
    if not window.reflect:  # the share of an output's taps that lie beyond the border, (1, 1, Ho, Wo)
        outside = 1 - average_window(psi_NRHW.new_ones(1, 1, *psi_NRHW.shape[2:]), window)
    p, q = (t.detach().mean((0, 2, 3))[:, None, None] for t in (phi, psi_NRHW))
    f, g = phi - p, psi_NRHW - q
    # With c = 1 inside, 0 beyond the border: w = phi psi~ - p q = phi g~ + q f c - p q (1 - c), where no large terms
    # cancel. Over the taps c g~ = g~ and c (1 - c) = 0, so that only the mean of g~ and of its square are needed.
    near, square = average_window(g, window), average_window(g.square(), window)
    mean_w = (phi * near + q * f * (1 - outside) - p * q * outside).mean((0, 2, 3))
    second = phi.square() * square + 2 * q * phi * f * near + (q * f).square() * (1 - outside)
    second = (second + (p * q).square() * outside).mean((0, 2, 3))
    count = phi.shape[0] * window.taps * _outputs(phi_NRHW, window)
    return Moments(mean_w + (p * q).flatten(), (second - mean_w.square()).clamp_min(0), count)


def fold_norm1(mapping: Mapping, moments: list[Moments], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return (s, t), each (D,): the first BatchNorm as z -> s*z + t; running statistics updated in training.

    ``moments`` are flattened and joined in the order of the relation's channels; empty where running ones are used.
    """
    if mapping.running_mean1 is not None and not mapping.training:
        mean, var = mapping.running_mean1, cast(Tensor, mapping.running_var1)
    else:
        mean = torch.cat([m.mean.flatten() for m in moments])
        var = torch.cat([m.var.flatten() for m in moments])
        if mapping.running_mean1 is not None:
            update_running(mapping.running_mean1, mapping.running_var1, mean, var, moments[0].number, mapping.momentum)
    scale = mapping.scale1.to(dtype) * torch.rsqrt(var.to(dtype) + mapping.eps)
    return scale, mapping.shift1.to(dtype) - mean.to(dtype) * scale


@torch.no_grad()
def update_running(
    running_mean: Tensor, running_var: Tensor | None, mean: Tensor, var: Tensor, count: int, momentum: float
) -> None:
    """Move the running statistics towards this batch's, the variance unbiased as nn.BatchNorm2d keeps it."""
    running_mean.lerp_(mean.detach().to(running_mean.dtype), momentum)
    if running_var is not None:
        unbiased = var.detach() * (count / max(1, count - 1))
        running_var.lerp_(unbiased.to(running_var.dtype), momentum)


def _outputs(x_NCHW: Tensor, window: Window) -> int:
    height, width = window.out_size(*x_NCHW.shape[-2:])
    return height * width
