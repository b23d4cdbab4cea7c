"""Memory for what exists only within a step: kept from call to call, since the system clears every page it gives.

    u = take("wide", (8, 16, 2304), like)      # not initialised; what was taken under this name before is overwritten

The C library returns blocks of some MB as soon as they are freed, and a step's tensors would be faulted in anew at each
call. Each thread keeps its own, `KEPT` bytes a name at most; nothing of it may leave the operator that took it.
"""

import threading
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

KEPT = 8 << 20
_local = threading.local()


def take(name: str, size: Sequence[int], like: Tensor) -> Tensor:
    """Return a contiguous tensor of ``like``'s dtype and device; on the CPU this thread's own of that name."""
    count = prod(size)
    if like.device.type != "cpu" or count * like.element_size() > KEPT:
        return like.new_empty(size)
    kept: dict[tuple[str, torch.dtype], Tensor] = _local.__dict__.setdefault("kept", {})
    found = kept.get((name, like.dtype))
    if found is None or found.numel() < count:
        with torch.inference_mode(False):
            found = kept[name, like.dtype] = torch.empty(count, dtype=like.dtype)
    return found[:count].view(tuple(size))
