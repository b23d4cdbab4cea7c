"""The fused cores as registered torch operators; their second derivatives go through the plain formulas.

`attend` is pairwise attention behind the folded first BatchNorm (`pair`), `project` the first half of patchwise
attention (`patch`). What the backward needs, h and alpha, leaves the operator as outputs without a gradient.
"""

from collections.abc import Sequence
from typing import Any, List  # noqa: UP035

import torch
import torch.nn.functional as F
from torch import Tensor

from reproduce.kernels.operands import Attended, Pair, Patch, Rule, Running, Saved, read
from reproduce.kernels.reference import aggregation, gather
from reproduce.kernels.twins import PAIR, PATCH, backend_of
from reproduce.kernels.window import Window


@torch.library.custom_op("attnrepro::attend", mutates_args=())
def attend(
    a: Tensor, b: Tensor, beta: Tensor, c: Tensor, weight1: Tensor, place: Tensor | None, scale2: Tensor,
    shift2: Tensor, weight2: Tensor, mean2: Tensor | None, var2: Tensor | None, eps: float, form: str,
    kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool, keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Return the fields of `Attended`."""
    pair, window = (
        Pair(a, b, beta, c, weight1, place, scale2, shift2, weight2),
        Window(kernel, stride, dilation, reflect),
    )
    return tuple(PAIR[backend_of(cupy)].attend(pair, mean2, var2, eps, window, form, keep))


@torch.library.custom_op("attnrepro::attend_backward", mutates_args=())
def attend_backward(
    grad_y: Tensor, grad_alpha: Tensor | None, a: Tensor, b: Tensor, beta: Tensor, c: Tensor, weight1: Tensor,
    place: Tensor | None, scale2: Tensor, shift2: Tensor, weight2: Tensor, alpha: Tensor, hidden: Tensor,
    mean: Tensor, var: Tensor, batch_stats: bool, eps: float, form: str,
    kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool,
) -> List[Tensor]:  # fmt: skip  # noqa: UP006 (the schema of torch 2.6 knows no list[...])
    """Return the gradients of the tensors of `Pair`, without the one of a ``place`` that is None."""
    pair = Pair(a, b, beta, c, weight1, place, scale2, shift2, weight2)
    window = Window(kernel, stride, dilation, reflect)
    grads = PAIR[backend_of(cupy)].attend_backward(
        grad_y, grad_alpha, pair, alpha, hidden, mean, var, batch_stats, eps, window, form
    )
    return [grad.contiguous() for grad in grads if grad is not None]


@attend.register_fake
def _(
    a: Tensor, b: Tensor, beta: Tensor, c: Tensor, weight1: Tensor, place: Tensor | None, scale2: Tensor,
    shift2: Tensor, weight2: Tensor, mean2: Tensor | None, var2: Tensor | None, eps: float, form: str,
    kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool, keep: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    window = Window(kernel, stride, dilation, reflect)
    height, width = window.out_size(*a.shape[-2:])
    size, rows = (window.taps, height * width), a.shape[1] if form == "hidden" else weight1.shape[0]
    return (
        beta.new_empty(*beta.shape[:2], height, width),
        beta.new_empty((a.shape[0], weight2.shape[0], *size) if keep else 0),
        beta.new_empty((a.shape[0], rows, *size) if keep else 0),
        beta.new_empty(rows),
        beta.new_empty(rows),
    )


@attend_backward.register_fake
def _(grad_y: Tensor, grad_alpha: Tensor | None, *inputs: Any) -> list[Tensor]:
    return _empty_like(read(iter(inputs), Pair))


def _empty_like(tensors: Sequence[Tensor | None]) -> list[Tensor]:
    return [torch.empty_like(t, memory_format=torch.contiguous_format) for t in tensors if t is not None]


def _keep_attend(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    values, attended = iter(inputs), Attended(*output)
    pair, running = read(values, Pair), read(values, Running)
    ctx.rule, ctx.window = read(values, Rule), read(values, Window)
    ctx.cupy, _keep = values
    saved = Saved(attended.alpha, attended.hidden, attended.mean, attended.var)
    ctx.save_for_backward(*pair, *running, *saved)
    ctx.mark_non_differentiable(saved.hidden, saved.mean, saved.var)
    ctx.set_materialize_grads(False)


def _attend_backward(ctx: Any, grad_y: Tensor | None, grad_alpha: Tensor | None, *_: Any) -> tuple[Any, ...]:
    values = iter(ctx.saved_tensors)
    pair, running, saved = read(values, Pair), read(values, Running), read(values, Saved)
    if grad_y is None:
        grad_y = pair.beta.new_zeros(*pair.beta.shape[:2], *ctx.window.out_size(*pair.a.shape[-2:]))
    if torch.is_grad_enabled():
        grads = _differentiate_attend(pair, running, ctx.rule, ctx.window, grad_y, grad_alpha)
    else:
        found = iter(
            attend_backward(grad_y, grad_alpha, *pair, *saved, running.mean2 is None, *ctx.rule, *ctx.window, ctx.cupy)
        )
        grads = [None if tensor is None else next(found) for tensor in pair]
    rest = (*running, *ctx.rule, *ctx.window, ctx.cupy, True)  # keep, the last, is true wherever gradients are taken
    return *grads, *(None for _ in rest)


attend.register_autograd(_attend_backward, setup_context=_keep_attend)


def compose_attend(pair: Pair, mean2: Tensor | None, var2: Tensor | None, eps: float, window: Window, form: str) -> Any:
    """Return (y, alpha (N, Cw, T, L)) of `attend` from plain formulas, all tensors materialised."""
    a_ND1L = window.centres(pair.a).flatten(2).unsqueeze(2)
    b_NDTL = gather(pair.b, window)
    if form == "hidden":
        h_NMTL = a_ND1L - b_NDTL
    else:
        u = a_ND1L - b_NDTL if form == "difference" else a_ND1L * b_NDTL + pair.c[:, None, None]
        h_NMTL = torch.einsum("md,ndtl->nmtl", pair.weight1, F.relu(u))
    if pair.place is not None:
        h_NMTL = h_NMTL + pair.place
    if mean2 is None or var2 is None:
        mean2, var2 = h_NMTL.mean((0, 2, 3)), h_NMTL.var((0, 2, 3), correction=0)
    scale = pair.scale2 * torch.rsqrt(var2 + eps)
    active = F.relu(h_NMTL * scale[:, None, None] + (pair.shift2 - mean2 * scale)[:, None, None])
    alpha = torch.einsum("qm,nmtl->nqtl", pair.weight2, active).softmax(2)
    return aggregation(pair.beta, alpha, window), alpha


def _detour(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return views of the inputs, to be differentiated by instead of them.

    One input may come from another (the folded scale from psi, by its statistics). A gradient by the inputs themselves
    would follow that way too, which autograd walks again outside: it would count twice.
    """
    return tuple(None if t is None else t.view_as(t) for t in inputs)


def _differentiate_attend(
    pair: Pair, running: Running, rule: Rule, window: Window, grad_y: Tensor, grad_alpha: Tensor | None
) -> list[Tensor | None]:
    inputs = _detour(pair)
    y, alpha = compose_attend(Pair(*inputs), running.mean2, running.var2, rule.eps, window, rule.form)
    outputs, grads = [y], [grad_y]
    if grad_alpha is not None:
        outputs.append(alpha)
        grads.append(grad_alpha)
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    found = iter(torch.autograd.grad(outputs, wanted, grads, create_graph=True, allow_unused=True))
    return [next(found) if t is not None and t.requires_grad else None for t in inputs]


@torch.library.custom_op("attnrepro::project", mutates_args=())
def project(
    psi: Tensor, phi: Tensor | None, scale: Tensor, shift: Tensor, weight1: Tensor,
    kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool,
) -> Tensor:  # fmt: skip
    """Return h (N, M, Ho, Wo) of `patch.project`."""
    window = Window(kernel, stride, dilation, reflect)
    return PATCH[backend_of(cupy)].project(Patch(psi, phi, scale, shift, weight1), window)


@torch.library.custom_op("attnrepro::project_backward", mutates_args=())
def project_backward(
    grad: Tensor, psi: Tensor, phi: Tensor | None, scale: Tensor, shift: Tensor, weight1: Tensor,
    kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool,
) -> List[Tensor]:  # fmt: skip  # noqa: UP006 (as above)
    """Return the gradients of the tensors of `Patch`, without the one of a ``phi`` that is None."""
    window = Window(kernel, stride, dilation, reflect)
    grads = PATCH[backend_of(cupy)].project_backward(grad, Patch(psi, phi, scale, shift, weight1), window)
    return [grad.contiguous() for grad in grads if grad is not None]


@project.register_fake
def _(
    psi: Tensor, phi: Tensor | None, scale: Tensor, shift: Tensor, weight1: Tensor,
    kernel: int, stride: int, dilation: int, reflect: bool, cupy: bool,
) -> Tensor:  # fmt: skip
    size = Window(kernel, stride).out_size(*psi.shape[-2:])
    return psi.new_empty(psi.shape[0], weight1.shape[0], *size)


@project_backward.register_fake
def _(grad: Tensor, *inputs: Any) -> list[Tensor]:
    return _empty_like(read(iter(inputs), Patch))


def _keep_project(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    values = iter(inputs)
    ctx.save_for_backward(*read(values, Patch))
    ctx.window, (ctx.cupy,) = read(values, Window), values


def compose_project(patch: Patch, window: Window) -> Tensor:
    """Return h of `project` from plain formulas, all tensors materialised."""
    value = gather(patch.psi, window)
    if patch.phi is not None:
        value = window.centres(patch.phi).flatten(2).unsqueeze(2) - value
    u = F.relu(value * patch.scale.unsqueeze(-1) + patch.shift.unsqueeze(-1))
    h_NML = torch.einsum("mct,nctl->nml", patch.weight1, u)
    return h_NML.unflatten(2, window.out_size(*patch.psi.shape[-2:]))


def _project_backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
    patch = Patch(*ctx.saved_tensors)
    if torch.is_grad_enabled():
        inputs = _detour(patch)
        wanted = [t for t in inputs if t is not None and t.requires_grad]
        h = compose_project(Patch(*inputs), ctx.window)
        found = iter(torch.autograd.grad(h, wanted, grad, create_graph=True))
        grads = [next(found) if t is not None and t.requires_grad else None for t in inputs]
    else:
        found = iter(project_backward(grad, *patch, *ctx.window, ctx.cupy))
        grads = [None if t is None else next(found) for t in patch]
    return *grads, *(None for _ in Window._fields), None


project.register_autograd(_project_backward, setup_context=_keep_project)
