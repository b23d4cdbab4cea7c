"""What the kernels' operators compute, for torch's FLOP counter: it sees inside no operator of ours.

Products only, two FLOPs a multiply-add, as the counter has it for torch's own. A pair is an output pixel and a tap.
"""

import math
from typing import Any

import torch
from torch.utils.flop_counter import register_flop_formula

from reproduce.kernels.operands import Pair, Patch, Rule, Running, Saved, read
from reproduce.kernels.window import Window

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


def _count_attend(pair: Pair, rule: Rule, window: Window) -> int:
    """Return the FLOPs of a forward pass; of tensors the counter gives the shapes."""
    shapes: Any = pair
    mapped = 0 if rule.form == "hidden" else math.prod(shapes.weight1)
    each = mapped + math.prod(shapes.weight2) + shapes.beta[1]
    return int(2 * _pixels(shapes.a, window.stride) * window.taps * each)


@register_flop_formula(_OPS.attend)
def _attend(*inputs: Any, **_: Any) -> int:
    values = iter(inputs)
    pair, _running = read(values, Pair), read(values, Running)
    return _count_attend(pair, read(values, Rule), read(values, Window))


@register_flop_formula(_OPS.attend_backward)
def _attend_backward(grad_y: Any, grad_alpha: Any, *inputs: Any, **_: Any) -> int:
    values = iter(inputs)
    pair, _saved, _batch_stats = read(values, Pair), read(values, Saved), next(values)
    return 2 * _count_attend(pair, read(values, Rule), read(values, Window))


def _count_project(patch: Patch, window: Window) -> int:
    weight1: Any = patch.weight1
    return int(2 * _pixels(patch.psi, window.stride) * math.prod(weight1))


@register_flop_formula(_OPS.project)
def _project(*inputs: Any, **_: Any) -> int:
    values = iter(inputs)
    return _count_project(read(values, Patch), read(values, Window))


@register_flop_formula(_OPS.project_backward)
def _project_backward(grad: Any, *inputs: Any, **_: Any) -> int:
    values = iter(inputs)
    return 2 * _count_project(read(values, Patch), read(values, Window))
