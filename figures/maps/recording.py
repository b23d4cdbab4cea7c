"""Attention weights out of any network while it runs, without a change to it.

    with record_attention(model) as recorded:
        model(x_B3HW)
    recorded[0]              # ("encoder.layers.0.self_attention", weights (B, heads, N, N))

Two kinds of module are known: `nn.MultiheadAttention` (torchvision's ViT, nn.TransformerEncoder), which is asked for
the weights of each head, and any module that keeps what it used in an attribute ``last_attention``, (B, heads, N, N).
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

Recorded = list[tuple[str, Tensor]]


@contextlib.contextmanager
def record_attention(model: nn.Module) -> Iterator[Recorded]:
    """Yield a list that fills with (module's name, weights (B, heads, N, N)) as ``model`` runs, in that order.

    Passes of a fused kernel that keeps no weights (the fast path of nn.TransformerEncoder) are taken off meanwhile.
    """
    recorded: Recorded = []
    with contextlib.ExitStack() as stack:
        for name, module in model.named_modules():
            if isinstance(module, nn.MultiheadAttention):
                stack.enter_context(_asking(module, name, recorded))
            elif hasattr(module, "last_attention"):
                handle = module.register_forward_hook(_keep(name, recorded))
                stack.callback(handle.remove)
            if isinstance(module, nn.TransformerEncoderLayer):
                stack.enter_context(_without_fast_path(module))
        yield recorded


@contextlib.contextmanager
def _asking(module: nn.MultiheadAttention, name: str, recorded: Recorded) -> Iterator[None]:
    """Let ``module`` compute the weights of each head, whatever its caller asks for, and return what was asked for."""
    plain: Callable[..., Any] = module.forward

    def forward(*inputs: Any, need_weights: bool = True, average_attn_weights: bool = True, **options: Any) -> Any:
        output, weights_BHNN = plain(*inputs, need_weights=True, average_attn_weights=False, **options)
        recorded.append((name, weights_BHNN.detach() if weights_BHNN.dim() == 4 else weights_BHNN.detach()[None]))
        if not need_weights:
            return output, None
        return output, weights_BHNN.mean(dim=-3) if average_attn_weights else weights_BHNN

    module.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        del module.forward  # the class's own again


@contextlib.contextmanager
def _without_fast_path(layer: nn.TransformerEncoderLayer) -> Iterator[None]:
    """Keep an encoder layer from its fused form, which never calls its attention module."""
    handle = layer.self_attn.register_forward_pre_hook(lambda *_: None)  # a hook of any kind forbids it
    try:
        yield
    finally:
        handle.remove()


def _keep(name: str, recorded: Recorded) -> Callable[..., None]:
    def keep(module: nn.Module, *_: Any) -> None:
        recorded.append((name, module.last_attention.detach()))  # type: ignore[operator, union-attr]

    return keep
