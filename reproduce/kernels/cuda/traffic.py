"""Bytes that the kernels move as they are written, counted from their launches: no GPU, and no memory, is needed.

    with count_bytes() as moved:                # the launchers on tensors of the device "meta"
        attend(pair, None, None, 1e-5, window, "difference")
    moved.total, moved.by_kernel["pair_attend"]

Every tensor argument counts once, read or written, and as often as `PASSES` says; what the host's own torch operations
between launches read and write counts too. What caches save or lose beyond that is not known here.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from reproduce.kernels.cuda import launcher
from reproduce.kernels.cuda.compile import read_source

Grid = tuple[int, int, int]
# How often a launch goes through a tensor, where that is not once: tiles of other rows (grid y, z) read it again.
PASSES: dict[tuple[str, str], Callable[[Grid], int]] = {
    ("pair_project", "a"): lambda grid: grid[1],
    ("pair_project", "b"): lambda grid: grid[1],
    ("pair_attend", "hidden"): lambda grid: grid[1],
    ("pair_unactivate", "logits"): lambda grid: grid[1],
    ("pair_unnormalize", "g"): lambda grid: 2,  # read, and written in place
    ("pair_weight1", "g"): lambda grid: grid[2],
    ("pair_weight2", "logits"): lambda grid: grid[2],
    ("pair_weight2", "hidden"): lambda grid: grid[1],
    ("pair_to_centre", "g"): lambda grid: grid[1],
    ("pair_to_neighbour", "g"): lambda grid: grid[1],
    ("patch_rows", "g"): lambda grid: grid[1],
    ("patch_weight", "g"): lambda grid: grid[2],
    ("patch_to_map", "g"): lambda grid: grid[1],
}


class Moved:
    """Bytes by kernel; ``torch`` is what the host's operations between launches move."""

    def __init__(self) -> None:
        self.by_kernel: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """Bytes in all."""
        return sum(self.by_kernel.values())

    def add_launch(self, source: str, kernel: str, grid: Grid, arguments: tuple[Any, ...]) -> None:
        """Count one launch."""
        for name, argument in zip(list_parameters(source, kernel), arguments, strict=True):
            if isinstance(argument, Tensor):
                passes = PASSES.get((kernel, name), lambda grid: 1)(grid)
                self.by_kernel[kernel] += passes * argument.numel() * argument.element_size()


class _HostOperations(TorchDispatchMode):
    """Counts what torch operations read and write; views and empty tensors move nothing."""

    def __init__(self, moved: Moved) -> None:
        super().__init__()
        self.moved = moved

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        alias = [result.alias_info for result in func._schema.returns if result.alias_info is not None]
        if "empty" not in func.__name__ and all(info.is_write for info in alias):
            tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor)]
            self.moved.by_kernel["torch"] += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return out


@contextmanager
def count_bytes() -> Iterator[Moved]:
    """Count the launches on tensors of the device "meta" within the block."""
    moved = Moved()
    launcher.OBSERVERS.append(moved.add_launch)
    try:
        with _HostOperations(moved):
            yield moved
    finally:
        launcher.OBSERVERS.remove(moved.add_launch)


@cache
def list_parameters(source: str, kernel: str) -> tuple[str, ...]:
    """Return the names of a kernel's parameters, in order, from its text."""
    found = re.search(rf"\b{kernel}\(([^)]*)\)\s*\{{", read_source(source))
    if found is None:
        raise ValueError(f"kernel: {source}.cu has none called {kernel!r}")
    return tuple(re.findall(r"(\w+)\s*(?:,|$)", found[1].strip()))
