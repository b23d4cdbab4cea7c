"""The six local operators in plain torch, with float32 sums where the inputs are halves; results are contiguous."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from reproduce.kernels.cpu import shifts, sums

HALVES = (torch.float16, torch.bfloat16)


def sum_in_float32(plain: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return ``plain`` with its tensors widened to float32 where they are halves, and its result narrowed again."""

    @wraps(plain)
    def run(*tensors: Any, **options: Any) -> Tensor:
        dtype = tensors[0].dtype
        if dtype in HALVES:
            tensors = tuple(value.float() if isinstance(value, Tensor) else value for value in tensors)
        return plain(*tensors, **options).to(dtype).contiguous()

    return run


subtract = sum_in_float32(shifts.subtract)
sum_centres = sum_in_float32(shifts.sum_centres)
scatter = sum_in_float32(shifts.scatter)
aggregate = sum_in_float32(sums.aggregate)
aggregate_to_map = sum_in_float32(sums.aggregate_to_map)
aggregate_to_weight = sum_in_float32(sums.aggregate_to_weight)
