"""Aggregation and its two gradients in plain torch, a few samples at a time: by `flat` sums, or over padded maps.

Legend: n samples of one step, S = C/q groups of q channels that share q weights, T taps, Ho x Wo outputs, L = Ho*Wo.
"""

import torch
from torch import Tensor

from reproduce.kernels.cpu import flat
from reproduce.kernels.cpu.scratch import take
from reproduce.kernels.cpu.shifts import Shifts
from reproduce.kernels.window import Window


def aggregate(x_NCHW: Tensor, weight_NQTL: Tensor, window: Window) -> Tensor:
    """Return (N, C, Ho, Wo): sum over taps of the shared weight times the neighbour."""
    shifts = Shifts(window, *x_NCHW.shape[-2:])
    out = x_NCHW.new_empty(*x_NCHW.shape[:2], shifts.out_height, shifts.out_width)
    for part in _steps(shifts, x_NCHW, weight_NQTL.shape[1]):
        fill_output(shifts, x_NCHW[part], weight_NQTL[part], out[part])
    return out


def aggregate_to_map(g_NCHoWo: Tensor, weight_NQTL: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Return (N, C, H, W): the gradient of `aggregate` with respect to x."""
    shifts, out = Shifts(window, height, width), g_NCHoWo.new_empty(*g_NCHoWo.shape[:2], height, width)
    for part in _steps(shifts, out, weight_NQTL.shape[1]):
        fill_map(shifts, g_NCHoWo[part], weight_NQTL[part], out[part])
    return out


def aggregate_to_weight(x_NCHW: Tensor, g_NCHoWo: Tensor, window: Window, shared: int) -> Tensor:
    """Return (N, Cw, T, L): the gradient of `aggregate` with respect to the weights."""
    shifts = Shifts(window, *x_NCHW.shape[-2:])
    out = x_NCHW.new_empty(x_NCHW.shape[0], shared, window.taps, shifts.outputs)
    for part in _steps(shifts, x_NCHW, shared):
        fill_weight(shifts, x_NCHW[part], g_NCHoWo[part], out[part])
    return out


def _steps(shifts: Shifts, map_NCHW: Tensor, shared: int) -> list[slice]:
    copies = 4 if flat.suits(shifts.window, map_NCHW, shared) else 3
    return list(shifts.steps(len(map_NCHW), copies * map_NCHW[0:1].numel(), map_NCHW.element_size()))


def fill_output(shifts: Shifts, x_nCHW: Tensor, weight_nqTL: Tensor, out_nCHoWo: Tensor) -> None:
    """Fill ``out_nCHoWo`` with the sum over taps of weight times neighbour."""
    shared, size = weight_nqTL.shape[1], (shifts.height, shifts.width)
    if flat.suits(shifts.window, x_nCHW, shared) and flat.is_finite(x_nCHW):
        x_nSqL = x_nCHW.contiguous().flatten(2).unflatten(1, (-1, shared))
        out = out_nCHoWo.flatten(2).unflatten(1, (-1, shared))
        flat.add_taps(x_nSqL, flat.fold(weight_nqTL, shifts.window, *size), shifts.window, size, out, back=False)
        return
    total = out_nCHoWo.unflatten(1, (-1, shared))
    views, weights = shifts.views(shifts.spread(x_nCHW), shared), _split(shifts, weight_nqTL)
    torch.mul(views[0], weights[0], out=total)
    for view, weight in zip(views[1:], weights[1:], strict=True):
        total.addcmul_(view, weight)


def fill_map(shifts: Shifts, g_nCHoWo: Tensor, weight_nqTL: Tensor, out_nCHW: Tensor) -> None:
    """Fill ``out_nCHW`` with the gradient of the map."""
    shared, size = weight_nqTL.shape[1], (shifts.height, shifts.width)
    g_nSqHoWo = g_nCHoWo.contiguous().unflatten(1, (-1, shared))
    if flat.suits(shifts.window, out_nCHW, shared) and flat.is_finite(g_nCHoWo):
        out = out_nCHW.flatten(2).unflatten(1, (-1, shared))
        folded = flat.fold(weight_nqTL, shifts.window, *size)
        flat.add_taps(g_nSqHoWo.flatten(3), folded, shifts.window, size, out, back=True)
        return
    planes = shifts.empty_planes(g_nCHoWo)
    for view, weight in zip(shifts.views(planes, shared), _split(shifts, weight_nqTL), strict=True):
        view.addcmul_(g_nSqHoWo, weight)
    out_nCHW.copy_(shifts.collect(planes))


def fill_weight(shifts: Shifts, x_nCHW: Tensor, g_nCHoWo: Tensor, out_nqTL: Tensor) -> None:
    """Fill ``out_nqTL`` with the gradient of the weights."""
    shared, size = out_nqTL.shape[1], (shifts.height, shifts.width)
    g_nSqHoWo = g_nCHoWo.contiguous().unflatten(1, (-1, shared))
    if flat.suits(shifts.window, x_nCHW, shared):
        x_nSqL = x_nCHW.contiguous().flatten(2).unflatten(1, (-1, shared))
        flat.to_weight(x_nSqL, g_nSqHoWo.flatten(3), shifts.window, size, out_nqTL)
        return
    product, outs = take("term", g_nSqHoWo.shape, g_nSqHoWo), shifts.frame(out_nqTL).unbind(2)
    for view, out in zip(shifts.views(shifts.spread(x_nCHW), shared), outs, strict=True):
        torch.mul(view, g_nSqHoWo, out=product)
        torch.sum(product, dim=1, out=out)


def _split(shifts: Shifts, weight_nqTL: Tensor) -> tuple[Tensor, ...]:
    """Return a view (n, 1, q, Ho, Wo) of the weights for every tap."""
    return shifts.frame(weight_nqTL).unsqueeze(1).unbind(3)
