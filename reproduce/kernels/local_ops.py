"""The three local operators as registered torch operators, differentiable twice.

Each is linear or bilinear, so a closed family of six operators holds all derivatives of any order:

    subtract(a, b)        d/da -> sum_centres(g)         d/db -> -scatter(g)
    aggregate(x, w)       d/dx -> aggregate_to_map(g, w)   d/dw -> aggregate_to_weight(x, g)

Every operator takes the `Window` as four plain arguments and ``cupy``: the CUDA kernels (true) or plain torch.
"""

from typing import Any

import torch
from torch import Tensor

from reproduce.kernels.twins import LOCAL, backend_of
from reproduce.kernels.window import Window


@torch.library.custom_op("attnrepro::subtract", mutates_args=())
def subtract(a: Tensor, b: Tensor, kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool) -> Tensor:
    """Return (N, C, T, L): centre of ``a`` minus neighbours of ``b``."""
    return LOCAL[backend_of(cupy)].subtract(a, b, window=Window(kernel, stride, dilation, reflect))


@torch.library.custom_op("attnrepro::sum_centres", mutates_args=())
def sum_centres(
    g: Tensor, height: int, width: int, kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool
) -> Tensor:
    """Return (N, C, H, W): sum of ``g`` over the taps, at the centres."""
    window = Window(kernel, stride, dilation, reflect)
    return LOCAL[backend_of(cupy)].sum_centres(g, window=window, height=height, width=width)


@torch.library.custom_op("attnrepro::scatter", mutates_args=())
def scatter(
    g: Tensor, height: int, width: int, kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool
) -> Tensor:
    """Return (N, C, H, W): ``g`` added up at the pixels that the taps read."""
    window = Window(kernel, stride, dilation, reflect)
    return LOCAL[backend_of(cupy)].scatter(g, window=window, height=height, width=width)


@torch.library.custom_op("attnrepro::aggregate", mutates_args=())
def aggregate(x: Tensor, weight: Tensor, kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool) -> Tensor:
    """Return (N, C, Ho, Wo): weighted sum of the neighbours."""
    return LOCAL[backend_of(cupy)].aggregate(x, weight, window=Window(kernel, stride, dilation, reflect))


@torch.library.custom_op("attnrepro::aggregate_to_map", mutates_args=())
def aggregate_to_map(
    g: Tensor, weight: Tensor, height: int, width: int, kernel: int, stride: int, dilation: int,
    reflect: bool, cupy: bool,
) -> Tensor:  # fmt: skip
    """Return (N, C, H, W): the gradient of `aggregate` with respect to the map."""
    window = Window(kernel, stride, dilation, reflect)
    return LOCAL[backend_of(cupy)].aggregate_to_map(g, weight, window=window, height=height, width=width)


@torch.library.custom_op("attnrepro::aggregate_to_weight", mutates_args=())
def aggregate_to_weight(
    x: Tensor, g: Tensor, shared: int, kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool
) -> Tensor:
    """Return (N, Cw, T, L): the gradient of `aggregate` with respect to the weights."""
    window = Window(kernel, stride, dilation, reflect)
    return LOCAL[backend_of(cupy)].aggregate_to_weight(x, g, window=window, shared=shared)


@subtract.register_fake
def _(a: Tensor, b: Tensor, kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool) -> Tensor:
    height, width = Window(kernel, stride).out_size(*a.shape[-2:])
    return a.new_empty(*a.shape[:2], kernel * kernel, height * width)


@sum_centres.register_fake
@scatter.register_fake
def _(g: Tensor, height: int, width: int, *_: Any) -> Tensor:
    return g.new_empty(*g.shape[:2], height, width)


@aggregate.register_fake
def _(x: Tensor, weight: Tensor, kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool) -> Tensor:
    return x.new_empty(*x.shape[:2], *Window(kernel, stride).out_size(*x.shape[-2:]))


@aggregate_to_map.register_fake
def _(g: Tensor, weight: Tensor, height: int, width: int, *_: Any) -> Tensor:
    return g.new_empty(*g.shape[:2], height, width)


@aggregate_to_weight.register_fake
def _(x: Tensor, g: Tensor, shared: int, kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool) -> Tensor:
    return x.new_empty(x.shape[0], shared, kernel * kernel, g.shape[-2] * g.shape[-1])


def _keep_sizes(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    a, _b, *ctx.options = inputs
    ctx.size = a.shape[-2:]


def _subtract_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    da = sum_centres(g, *ctx.size, *ctx.options) if ctx.needs_input_grad[0] else None
    db = -scatter(g, *ctx.size, *ctx.options) if ctx.needs_input_grad[1] else None
    return da, db, *(None,) * 5


subtract.register_autograd(_subtract_backward, setup_context=_keep_sizes)


def _keep_options(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    _g, _height, _width, *ctx.options = inputs


def _sum_centres_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    return subtract(v, torch.zeros_like(v), *ctx.options), *(None,) * 7


def _scatter_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    return -subtract(torch.zeros_like(v), v, *ctx.options), *(None,) * 7


sum_centres.register_autograd(_sum_centres_backward, setup_context=_keep_options)
scatter.register_autograd(_scatter_backward, setup_context=_keep_options)


def _keep_aggregate(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, weight, *ctx.options = inputs
    ctx.save_for_backward(x, weight)


def _aggregate_backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    x, weight = ctx.saved_tensors
    dx = aggregate_to_map(g, weight, *x.shape[-2:], *ctx.options) if ctx.needs_input_grad[0] else None
    dw = aggregate_to_weight(x, g, weight.shape[1], *ctx.options) if ctx.needs_input_grad[1] else None
    return dx, dw, *(None,) * 5


def _to_map_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    (g, weight), (_height, _width, *options) = ctx.saved_tensors, ctx.options
    dg = aggregate(v, weight, *options) if ctx.needs_input_grad[0] else None
    dw = aggregate_to_weight(v, g, weight.shape[1], *options) if ctx.needs_input_grad[1] else None
    return dg, dw, *(None,) * 7


def _to_weight_backward(ctx: Any, v: Tensor) -> tuple[Tensor | None, ...]:
    (x, g), (_shared, *options) = ctx.saved_tensors, ctx.options
    dx = aggregate_to_map(g, v, *x.shape[-2:], *options) if ctx.needs_input_grad[0] else None
    dg = aggregate(x, v, *options) if ctx.needs_input_grad[1] else None
    return dx, dg, *(None,) * 6


aggregate.register_autograd(_aggregate_backward, setup_context=_keep_aggregate)
aggregate_to_map.register_autograd(_to_map_backward, setup_context=_keep_aggregate)
aggregate_to_weight.register_autograd(_to_weight_backward, setup_context=_keep_aggregate)
