"""Local attention as the published code chains it: what ours is measured against, by unfold or by local kernels.

    UNFOLD.pairwise_attention(phi, psi, beta, mapping, 7, position=position)
    with attending_by(CHAIN): model(image)

Same arguments as `reproduce.kernels`, stride 1, the two relations of the published code. The relation, its normalised
forms and the weights are materialised. `UNFOLD` needs no kernel of its own: all k*k neighbours of every map are
materialised, too. `CHAIN` subtracts and aggregates by our local operators, as the published code does by its own.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from reproduce import kernels
from reproduce.kernels import Mapping
from reproduce.kernels.mapping import normalise1, normalise2
from reproduce.models import san


@dataclass(frozen=True)
class Formulation:
    """The published operations one after another, from a subtraction and an aggregation (arguments: maps, k)."""

    subtraction2: Callable[[Tensor, Tensor, int], Tensor]
    aggregation: Callable[[Tensor, Tensor, int], Tensor]

    def pairwise_attention(
        self,
        phi: Tensor,
        psi: Tensor,
        beta: Tensor,
        mapping: Mapping,
        kernel_size: int,
        *,
        position: Tensor | None = None,
        relation: str = "subtraction",
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return what `reproduce.kernels.pairwise_attention` returns, for ``subtraction``."""
        assert relation == "subtraction", relation
        delta_NDTL = self.subtraction2(phi, psi, kernel_size)
        if position is not None:
            offset = self.subtraction2(position, position, kernel_size)
            delta_NDTL = torch.cat([delta_NDTL, offset.expand(len(phi), -1, -1, -1)], 1)
        weight = _map(delta_NDTL, mapping).softmax(2)
        y = self.aggregation(beta, weight, kernel_size)
        return (y, weight) if return_weights else y

    def patchwise_attention(
        self,
        phi: Tensor,
        psi: Tensor,
        beta: Tensor,
        mapping: Mapping,
        kernel_size: int,
        *,
        relation: str = "concatenation",
        return_weights: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Return what `reproduce.kernels.patchwise_attention` returns, for ``concatenation``: patches by unfold."""
        assert relation == "concatenation", relation
        patch = _unfold(psi, kernel_size).flatten(1, 2).unflatten(2, phi.shape[2:])
        weight = _map(torch.cat([phi, patch], 1), mapping).flatten(2).unflatten(1, (-1, kernel_size**2))
        y = self.aggregation(beta, weight, kernel_size)
        return (y, weight) if return_weights else y


@contextmanager
def attending_by(formulation: Formulation) -> Iterator[None]:
    """Let SAN models attend by it within the block; they know no such switch, it serves measurements only."""
    ours = san.pairwise_attention, san.patchwise_attention
    setattr(san, "pairwise_attention", formulation.pairwise_attention)  # noqa: B010  (mypy forbids plain assignments)
    setattr(san, "patchwise_attention", formulation.patchwise_attention)  # noqa: B010
    try:
        yield
    finally:
        setattr(san, "pairwise_attention", ours[0])  # noqa: B010
        setattr(san, "patchwise_attention", ours[1])  # noqa: B010


def _subtract(a_NCHW: Tensor, b_NCHW: Tensor, kernel: int) -> Tensor:
    """Return (N, C, T, L): a at the centre minus b under every tap, reflected beyond the border."""
    return a_NCHW.flatten(2).unsqueeze(2) - _unfold(b_NCHW, kernel)


def _aggregate(x_NCHW: Tensor, weight_NQTL: Tensor, kernel: int) -> Tensor:
    """Return (N, C, H, W): the neighbours summed with the shared weights."""
    near_NSQTL = _unfold(x_NCHW, kernel).unflatten(1, (-1, weight_NQTL.shape[1]))
    return (near_NSQTL * weight_NQTL.unsqueeze(1)).sum(3).view_as(x_NCHW)


def _unfold(x_NCHW: Tensor, kernel: int) -> Tensor:
    padded = F.pad(x_NCHW, (kernel // 2,) * 4, mode="reflect")
    return F.unfold(padded, kernel).unflatten(1, (x_NCHW.shape[1], kernel**2))


def _map(z_NDHW: Tensor, mapping: Mapping) -> Tensor:
    """Return gamma(z), (N, O, H, W)."""
    hidden = F.relu(normalise1(mapping, z_NDHW), inplace=True)
    hidden = F.conv2d(hidden, mapping.weight1.flatten(1)[:, :, None, None])
    hidden = F.relu(normalise2(mapping, hidden), inplace=True)
    return F.conv2d(hidden, mapping.weight2.flatten(1)[:, :, None, None], mapping.bias)


UNFOLD = Formulation(_subtract, _aggregate)
CHAIN = Formulation(kernels.subtraction2, kernels.aggregation)
