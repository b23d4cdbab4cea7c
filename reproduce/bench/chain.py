"""Local attention as SAN's official code chains it: local operators, then torch's layers on materialised relations.

Same arguments as `reproduce.kernels`, stride 1, the two relations of the published code. The local operators are ours,
so that what is compared on a GPU is the fusion, not the age of another's kernels.
"""

import torch
from torch import Tensor

from reproduce.kernels import Mapping, Window, aggregation, reference, subtraction2


def pairwise_attention(
    phi: Tensor, psi: Tensor, beta: Tensor, mapping: Mapping, kernel_size: int, *, position: Tensor | None = None
) -> Tensor:
    """Return the output of `reproduce.kernels.pairwise_attention` for ``subtraction``."""
    delta_NDTL = subtraction2(phi, psi, kernel_size)
    if position is not None:
        offset = subtraction2(position, position, kernel_size)
        delta_NDTL = torch.cat([delta_NDTL, offset.expand(len(phi), -1, -1, -1)], 1)
    return aggregation(beta, reference.apply_mapping(delta_NDTL, mapping).softmax(2), kernel_size)


def patchwise_attention(phi: Tensor, psi: Tensor, beta: Tensor, mapping: Mapping, kernel_size: int) -> Tensor:
    """Return the output of `reproduce.kernels.patchwise_attention` for ``concatenation``."""
    weight = reference.patchwise_weights(phi, psi, mapping, Window(kernel_size), "concatenation")
    return aggregation(beta, weight, kernel_size)
