"""The first BatchNorm of the mapping folded away, so that the fused cores see one subtraction or product and a ReLU.

Everything here works on narrow maps and is plain differentiable torch: the statistics come from `moments`, and what
the first BatchNorm does to phi and psi is an affine map of each. Autograd then holds the BatchNorm's backward.

    subtraction    relu(s (phi_i - psi_j) + t)  = relu(a_i - b_j)      a = s phi + t     b = s psi
    hadamard       relu(s phi_i psi_j + t)      = relu(a_i b_j + c)    a = s phi         b = psi        c = t
    concatenation  W relu(s [phi_i, psi_j] + t) = a_i - b_j            two 1x1 convolutions of narrow maps
    position       W relu(s (p_i - p_j) + t)    = place                the same for every sample
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from reproduce.kernels import local_ops, moments
from reproduce.kernels.attention_ops import attend, project
from reproduce.kernels.cpu.relation import multiply
from reproduce.kernels.mapping import Mapping, normalise2, uses_batch
from reproduce.kernels.moments import Moments, fold_norm1, update_running
from reproduce.kernels.window import Window


def attend_pairs(
    phi: Tensor, psi: Tensor, beta: Tensor, mapping: Mapping, window: Window, position: Tensor | None,
    relation: str, cupy: bool, want_weights: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return y (N, mid, Ho, Wo) and the weights (N, Cw, T, L), empty unless wanted; phi, psi, beta of one dtype."""
    dtype, rows = phi.dtype, phi.shape[1]
    if relation == "summation":
        psi = -psi  # phi + psi = phi - (-psi)
    offset = None if position is None else local_ops.subtract(position, position, *window, cupy).squeeze(0)
    batch1 = uses_batch(mapping.training, mapping.running_mean1)
    batch2 = uses_batch(mapping.training, mapping.running_mean2)
    found = _pair_moments(phi, psi, window, offset, relation) if batch1 else []
    scale, shift = fold_norm1(mapping, found, dtype)
    weight1 = mapping.weight1.flatten(1).to(dtype)
    place = None
    if offset is not None:
        act = F.relu(offset * scale[-2:, None, None] + shift[-2:, None, None])
        place = torch.einsum("md,dtl->mtl", weight1[:, -2:], act)
    a, b, c, form = _fold_maps(phi, psi, scale, shift, weight1, relation)
    shift2 = mapping.shift2.to(dtype)
    if mapping.bias is not None:
        # The softmax cancels the last bias: its gradient is zero, not missing (weight decay and DDP ask for it).
        shift2 = shift2 + 0 * mapping.bias.to(dtype).sum()
    kept = (None, None) if batch2 else (mapping.running_mean2, mapping.running_var2)
    running = tuple(None if t is None else t.to(dtype) for t in kept)
    inputs = (a, b, beta, weight1, place, mapping.scale2, shift2, mapping.weight2.flatten(1))
    keep = want_weights or (torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in inputs))
    y, alpha, _, mean, var = attend(
        a.contiguous(), b.contiguous(), beta, c, weight1[:, :rows].contiguous(), place, mapping.scale2.to(dtype),
        shift2, mapping.weight2.flatten(1).to(dtype), *running, mapping.eps, form, *window, cupy, keep,
    )  # fmt: skip
    if batch2 and mapping.running_mean2 is not None:
        count = y.shape[0] * window.taps * y.shape[-2] * y.shape[-1]
        update_running(mapping.running_mean2, mapping.running_var2, mean, var, count, mapping.momentum)
    return y, alpha if want_weights else y.new_empty(0)


def _pair_moments(phi: Tensor, psi: Tensor, window: Window, offset: Tensor | None, relation: str) -> list[Moments]:
    if relation == "hadamard":
        found = [moments.product_moments(phi, psi, window)]
    elif relation == "concatenation":
        near = moments.neighbour_moments(psi, window)
        found = [moments.centre_moments(phi, window, window.taps), near]
    else:
        found = [moments.difference_moments(phi, psi, window)]
    if offset is not None:
        var, mean = torch.var_mean(offset, (1, 2), correction=0)
        found.append(Moments(mean, var, found[0].number))
    return found


def _fold_maps(
    phi: Tensor, psi: Tensor, scale: Tensor, shift: Tensor, weight1: Tensor, relation: str
) -> tuple[Tensor, Tensor, Tensor, str]:
    """Return (a, b, c, form) of the core `pair`."""
    rows = phi.shape[1]
    near = shift[:rows]
    if relation == "hadamard":
        return phi * scale[:rows, None, None], psi, near, "product"
    none = torch.zeros_like(near)
    if relation != "concatenation":
        slope = scale[:rows, None, None]
        return torch.addcmul(near[:, None, None], phi, slope), psi * slope, none, "difference"
    far = shift[rows : 2 * rows]
    centre = F.relu(torch.addcmul(near[:, None, None], phi, scale[:rows, None, None]))
    other = F.relu(torch.addcmul(far[:, None, None], psi, scale[rows : 2 * rows, None, None]))
    # A zero beyond the border reads relu(far), not zero: move that constant from the neighbour to the centre.
    other = other - F.relu(far)[:, None, None]
    still = weight1[:, rows : 2 * rows] @ F.relu(far)
    a = torch.einsum("md,ndhw->nmhw", weight1[:, :rows], centre) + still[:, None, None]
    return a, -torch.einsum("md,ndhw->nmhw", weight1[:, rows : 2 * rows], other), none, "hidden"


def weigh_patches(phi: Tensor, psi: Tensor, mapping: Mapping, window: Window, relation: str, cupy: bool) -> Tensor:
    """Return the patchwise weights (N, Cw, T, L) for ``concatenation`` and ``subtraction``."""
    dtype, rows, taps = phi.dtype, phi.shape[1], window.taps
    joined = relation == "concatenation"
    found = []
    if uses_batch(mapping.training, mapping.running_mean1) and joined:
        found = [moments.centre_moments(phi, window), moments.tap_moments(psi, window)]
    elif uses_batch(mapping.training, mapping.running_mean1):
        found = [moments.tap_difference_moments(phi, psi, window)]
    scale, shift = fold_norm1(mapping, found, dtype)
    weight1 = mapping.weight1.flatten(1).to(dtype)
    start = rows if joined else 0
    near = (t[start:].unflatten(0, (rows, taps)) for t in (scale, shift))
    weight_MCT = weight1[:, start:].unflatten(1, (rows, taps)).contiguous()
    h_NMHW = project(psi.contiguous(), None if joined else phi.contiguous(), *near, weight_MCT, *window, cupy)
    if joined:
        centre = torch.addcmul(shift[:rows, None, None], window.centres(phi), scale[:rows, None, None])
        h_NMHW = h_NMHW + torch.einsum("md,ndhw->nmhw", weight1[:, :rows], F.relu(centre))
    active = F.relu(normalise2(mapping, h_NMHW.flatten(2)))
    weight2 = mapping.weight2.flatten(1).to(dtype)
    if mapping.bias is None:
        return multiply(weight2, active).unflatten(1, (-1, taps))
    bias_1O1 = mapping.bias.to(dtype)[None, :, None]
    return torch.baddbmm(bias_1O1, weight2.expand(len(active), -1, -1), active).unflatten(1, (-1, taps))


def correlate(phi: Tensor, psi: Tensor, window: Window, cupy: bool) -> Tensor:
    """Return phi(x_i)^T psi(x_j), (N, 1, T, L): the weight gradient of an aggregation of psi, by another name."""
    return local_ops.aggregate_to_weight(psi, window.centres(phi).contiguous(), 1, *window, cupy)
