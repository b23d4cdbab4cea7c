"""The core of pairwise attention in plain torch, a few samples at a time so that wide tensors stay in cache.

    u = a_i - b_j (difference) | a_i * b_j + c (product)      h = W1 relu(u) + place      (M values a pair)
    u is h itself (hidden: h = a_i - b_j + place)             alpha = softmax_t(W2 relu(BatchNorm(h)))
    y_i = sum_j alpha_ij * beta_j

Only h and alpha, M + Cw values a pair, live longer than one chunk. Rows of outputs are ``pitch`` wide (`Shifts`);
the gradient's rubbish columns are kept at zero, so no sum has to leave them out.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from .shifts import Shifts, aggregate_planes, spread_gradient, weight_gradient
from .window import Window

FORMS = ("difference", "product", "hidden")


class Pair(NamedTuple):
    """Inputs of the core: maps (N, ., H, W); c (D,); W1 (M, D); place (M, T, L) or None; BatchNorm and W2 (Cw, M)."""

    a: Tensor
    b: Tensor
    beta: Tensor
    c: Tensor
    weight1: Tensor
    place: Tensor | None
    scale2: Tensor
    shift2: Tensor
    weight2: Tensor


def attend(
    pair: Pair, mean2: Tensor | None, var2: Tensor | None, eps: float, window: Window, form: str
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return (y, alpha, h, mean, var): alpha (N, Cw, T, Ho, pitch), h (N, M, T, Ho, pitch), statistics (M,).

    Without ``mean2`` the second BatchNorm uses this batch's statistics.
    """
    shifts = Shifts(window, *pair.a.shape[-2:])
    hidden, total, square = _project(pair, shifts, form)
    if mean2 is None or var2 is None:
        count = hidden.shape[0] * window.taps * shifts.out_height * shifts.out_width
        mean = total / max(1, count)
        var = (square / max(1, count) - mean.square()).clamp_min(0)
        mean, var = mean.to(hidden.dtype), var.to(hidden.dtype)
    else:
        mean, var = mean2.clone(), var2.clone()
    scale, shift = fold(pair, mean, var, eps)
    size = (pair.weight2.shape[0], window.taps, shifts.out_height, shifts.pitch)
    alpha = hidden.new_empty(hidden.shape[0], *size)
    y = torch.empty_like(pair.beta[..., : shifts.out_height, : shifts.out_width], memory_format=torch.contiguous_format)
    for part in shifts.steps(len(y), 2 * hidden[0:1].numel(), hidden.element_size()):
        active = activate(hidden[part], scale, shift)
        logits = multiply(pair.weight2, active).unflatten(2, size[1:])
        torch.sub(logits, logits.amax(2, keepdim=True), out=alpha[part]).exp_()
        alpha[part] /= alpha[part].sum(2, keepdim=True)
        del active, logits
        out = aggregate_planes(shifts, shifts.spread(pair.beta[part]), alpha[part])
        y[part] = shifts.trim(out.flatten(1, 2))
    return y, alpha, hidden, mean, var


def fold(pair: Pair, mean: Tensor, var: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return the second BatchNorm as (scale, shift), each (M, 1)."""
    scale = pair.scale2 * torch.rsqrt(var + eps)
    return scale.unsqueeze(1), (pair.shift2 - mean * scale).unsqueeze(1)


def activate(hidden_NMTY: Tensor, scale_M1: Tensor, shift_M1: Tensor) -> Tensor:
    """Return relu(BatchNorm(h)), (n, M, T*Y)."""
    return torch.mul(hidden_NMTY.flatten(2), scale_M1).add_(shift_M1).relu_()


def multiply(matrix: Tensor, x_NDX: Tensor) -> Tensor:
    """Return matrix @ x for every sample; torch.matmul would transpose and copy the wide operand first."""
    return torch.bmm(matrix.expand(len(x_NDX), -1, -1), x_NDX)


def relate(pair: Pair, shifts: Shifts, form: str, centre: Tensor, planes: Tensor, taps: range) -> Tensor:
    """Return u for some taps, (n, D, len(taps), Ho, pitch)."""
    u = centre.new_empty(*centre.shape[:2], len(taps), *centre.shape[2:])
    combine = torch.mul if form == "product" else torch.sub
    for place, tap in enumerate(taps):
        combine(centre, shifts.view(planes, tap), out=u[:, :, place])
    return u.add_(pair.c[:, None, None, None]) if form == "product" else u


def tiles(shifts: Shifts, batch: int, floats: int, itemsize: int) -> Iterator[tuple[slice, range]]:
    """Yield (samples, taps): whole samples where several fit the working set, else some taps of one sample."""
    taps = shifts.window.taps
    for part in shifts.steps(batch, floats * taps, itemsize):
        if part.stop - part.start > 1:
            yield part, range(taps)
            continue
        few = next(shifts.steps(taps, floats, itemsize)).stop
        for start in range(0, taps, few):
            yield part, range(start, min(start + few, taps))


def _project(pair: Pair, shifts: Shifts, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return h and its sums over the batch, in float64: (N, M, T, Ho, pitch), (M,), (M,)."""
    batch, wide = pair.a.shape[0], form != "hidden"
    rows = pair.weight1.shape[0] if wide else pair.a.shape[1]
    hidden = pair.a.new_empty(batch, rows, shifts.window.taps, shifts.out_height, shifts.pitch)
    total = hidden.new_zeros(2, rows, dtype=torch.float64)
    place = None if pair.place is None else shifts.widen_flat(pair.place)
    done = None
    for part, taps in tiles(shifts, batch, (pair.a.shape[1] + rows) * shifts.run, hidden.element_size()):
        if part != done:
            centre = shifts.widen(shifts.window.centres(pair.a[part]))
            planes, done = shifts.spread(pair.b[part]), part
        u = relate(pair, shifts, form, centre, planes, taps)
        cut = slice(taps.start, taps.stop)
        if wide:
            out = multiply(pair.weight1, u.relu_().flatten(2)).view(len(u), rows, *u.shape[2:])
        else:
            out = u
        if place is not None:
            out += place[:, cut]
        out[..., shifts.out_width :].zero_()
        hidden[part, :, cut] = out
        flat = out.flatten(2)
        total[0] += flat.sum(2).sum(0, dtype=torch.float64)
        total[1] += torch.linalg.vecdot(flat, flat).sum(0, dtype=torch.float64)
    return hidden, total[0], total[1]


class Gradients(NamedTuple):
    """Gradients of the tensors of `Pair`, in its order."""

    a: Tensor
    b: Tensor
    beta: Tensor
    c: Tensor
    weight1: Tensor
    place: Tensor | None
    scale2: Tensor
    shift2: Tensor
    weight2: Tensor


def attend_backward(
    grad_y: Tensor,
    grad_alpha: Tensor | None,
    pair: Pair,
    alpha: Tensor,
    hidden: Tensor,
    mean: Tensor,
    var: Tensor,
    batch_stats: bool,
    eps: float,
    window: Window,
    form: str,
) -> Gradients:
    """Return the gradients; ``alpha`` and ``hidden`` as `attend` left them."""
    shifts = Shifts(window, *pair.a.shape[-2:])
    scale, shift = fold(pair, mean, var, eps)
    beta, weight2, grad_u, total, product = _unweigh(grad_y, grad_alpha, pair, alpha, hidden, scale, shift, shifts)
    rstd = torch.rsqrt(var + eps)
    normed = (product - mean.double() * total) * rstd.double()  # sum of g * (h - mean) / sigma
    scale2, shift2 = normed.to(hidden.dtype), total.to(hidden.dtype)
    slope, offset = torch.zeros_like(mean), torch.zeros_like(mean)
    if batch_stats:
        # BatchNorm backward, as one affine map of g and h: s (g - E[g] - (h - mean)/sigma * E[g (h - mean)/sigma]).
        count = max(1, hidden.shape[0] * window.taps * shifts.out_height * shifts.out_width)
        slope = -scale[:, 0] * rstd * (normed / count).to(mean.dtype)
        offset = -scale[:, 0] * (total / count).to(mean.dtype) - slope * mean
    for part in shifts.steps(len(hidden), 2 * hidden[0:1].numel(), hidden.element_size()):
        flat = grad_u[part].flatten(2)
        flat.mul_(scale)
        if batch_stats:
            flat.add_(offset.unsqueeze(1)).addcmul_(hidden[part].flatten(2), slope.unsqueeze(1))
            grad_u[part][..., shifts.out_width :].zero_()
    a, b, c, weight1 = _unrelate(pair, grad_u, shifts, form)
    place = None if pair.place is None else shifts.trim(grad_u.sum(0)).flatten(2)
    return Gradients(a, b, beta, c, weight1, place, scale2, shift2, weight2)


def _unweigh(
    grad_y: Tensor, grad_alpha: Tensor | None, pair: Pair, alpha: Tensor, hidden: Tensor,
    scale: Tensor, shift: Tensor, shifts: Shifts,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Go back from y to the second BatchNorm: gradients of beta, W2, its output g; float64 sums of g and g*h."""
    shared = alpha.shape[1]
    grad_beta = torch.empty_like(pair.beta, memory_format=torch.contiguous_format)
    grad_weight2 = torch.zeros_like(pair.weight2)
    grad_u = torch.empty_like(hidden)
    total = hidden.new_zeros(2, hidden.shape[1], dtype=torch.float64)
    for part in shifts.steps(len(hidden), 2 * hidden[0:1].numel(), hidden.element_size()):
        g = shifts.widen(grad_y[part]).unflatten(1, (-1, shared))
        weight = alpha[part]
        grad_beta[part] = spread_gradient(shifts, g, weight)
        logits = weight_gradient(shifts, shifts.spread(pair.beta[part]), g, torch.empty_like(weight))
        if grad_alpha is not None:
            logits += grad_alpha[part]
        logits *= weight
        logits.addcmul_(weight, logits.sum(2, keepdim=True), value=-1)
        if grad_alpha is not None:
            logits[..., shifts.out_width :].zero_()
        flat, active = logits.flatten(2), activate(hidden[part], scale, shift)
        grad_weight2 += torch.matmul(flat, active.mT).sum(0)
        back = multiply(pair.weight2.T, flat)
        back = torch.ops.aten.threshold_backward(back, active, 0)
        grad_u[part] = back.view_as(grad_u[part])
        total[0] += back.sum(2).sum(0, dtype=torch.float64)
        total[1] += torch.linalg.vecdot(back, hidden[part].flatten(2)).sum(0, dtype=torch.float64)
    return grad_beta, grad_weight2, grad_u, total[0], total[1]


def _unrelate(pair: Pair, grad_h: Tensor, shifts: Shifts, form: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Go back from h to the maps: gradients of a, b, c and W1."""
    grad_a, grad_b = torch.zeros_like(pair.a), torch.empty_like(pair.b, memory_format=torch.contiguous_format)
    grad_c, grad_weight1 = torch.zeros_like(pair.c), torch.zeros_like(pair.weight1)
    centres = shifts.window.centres(grad_a)
    last = shifts.window.taps
    for part, taps in tiles(shifts, len(grad_h), 2 * pair.a.shape[1] * shifts.run, grad_h.element_size()):
        if taps.start == 0:
            centre = shifts.widen(shifts.window.centres(pair.a[part]))
            planes = shifts.spread(pair.b[part])
            back = shifts.empty_planes(pair.b[part])
        g = grad_h[part, :, taps.start : taps.stop]
        if form != "hidden":
            u = relate(pair, shifts, form, centre, planes, taps).relu_()
            flat = g.flatten(2)
            grad_weight1 += torch.matmul(flat, u.flatten(2).mT).sum(0)
            g = multiply(pair.weight1.T, flat).view_as(u)
            g = torch.ops.aten.threshold_backward(g, u, 0)
        if form == "product":
            grad_c += g.flatten(2).sum((0, 2))
            for place, tap in enumerate(taps):
                centres[part] += shifts.trim(g[:, :, place] * shifts.view(planes, tap))
                shifts.view(back, tap).addcmul_(g[:, :, place], centre)
        else:
            centres[part] += shifts.trim(g.sum(2))
            for place, tap in enumerate(taps):
                shifts.view(back, tap).sub_(g[:, :, place])
        if taps.stop == last:
            grad_b[part] = shifts.collect(back)
    return grad_a, grad_b, grad_c, grad_weight1
