"""Backward of the pairwise core in plain torch; `pair` has the formulas and the forward."""

import torch
from torch import Tensor

from reproduce.kernels.cpu.norm2 import Norm2, activate, fold2
from reproduce.kernels.cpu.relation import close_relu, relate, tiles
from reproduce.kernels.cpu.scratch import take
from reproduce.kernels.cpu.shifts import Shifts
from reproduce.kernels.cpu.sums import fill_map, fill_weight
from reproduce.kernels.operands import Gradients, Pair
from reproduce.kernels.window import Window


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
    norm = fold2(pair, mean, var, eps)
    beta, weight2, grad_u, total, product = _unweigh(grad_y, grad_alpha, pair, alpha, hidden, norm, mean, shifts)
    rstd = torch.rsqrt(var + eps)
    normed = product * rstd.double()  # sum of g * (h - mean) / sigma
    scale2, shift2 = normed.to(hidden.dtype), total.to(hidden.dtype)
    still = None
    if batch_stats:
        # BatchNorm backward, as an affine map of h beside g: g - E[g] - (h - mean)/sigma * E[g (h - mean)/sigma].
        count = max(1, hidden.shape[0] * window.taps * shifts.out_height * shifts.out_width)
        slope = -rstd * (normed / count).to(mean.dtype)
        still = slope[:, None, None], (-(total / count).to(mean.dtype) - slope * mean)[:, None, None]
    a, b, c, weight1, place = _unrelate(pair, grad_u, hidden, norm.scale_M1, still, shifts, form)
    return Gradients(a, b, beta, c, weight1, place, scale2, shift2, weight2)


def _unweigh(
    grad_y: Tensor, grad_alpha: Tensor | None, pair: Pair, alpha: Tensor, hidden: Tensor, norm: Norm2, mean: Tensor,
    shifts: Shifts,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Go back from y to the second BatchNorm: gradients of beta, W2, its output g; float64 sums of g, g*(h - mean)."""
    grad_beta = torch.empty_like(pair.beta, memory_format=torch.contiguous_format)
    grad_weight2 = torch.zeros_like(pair.weight2, dtype=torch.float64)
    grad_u = take("gradient", hidden.shape, hidden)
    total = hidden.new_zeros(2, hidden.shape[1], dtype=torch.float64)
    for part in shifts.steps(len(hidden), 2 * hidden[0:1].numel(), hidden.element_size()):
        weight = alpha[part]
        fill_map(shifts, grad_y[part], weight, grad_beta[part])
        weighed, logits = (take(name, weight.shape, weight) for name in ("weighed", "logits"))
        fill_weight(shifts, pair.beta[part], grad_y[part], weighed)
        if grad_alpha is not None:
            weighed += grad_alpha[part]
        torch.ops.aten._softmax_backward_data.out(weighed, weight, 2, weighed.dtype, grad_input=logits)
        flat, active = logits.flatten(2), activate(hidden[part], norm)
        grad_weight2 += torch.matmul(flat, active.mT).sum(0, dtype=torch.float64)
        back = grad_u[part].flatten(2)
        torch.bmm(pair.weight2.T.expand(len(flat), -1, -1), flat, out=back)
        close_relu(back, active, back)
        total[0] += back.sum(2).sum(0, dtype=torch.float64)
        if not norm.outside:
            total[1] += torch.linalg.vecdot(back, hidden[part].flatten(2)).sum(0, dtype=torch.float64)
    if norm.outside:
        # Where the ReLU is open h = active - shift, and the sums of g * active stand in the matrix' gradient.
        sums = (pair.weight2.double() * grad_weight2).sum(0)
        total[1] = sums - (norm.shift_M1.squeeze(1).double() + mean.double()) * total[0]
    else:
        total[1] -= mean.double() * total[0]
    return grad_beta, norm.weigh(grad_weight2.to(hidden.dtype)), grad_u, total[0], total[1]


def _unrelate(
    pair: Pair, grad_u: Tensor, hidden: Tensor, gain_M1: Tensor, still: tuple[Tensor, Tensor] | None, shifts: Shifts,
    form: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
    """Go back from h to the maps: gradients of a, b, c, W1 and place. Overwrites ``grad_u``.

    The gradient of h is gain * (g + slope * h + offset), ``still`` the last two, (M, 1, 1) each; g is ``grad_u``.
    What follows is linear, so that narrow results take the gain instead.
    """
    grad_a, grad_b = torch.zeros_like(pair.a), torch.empty_like(pair.b, memory_format=torch.contiguous_format)
    grad_c, grad_weight1 = torch.zeros_like(pair.c), torch.zeros_like(pair.weight1)
    grad_place = None if pair.place is None else grad_u.new_zeros(grad_u.shape[1:])
    centres, weight1 = shifts.window.centres(grad_a), pair.weight1 * gain_M1
    for part, taps in tiles(shifts, len(grad_u), 2 * pair.a.shape[1] * shifts.outputs, grad_u.element_size()):
        if taps.start == 0:
            centre = shifts.window.centres(pair.a[part])
            planes, back = shifts.spread(pair.b[part]), shifts.empty_planes(pair.b[part])
        cut = slice(taps.start, taps.stop)
        g = grad_u[part, :, cut]
        if still is not None:
            g.addcmul_(hidden[part, :, cut], still[0]).add_(still[1])
        if grad_place is not None:
            grad_place[:, cut] += g.sum(0)
        if form != "hidden":
            u = relate(pair, shifts, form, centre, planes, taps).relu_()
            grad_weight1 += torch.bmm(g.flatten(2), u.flatten(2).mT).sum(0)
            g = _unproject(weight1, g, u)
        _spread_back(shifts, form, g, (centres[part], back, grad_c), centre, planes, taps)
        if taps.stop == shifts.window.taps:
            grad_b[part] = shifts.collect(back)
    if form == "hidden":
        grad_a *= gain_M1[:, :, None]
        grad_b *= gain_M1[:, :, None]
    return (
        grad_a, grad_b, grad_c, grad_weight1 * gain_M1,
        None if grad_place is None else grad_place * gain_M1[:, :, None],
    )  # fmt: skip


def _unproject(weight1: Tensor, g: Tensor, u: Tensor) -> Tensor:
    """Return the gradient of u, (n, D, taps, L), in u's memory."""
    open_u = u.flatten(2)
    product = take("product", open_u.shape, open_u)
    torch.bmm(weight1.T.expand(len(g), -1, -1), g.flatten(2), out=product)
    close_relu(product, open_u, open_u)
    return u


def _spread_back(
    shifts: Shifts, form: str, g: Tensor, grads: tuple[Tensor, Tensor, Tensor], centre: Tensor, planes: Tensor,
    taps: range,
) -> None:  # fmt: skip
    """Add the gradient of u to those of the centres, the planes of b, and c."""
    centres, back, grad_c = grads
    framed = shifts.frame(g)
    if form != "product":
        centres += shifts.frame(g.sum(2))
        for place, tap in enumerate(taps):
            shifts.view(back, tap).sub_(framed[:, :, place])
        return
    grad_c += g.flatten(2).sum((0, 2))
    for place, tap in enumerate(taps):
        centres += framed[:, :, place] * shifts.view(planes, tap)
        shifts.view(back, tap).addcmul_(framed[:, :, place], centre)
