"""The second BatchNorm of the pairwise core with its ReLU, as one or two passes over h."""

from typing import NamedTuple

import torch
from torch import Tensor

from reproduce.kernels.cpu.scratch import take
from reproduce.kernels.operands import Pair

OUTSIDE = 16  # shift over scale of the second norm, at most, where the scale is taken out: what a difference may lose


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


def activate(hidden_NMTL: Tensor, norm: Norm2) -> Tensor:
    """Return relu(BatchNorm(h)), (n, M, T*L), without the scale where that is outside; in scratch memory."""
    h_NMX = hidden_NMTL.flatten(2)
    out = take("wide", h_NMX.shape, h_NMX)
    if norm.outside:
        return torch.add(h_NMX, norm.shift_M1, out=out).relu_()
    return torch.mul(h_NMX, norm.scale_M1, out=out).add_(norm.shift_M1).relu_()
