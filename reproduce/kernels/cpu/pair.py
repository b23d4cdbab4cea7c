"""The core of pairwise attention in plain torch, a few samples at a time so that wide tensors stay in cache.

    u = a_i - b_j (difference) | a_i * b_j + c (product)      h = W1 relu(u) + place      (M values a pair)
    u is h itself (hidden: h = a_i - b_j + place)             alpha = softmax_t(W2 relu(BatchNorm(h)))
    y_i = sum_j alpha_ij * beta_j

Only h and alpha, M + Cw values a pair, live longer than one chunk.
"""

import torch
from torch import Tensor

from reproduce.kernels.cpu.norm2 import Norm2, activate, fold2
from reproduce.kernels.cpu.pair_backward import attend_backward
from reproduce.kernels.cpu.relation import relate, tiles
from reproduce.kernels.cpu.scratch import take
from reproduce.kernels.cpu.shifts import Shifts
from reproduce.kernels.cpu.sums import fill_output
from reproduce.kernels.operands import Attended, Pair
from reproduce.kernels.window import Window

__all__ = ["attend", "attend_backward"]

CANCELLING = 30  # squared mean over variance: above that the sums of squares lose a digit and a half of float32


def attend(
    pair: Pair, mean2: Tensor | None, var2: Tensor | None, eps: float, window: Window, form: str, keep: bool = True
) -> Attended:
    """Return the outputs.

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
        return Attended(y, alpha, hidden, mean, var)
    hidden = y.new_empty(batch, rows, *size)
    sums = _project(pair, shifts, form, hidden) / max(1, batch * window.taps * y.shape[2] * y.shape[3])
    mean, var = sums[0].to(y.dtype), (sums[1] - sums[0].square()).clamp_min(0).to(y.dtype)
    if _cancels(mean, var):
        var, mean = torch.var_mean(hidden, (0, 2, 3), correction=0)
    for part in shifts.steps(batch, rows * window.taps * shifts.outputs, y.element_size()):
        weight = alpha[part] if keep else None
        _weigh(_cut(pair, part), shifts, hidden[part], fold2(pair, mean, var, eps), weight, y[part])
    return Attended(y, alpha, hidden if keep else y.new_empty(0), mean, var)


def _cancels(mean: Tensor, var: Tensor) -> bool:
    """Return whether E[h^2] - E[h]^2 has lost digits that a second pass over h keeps; off the CPU it is always made."""
    return mean.device.type != "cpu" or bool((mean.square() > CANCELLING * var).any())


def _cut(pair: Pair, part: slice) -> Pair:
    return pair._replace(a=pair.a[part], b=pair.b[part], beta=pair.beta[part])


def _weigh(pair: Pair, shifts: Shifts, hidden: Tensor, norm: Norm2, alpha: Tensor | None, y: Tensor) -> None:
    """Fill ``alpha`` (made here where it is None) and ``y`` for the samples of ``hidden``."""
    logits = take("logits", (len(hidden), len(pair.weight2), *hidden.shape[2:]), hidden)
    weight2_nQM = norm.weigh(pair.weight2).expand(len(hidden), -1, -1)
    torch.bmm(weight2_nQM, activate(hidden, norm), out=logits.flatten(2))
    alpha = torch.empty_like(logits) if alpha is None else alpha
    torch.softmax(logits, 2, out=alpha)
    fill_output(shifts, pair.beta, alpha, y)


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
