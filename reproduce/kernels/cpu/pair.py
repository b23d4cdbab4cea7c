"""The core of pairwise attention in plain torch, a few samples at a time so that wide tensors stay in cache.

    u = a_i - b_j (difference) | a_i * b_j + c (product)      h = W1 relu(u) + place      (M values a pair)
    u is h itself (hidden: h = a_i - b_j + place)             alpha = softmax_t(W2 relu(BatchNorm(h)))
    y_i = sum_j alpha_ij * beta_j

Only h and alpha, M + Cw values a pair, live longer than one chunk.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from reproduce.kernels.cpu.scratch import take
from reproduce.kernels.cpu.shifts import Shifts
from reproduce.kernels.cpu.sums import fill_map, fill_output, fill_weight
from reproduce.kernels.window import Window

TILE_BYTES = 2 << 20  # working set where a sample is cut: its taps are large, so they may as well fit the inner caches
OUTSIDE = 16  # shift over scale of the second norm, at most, where the scale is taken out: what a difference may lose
CANCELLING = 30  # squared mean over variance: above that the sums of squares lose a digit and a half of float32
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
    pair: Pair, mean2: Tensor | None, var2: Tensor | None, eps: float, window: Window, form: str, keep: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return (y, alpha, h, mean, var): alpha (N, Cw, T, L), h (N, M, T, L), statistics (M,).

    Without ``mean2`` the second BatchNorm uses this batch's statistics. Without ``keep`` alpha and h are empty; they
    then exist for a few samples at a time, unless the statistics need all of h.
    """
    shifts = Shifts(window, *pair.a.shape[-2:])
    size = (window.taps, shifts.outputs)
    batch, shared, rows = len(pair.a), len(pair.weight2), pair.a.shape[1] if form == "hidden" else len(pair.weight1)
    y = pair.beta.new_empty(*pair.beta.shape[:2], shifts.out_height, shifts.out_width)
    alpha = y.new_empty(batch, shared, *size) if keep else y.new_empty(0)
    if mean2 is not None and var2 is not None:
        mean, var, hidden = mean2.clone(), var2.clone(), y.new_empty(batch, rows, *size) if keep else y.new_empty(0)
        for part in shifts.steps(batch, rows * window.taps * shifts.outputs, y.element_size()):
            piece = hidden[part] if keep else y.new_empty(part.stop - part.start, rows, *size)
            _project(_cut(pair, part), shifts, form, piece)
            _weigh(_cut(pair, part), shifts, piece, fold2(pair, mean, var, eps), alpha[part] if keep else None, y[part])
        return y, alpha, hidden, mean, var
    hidden = y.new_empty(batch, rows, *size)
    sums = _project(pair, shifts, form, hidden) / max(1, batch * window.taps * y.shape[2] * y.shape[3])
    mean, var = sums[0].to(y.dtype), (sums[1] - sums[0].square()).clamp_min(0).to(y.dtype)
    if _cancels(mean, var):
        var, mean = torch.var_mean(hidden, (0, 2, 3), correction=0)
    for part in shifts.steps(batch, rows * window.taps * shifts.outputs, y.element_size()):
        weight = alpha[part] if keep else None
        _weigh(_cut(pair, part), shifts, hidden[part], fold2(pair, mean, var, eps), weight, y[part])
    return y, alpha, hidden if keep else y.new_empty(0), mean, var


def _cancels(mean: Tensor, var: Tensor) -> bool:
    """Return whether E[h^2] - E[h]^2 has lost digits that a second pass over h keeps; off the CPU it is always made."""
    return mean.device.type != "cpu" or bool((mean.square() > CANCELLING * var).any())


def _cut(pair: Pair, part: slice) -> Pair:
    return pair._replace(a=pair.a[part], b=pair.b[part], beta=pair.beta[part])


class Norm2(NamedTuple):
    """The second BatchNorm and its ReLU as scale * relu(h + shift) where ``outside``, else relu(scale * h + shift).

    Outside, the scale is that of a matrix, and h is passed over once less. It takes scales above zero, and none that
    is small beside its shift: differences of sums would lose digits.
    """

    scale_M1: Tensor
    shift_M1: Tensor
    outside: bool

    def weigh(self, weight_QM: Tensor) -> Tensor:
        """Return the matrix, or its gradient, with the scale where that is outside."""
        return weight_QM * self.scale_M1.T if self.outside else weight_QM


def fold2(pair: Pair, mean: Tensor, var: Tensor, eps: float) -> Norm2:
    """Return the second BatchNorm; the scale stays inside where it would have to be read from another device."""
    scale = (pair.scale2 * torch.rsqrt(var + eps)).unsqueeze(1)
    shift = pair.shift2.unsqueeze(1) - mean.unsqueeze(1) * scale
    if scale.device.type == "cpu":
        can_divide = scale.squeeze(1) > torch.finfo(scale.dtype).tiny
        if bool((can_divide & (pair.shift2.abs() < OUTSIDE * pair.scale2)).all()):
            return Norm2(scale, shift / scale, True)
    return Norm2(scale, shift, False)


def _weigh(pair: Pair, shifts: Shifts, hidden: Tensor, norm: Norm2, alpha: Tensor | None, y: Tensor) -> None:
    """Fill ``alpha`` (made here where it is None) and ``y`` for the samples of ``hidden``."""
    logits = take("logits", (len(hidden), len(pair.weight2), *hidden.shape[2:]), hidden)
    weight2_nQM = norm.weigh(pair.weight2).expand(len(hidden), -1, -1)
    torch.bmm(weight2_nQM, activate(hidden, norm), out=logits.flatten(2))
    alpha = torch.empty_like(logits) if alpha is None else alpha
    torch.softmax(logits, 2, out=alpha)
    fill_output(shifts, pair.beta, alpha, y)


def activate(hidden_NMTL: Tensor, norm: Norm2) -> Tensor:
    """Return relu(BatchNorm(h)), (n, M, T*L), without the scale where that is outside; in scratch memory."""
    h_NMX = hidden_NMTL.flatten(2)
    out = take("wide", h_NMX.shape, h_NMX)
    if norm.outside:
        return torch.add(h_NMX, norm.shift_M1, out=out).relu_()
    return torch.mul(h_NMX, norm.scale_M1, out=out).add_(norm.shift_M1).relu_()


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


def _project(pair: Pair, shifts: Shifts, form: str, hidden: Tensor) -> Tensor:
    """Fill h (n, M, T, L) and return its sums and sums of squares in float64, (2, M)."""
    batch, rows = hidden.shape[:2]
    total = hidden.new_zeros(2, rows, dtype=torch.float64)
    place = hidden.new_zeros(rows, shifts.window.taps, 1).expand(hidden.shape[1:])
    place = place if pair.place is None else pair.place
    for part, taps in tiles(shifts, batch, (pair.a.shape[1] + rows) * shifts.outputs, hidden.element_size()):
        if taps.start == 0:
            centre = shifts.window.centres(pair.a[part])
            planes = shifts.spread(pair.b[part])
        u = relate(pair, shifts, form, centre, planes, taps)
        cut = slice(taps.start, taps.stop)
        out = hidden[part, :, cut]
        if form == "hidden":
            torch.add(u, place[:, cut], out=out)
        elif len(u) == 1:
            torch.addmm(place[:, cut].flatten(1), pair.weight1, u.relu_()[0].flatten(1), out=out[0].view(rows, -1))
        else:
            weight1, still = pair.weight1.expand(len(u), -1, -1), place.flatten(1).expand(len(u), -1, -1)
            torch.baddbmm(still, weight1, u.relu_().flatten(2), out=out.view(len(u), rows, -1))
        flat = out.flatten(2)
        total[0] += flat.sum(2).sum(0, dtype=torch.float64)
        total[1] += torch.linalg.vector_norm(flat, dim=2).double().square().sum(0)
    return total


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
