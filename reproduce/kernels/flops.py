"""What the kernels' operators compute, for torch's FLOP counter: it sees inside no operator of ours.

Products only, two FLOPs a multiply-add, as the counter has it for torch's own. A pair is an output pixel and a tap.
"""

from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

_OPS: Any = torch.ops.attnrepro


def _pixels(map_: Any, stride: int) -> int:
    """Return the output pixels of a batch of maps (N, C, H, W)."""
    return int(map_[0] * -(-map_[2] // stride) * -(-map_[3] // stride))


@register_flop_formula(_OPS.aggregate)
def _aggregate(x: Any, weight: Any, kernel: int, *_: Any, **__: Any) -> int:
    return int(2 * x[1] * weight[0] * weight[2] * weight[3])


@register_flop_formula(_OPS.aggregate_to_map)
def _aggregate_to_map(g: Any, weight: Any, *_: Any, **__: Any) -> int:
    return int(2 * g[1] * weight[0] * weight[2] * weight[3])


@register_flop_formula(_OPS.aggregate_to_weight)
def _aggregate_to_weight(x: Any, g: Any, shared: int, kernel: int, *_: Any, **__: Any) -> int:
    return int(2 * x[1] * kernel**2 * g[0] * g[2] * g[3])


def _count_attend(a: Any, beta: Any, weight1: Any, weight2: Any, form: str, kernel: int, stride: int) -> int:
    mapped = 0 if form == "hidden" else weight1[0] * weight1[1]
    return int(2 * _pixels(a, stride) * kernel**2 * (mapped + weight2[0] * weight2[1] + beta[1]))


@register_flop_formula(_OPS.attend)
def _attend(a: Any, b: Any, beta: Any, c: Any, weight1: Any, *rest: Any, **_: Any) -> int:
    _place, _scale2, _shift2, weight2, _mean2, _var2, _eps, form, kernel, stride = rest[:10]
    return _count_attend(a, beta, weight1, weight2, form, kernel, stride)


@register_flop_formula(_OPS.attend_backward)
def _attend_backward(
    grad_y: Any, grad_alpha: Any, a: Any, b: Any, beta: Any, c: Any, weight1: Any, *rest: Any, **_: Any
) -> int:
    _place, _scale2, _shift2, weight2, _alpha, _hidden, _mean, _var, _batch, _eps, form, kernel, stride = rest[:13]
    return 2 * _count_attend(a, beta, weight1, weight2, form, kernel, stride)


@register_flop_formula(_OPS.project)
def _project(
    psi: Any, phi: Any, scale: Any, shift: Any, weight1: Any, kernel: int, stride: int, *_: Any, **__: Any
) -> int:
    return int(2 * _pixels(psi, stride) * weight1[0] * weight1[1] * weight1[2])


@register_flop_formula(_OPS.project_backward)
def _project_backward(
    grad: Any, psi: Any, phi: Any, scale: Any, shift: Any, weight1: Any, kernel: int, stride: int, *_: Any, **__: Any
) -> int:
    return int(4 * _pixels(psi, stride) * weight1[0] * weight1[1] * weight1[2])
