"""The arithmetic of a run: float32, TensorFloat-32 or bfloat16."""

import contextlib
from contextlib import AbstractContextManager

import torch

from reproduce.errors import UserError


def arithmetic(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which forward passes run: autocast to bfloat16 for ``bf16``, nothing for ``fp32``."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def set_products(precision: str, device: torch.device) -> None:
    """Let this process's float32 products and convolutions on CUDA be exact, or TensorFloat-32 for ``tf32``.

    torch's own default is exact products beside TF32 convolutions; a run's precision says one thing of both.

    Raises:
        UserError: ``tf32`` elsewhere than on a CUDA device.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UserError(f"'{device.type}' has no TF32 arithmetic", "choose --precision fp32 or bf16, or a CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
