"""Pairwise and patchwise self-attention: relation -> mapping gamma -> (softmax over taps) -> aggregation."""

import torch
from torch import Tensor

from reproduce.kernels import local_ops, reference
from reproduce.kernels.backend import cast_for_autocast, is_exporting, is_small, use_cupy, without_autocast
from reproduce.kernels.checks import (
    PAIRWISE,
    PATCHWISE,
    check_alike,
    check_choice,
    check_mapping,
    check_shape,
    check_window,
)
from reproduce.kernels.folding import attend_pairs, correlate, weigh_patches
from reproduce.kernels.local import aggregation
from reproduce.kernels.mapping import Mapping
from reproduce.kernels.window import PAD_MODES, Window


def pairwise_attention(
    phi: Tensor,
    psi: Tensor,
    beta: Tensor,
    mapping: Mapping,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
    pad_mode: str = "reflect",
    *,
    position: Tensor | None = None,
    relation: str = "subtraction",
    backend: str = "auto",
    return_weights: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Attend as a set operator: y_i = sum_j softmax_j(gamma([delta(x_i, x_j), p_i - p_j])) * beta(x_j).

    Args:
        phi: (N, r, H, W), read at the centre.
        psi: (N, r, H, W), read at the neighbours.
        beta: (N, mid, H, W), what is summed.
        mapping: gamma, D -> M -> Cw with Cw a divisor of mid; D = relation channels (+ 2 with a position).
            Its tensors may be float32 beside half maps. In training its running statistics are updated in place.
        kernel_size: odd k.
        stride: step between centres in pixels.
        dilation: step between taps in pixels.
        pad_mode: ``reflect`` or ``zero``.
        position: (1, 2, H, W), the coordinates after their linear map, or None.
        relation: ``subtraction`` | ``summation`` | ``hadamard`` (D = r), ``concatenation`` (2r), ``dot`` (1).
        backend: ``auto``, ``cupy`` or ``torch``.
        return_weights: also return the attention weights.

    Returns:
        y (N, mid, Ho, Wo), or (y, weights (N, Cw, k*k, L)).

    Raises:
        ValueError: for arguments that cannot work; it names the argument and both values.
    """
    check_choice("relation", relation, PAIRWISE)
    window = check_window(kernel_size, stride, dilation, pad_mode, "phi", phi)
    phi, psi, beta = _check_maps(phi, psi, beta)
    if position is not None:
        check_shape("position", position, (1, 2, *phi.shape[-2:]), "two coordinates on phi's grid")
    inputs = {"concatenation": 2 * phi.shape[1], "dot": 1}.get(relation, phi.shape[1])
    check_mapping(mapping, inputs + (0 if position is None else 2), 1, beta)
    cupy = use_cupy(phi, backend)
    y, weight = _attend_pairs(phi, psi, beta, mapping, window, position, relation, cupy, return_weights)
    return (y, weight) if return_weights else y


def patchwise_attention(
    phi: Tensor,
    psi: Tensor,
    beta: Tensor,
    mapping: Mapping,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
    pad_mode: str = "reflect",
    *,
    relation: str = "concatenation",
    backend: str = "auto",
    return_weights: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Attend over the patch as a whole: y_i = sum_j gamma(delta(x_R(i)))_j * beta(x_j), no softmax.

    Args:
        phi: (N, r, H, W), read at the centre.
        psi: (N, r, H, W), read at the neighbours.
        beta: (N, mid, H, W), what is summed.
        mapping: gamma, U -> M -> Cw*k*k (weight channel slow, tap fast) with Cw a divisor of mid.
            Its tensors may be float32 beside half maps. In training its running statistics are updated in place.
        kernel_size: odd k.
        stride: step between centres in pixels.
        dilation: step between taps in pixels.
        pad_mode: ``reflect`` or ``zero``.
        relation: ``concatenation`` (U = r(k*k+1): phi, then psi channel-major c*k*k + t), ``subtraction``
            (r*k*k, c*k*k + t), ``star`` (k*k) or ``clique`` (k^4, phi's tap slow).
        backend: ``auto``, ``cupy`` or ``torch``.
        return_weights: also return the attention weights.

    Returns:
        y (N, mid, Ho, Wo), or (y, weights (N, Cw, k*k, L)).

    Raises:
        ValueError: for arguments that cannot work; it names the argument and both values.
    """
    check_choice("relation", relation, PATCHWISE)
    window = check_window(kernel_size, stride, dilation, pad_mode, "phi", phi)
    phi, psi, beta = _check_maps(phi, psi, beta)
    taps, width = window.taps, phi.shape[1]
    sizes = {"concatenation": width * (taps + 1), "subtraction": width * taps, "star": taps, "clique": taps**2}
    check_mapping(mapping, sizes[relation], taps, beta)
    cupy = use_cupy(phi, backend)
    with without_autocast(phi):
        plain = is_exporting() or phi.shape[0] == 0 or is_small(beta, window, cupy)
        weight = _weigh_patches(phi, psi, mapping, window, relation, cupy, plain)
    y = aggregation(beta, weight.to(beta.dtype), kernel_size, stride, dilation, pad_mode, backend)
    return (y, weight) if return_weights else y


def _attend_pairs(
    phi: Tensor, psi: Tensor, beta: Tensor, mapping: Mapping, window: Window, position: Tensor | None,
    relation: str, cupy: bool, want_weights: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    place = None if position is None else position.to(phi.dtype)
    with without_autocast(phi):
        plain = is_exporting() or phi.shape[0] == 0 or is_small(beta, window, cupy)
        if plain or relation == "dot":
            weight = _weigh_pairs(phi, psi, mapping, window, place, relation, cupy, plain)
            options = window.kernel, window.stride, window.dilation, PAD_MODES[not window.reflect]
            y = aggregation(beta, weight.to(beta.dtype), *options, "cupy" if cupy else "torch")
        else:
            wide = beta.to(phi.dtype)
            y, weight = attend_pairs(phi, psi, wide, mapping, window, place, relation, cupy, want_weights)
    return y.to(beta.dtype), weight


def _weigh_pairs(
    phi: Tensor, psi: Tensor, mapping: Mapping, window: Window, position: Tensor | None, relation: str, cupy: bool,
    plain: bool,
) -> Tensor:  # fmt: skip
    """Weights by the plain formulas; the dot product, one value a pair, comes from the aggregation operator."""
    if plain or relation != "dot":
        return reference.pairwise_weights(phi, psi, mapping, window, position, relation)
    z_NDTL = correlate(phi, psi, window, cupy)
    if position is not None:
        offset = local_ops.subtract(position, position, *window, cupy)
        z_NDTL = torch.cat([z_NDTL, offset.expand(len(z_NDTL), -1, -1, -1)], dim=1)
    return reference.apply_mapping(z_NDTL, mapping).softmax(dim=2)


def _weigh_patches(
    phi: Tensor, psi: Tensor, mapping: Mapping, window: Window, relation: str, cupy: bool, plain: bool
) -> Tensor:
    """Weights (N, Cw, T, L); only the clique product, k^4 values a pixel, is materialised."""
    if plain or relation == "clique":
        return reference.patchwise_weights(phi, psi, mapping, window, relation)
    if relation == "star":
        z_NTL = correlate(phi, psi, window, cupy).squeeze(1)
        return reference.apply_mapping(z_NTL, mapping).unflatten(1, (-1, window.taps))
    return weigh_patches(phi, psi, mapping, window, relation, cupy)


def _check_maps(phi: Tensor, psi: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    check_shape("psi", psi, tuple(phi.shape), "the shape of phi")
    wanted = (phi.shape[0], beta.shape[1] if beta.dim() == 4 else 1, *phi.shape[-2:])
    check_shape("beta", beta, wanted, "phi's batch and grid")
    phi, psi, beta = cast_for_autocast(phi, psi, beta)
    check_alike(phi=phi, psi=psi, beta=beta)
    wide = torch.float32 if beta.dtype in (torch.float16, torch.bfloat16) else beta.dtype
    return phi.to(wide).contiguous(), psi.to(wide).contiguous(), beta.contiguous()
