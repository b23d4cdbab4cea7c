"""Dropout whose mask costs less than the product it masks: on a CPU, four mask elements from one 64-bit draw."""

import torch
from torch import Tensor
from torch.nn import functional as F

_LEVELS = 2**16


def draw_mask(shape: torch.Size, probability: float, like: Tensor) -> Tensor:
    """Return a mask of ``shape``: 0 with ``probability``, else 1 / (1 - probability), from torch's global generator.

    On a CPU the probability is rounded to 1/65536 and the scale follows it, so that the mean is exactly 1.
    """
    if like.device.type != "cpu":
        return F.dropout(torch.ones(shape, dtype=like.dtype, device=like.device), probability)
    count = shape.numel()
    words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
    dropped = round(probability * _LEVELS)
    kept = words.view(torch.int16)[:count] >= dropped - _LEVELS // 2
    return kept.view(shape).to(like.dtype).mul_(_LEVELS / (_LEVELS - dropped))


def drop(x: Tensor, probability: float, training: bool) -> Tensor:
    """Return ``x`` with elements dropped while training; the same distribution as torch's dropout."""
    if not training or probability == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, probability)
    return x * draw_mask(x.shape, probability, x)
