"""The mapping gamma of the attention operators, as the tensors it is made of."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Mapping(NamedTuple):
    """gamma = BatchNorm(D) - ReLU - 1x1 (D -> M, no bias) - BatchNorm(M) - ReLU - 1x1 (M -> O, bias).

    ``weight1`` is (M, D) or (M, D, 1, 1) and ``weight2`` (O, M) or (O, M, 1, 1); the rest are vectors. In training
    the running statistics (None: not kept) are updated in place as nn.BatchNorm2d does: momentum, unbiased variance.
    """

    scale1: Tensor
    shift1: Tensor
    running_mean1: Tensor | None
    running_var1: Tensor | None
    weight1: Tensor
    scale2: Tensor
    shift2: Tensor
    running_mean2: Tensor | None
    running_var2: Tensor | None
    weight2: Tensor
    bias: Tensor | None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5


# Functions and a constant, not attributes of the tuple: dynamo of torch 2.6 does not follow those of a NamedTuple.
FIELDS: tuple[str, ...] = Mapping._fields


def uses_batch(training: bool, running_mean: Tensor | None) -> bool:
    """Return whether a BatchNorm uses the statistics of this batch."""
    return training or running_mean is None


def normalise1(mapping: Mapping, z_NDX: Tensor) -> Tensor:
    """Apply the first BatchNorm to (N, D, X), running statistics in place."""
    kept = mapping.running_mean1, mapping.running_var1
    return _normalise(z_NDX, *kept, mapping.scale1, mapping.shift1, mapping)


def normalise2(mapping: Mapping, h_NMX: Tensor) -> Tensor:
    """Apply the second BatchNorm to (N, M, X), running statistics in place."""
    kept = mapping.running_mean2, mapping.running_var2
    return _normalise(h_NMX, *kept, mapping.scale2, mapping.shift2, mapping)


def _normalise(
    z: Tensor, mean: Tensor | None, var: Tensor | None, scale: Tensor, shift: Tensor, mapping: Mapping
) -> Tensor:
    use_batch = uses_batch(mapping.training, mean)
    if z.numel() == 0:
        return z  # an empty batch has no statistics and leaves the running ones as they are
    scale, shift, momentum, eps = scale.to(z.dtype), shift.to(z.dtype), mapping.momentum, mapping.eps
    if mean is None or var is None:
        return F.batch_norm(z, None, None, scale, shift, use_batch, momentum, eps)
    wide = mean.to(z.dtype), var.to(z.dtype)  # themselves, but for a model kept in half precision
    out = F.batch_norm(z, *wide, scale, shift, use_batch, momentum, eps)
    if mapping.training and mean.dtype != z.dtype:
        mean.copy_(wide[0])
        var.copy_(wide[1])
    return out


def read_mapping(norm1: nn.BatchNorm2d, conv1: nn.Conv2d, norm2: nn.BatchNorm2d, conv2: nn.Conv2d) -> Mapping:
    """Collect the tensors of four modules into a `Mapping` and count the batch as their forward would.

    In training both ``num_batches_tracked`` advance by one; ``momentum=None`` (cumulative average) is not supported.

    Raises:
        ValueError: if ``momentum`` is None, the two norms disagree on mode, momentum or eps, or are not affine.
    """
    one, two = (norm1.training, norm1.momentum, norm1.eps), (norm2.training, norm2.momentum, norm2.eps)
    if one != two or norm1.momentum is None:
        raise ValueError(f"norm1 and norm2: (training, momentum, eps) must be equal and set, got {one} and {two}")
    if not (norm1.affine and norm2.affine):
        raise ValueError(f"norm1 and norm2: both must be affine, got {norm1.affine} and {norm2.affine}")
    for norm in (norm1, norm2):
        if norm.training and norm.num_batches_tracked is not None:
            with torch.no_grad():
                norm.num_batches_tracked.add_(1)
    return Mapping(
        norm1.weight, norm1.bias, norm1.running_mean, norm1.running_var, conv1.weight,
        norm2.weight, norm2.bias, norm2.running_mean, norm2.running_var, conv2.weight, conv2.bias,
        norm1.training, norm1.momentum, norm1.eps,
    )  # fmt: skip
