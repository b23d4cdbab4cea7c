"""Readable twins in plain torch: every tensor of the formulas is materialised.

They define what the operators mean, are differentiable any number of times, trace, script and export (ONNX), and
are what the fast paths are compared with. C-channel maps are (N, C, H, W); L = Ho*Wo output pixels, T = k*k taps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from reproduce.kernels.mapping import Mapping, normalise1, normalise2
from reproduce.kernels.window import Window


def gather(x_NCHW: Tensor, window: Window) -> Tensor:
    """Return (N, C, T, L): the padded map's value under every tap of every output pixel."""
    height, width = window.out_size(*x_NCHW.shape[-2:])
    step = window.stride
    padded = window.pad_map(x_NCHW)
    taps = [
        padded[:, :, y : y + step * (height - 1) + 1 : step, x : x + step * (width - 1) + 1 : step]
        for y, x in window.offsets()
    ]
    return torch.stack(taps, dim=2).flatten(3)


def subtraction2(a_NCHW: Tensor, b_NCHW: Tensor, window: Window) -> Tensor:
    """Return (N, C, T, L): a at the centre minus b under every tap."""
    return window.centres(a_NCHW).flatten(2).unsqueeze(2) - gather(b_NCHW, window)


def aggregation(x_NCHW: Tensor, weight_NQTL: Tensor, window: Window) -> Tensor:
    """Return (N, C, Ho, Wo): sum over taps of weight[c mod Cw] times the neighbour."""
    channels, height, width = x_NCHW.shape[1:]
    shared = weight_NQTL.shape[1]
    x_NSQTL = gather(x_NCHW, window).unflatten(1, (channels // shared, shared))
    y_NCL = (x_NSQTL * weight_NQTL.unsqueeze(1)).sum(dim=3).flatten(1, 2)
    return y_NCL.unflatten(2, window.out_size(height, width))


def pairwise_relation(phi_NRHW: Tensor, psi_NRHW: Tensor, window: Window, relation: str) -> Tensor:
    """Return delta(x_i, x_j), (N, D, T, L): D = r, 2r (concatenation) or 1 (dot)."""
    phi_NR1L = window.centres(phi_NRHW).flatten(2).unsqueeze(2)
    psi_NRTL = gather(psi_NRHW, window)
    if relation == "subtraction":
        return phi_NR1L - psi_NRTL
    if relation == "summation":
        return phi_NR1L + psi_NRTL
    if relation == "concatenation":
        return torch.cat([phi_NR1L.expand_as(psi_NRTL), psi_NRTL], dim=1)
    if relation == "hadamard":
        return phi_NR1L * psi_NRTL
    return (phi_NR1L * psi_NRTL).sum(dim=1, keepdim=True)


def patchwise_relation(phi_NRHW: Tensor, psi_NRHW: Tensor, window: Window, relation: str) -> Tensor:
    """Return delta(x_R(i)), (N, U, L): U = r(T+1), T (star), T*T (clique, j slowest) or r*T (subtraction)."""
    phi_NRL = window.centres(phi_NRHW).flatten(2)
    psi_NRTL = gather(psi_NRHW, window)
    if relation == "concatenation":
        return torch.cat([phi_NRL, psi_NRTL.flatten(1, 2)], dim=1)
    if relation == "subtraction":
        return (phi_NRL.unsqueeze(2) - psi_NRTL).flatten(1, 2)
    if relation == "star":
        return (phi_NRL.unsqueeze(2) * psi_NRTL).sum(dim=1)
    # matmul, not einsum, for the reason in apply_mapping
    pairs_NLJK = gather(phi_NRHW, window).permute(0, 3, 2, 1) @ psi_NRTL.permute(0, 3, 1, 2)
    return pairs_NLJK.flatten(2).mT.contiguous()


def apply_mapping(z_NDX: Tensor, mapping: Mapping) -> Tensor:
    """Return gamma(z), (N, O, ...): BatchNorm, ReLU, 1x1, BatchNorm, ReLU, 1x1; running statistics in place."""
    shape = z_NDX.shape
    hidden = F.relu(normalise1(mapping, z_NDX.flatten(2)))
    # bmm, not einsum: what einsum returns may be transposed in memory, and compiled graphs then guess its strides wrong
    hidden = torch.bmm(mapping.weight1.flatten(1).to(hidden.dtype).expand(shape[0], -1, -1), hidden)
    hidden = F.relu(normalise2(mapping, hidden))
    out = torch.bmm(mapping.weight2.flatten(1).to(hidden.dtype).expand(shape[0], -1, -1), hidden)
    if mapping.bias is not None:
        out = out + mapping.bias.to(hidden.dtype)[:, None]
    return out.unflatten(2, shape[2:])


def pairwise_weights(
    phi_NRHW: Tensor, psi_NRHW: Tensor, mapping: Mapping, window: Window, position_12HW: Tensor | None, relation: str
) -> Tensor:
    """Return alpha, (N, Cw, T, L): softmax over the taps of gamma([delta, p_i - p_j])."""
    delta = pairwise_relation(phi_NRHW, psi_NRHW, window, relation)
    if position_12HW is not None:
        offset = subtraction2(position_12HW, position_12HW, window)
        delta = torch.cat([delta, offset.expand(delta.shape[0], -1, -1, -1)], dim=1)
    return apply_mapping(delta, mapping).softmax(dim=2)


def patchwise_weights(phi_NRHW: Tensor, psi_NRHW: Tensor, mapping: Mapping, window: Window, relation: str) -> Tensor:
    """Return alpha, (N, Cw, T, L): gamma(delta(x_R(i))) with the weight channel slow and the tap fast; no softmax."""
    weight = apply_mapping(patchwise_relation(phi_NRHW, psi_NRHW, window, relation), mapping)
    return weight.unflatten(1, (-1, window.taps))
