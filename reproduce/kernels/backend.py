"""Which implementation runs, and why."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from reproduce.kernels.checks import BACKENDS, check_choice
from reproduce.kernels.cuda.trial import find_obstacle
from reproduce.kernels.window import Window

SMALL = 250_000  # values of the gathered map, 1 MB; below about that the twins win, up to threefold for the modules


def explain_backend(device: torch.device, backend: str = "auto") -> tuple[str, str]:
    """Return (backend, reason): what ``backend`` means for tensors on ``device``.

    Raises:
        ValueError: for an unknown backend, or ``cupy`` where it cannot run.
    """
    check_choice("backend", backend, BACKENDS)
    if backend == "torch":
        return "torch", "asked for"
    obstacle: str | None = f"the tensors are on {device.type}, not cuda"
    if device.type == "cuda":
        obstacle = find_obstacle(torch.cuda.current_device() if device.index is None else device.index)
    if backend == "cupy" and obstacle:
        raise ValueError(f"backend: needs CUDA tensors and CuPy for 'cupy', got {device.type} tensors; {obstacle}")
    if obstacle:
        return "torch", obstacle
    return "cupy", "CUDA tensors, and CuPy launched a trial kernel"


def use_cupy(tensor: Tensor, backend: str) -> bool:
    """Return whether the CUDA kernels run for ``tensor``."""
    return explain_backend(tensor.device, backend)[0] == "cupy"


_is_exporting: Callable[[], bool] = getattr(torch.compiler, "is_exporting", lambda: False)  # torch 2.6 has none


def is_exporting() -> bool:
    """Return whether a graph is being exported (ONNX, torch.export): the plain twins then are traced instead."""
    return torch.onnx.is_in_onnx_export() or _is_exporting()


def is_small(x_NCHW: Tensor, window: Window, cupy: bool) -> bool:
    """Return whether the plain twin, with all k*k neighbours of the map materialised, is the faster way.

    So it is on the CPU below `SMALL` values: there the fast path waits for its many calls, not for its arithmetic.
    Halves are left to the operators, which sum in float32; so are compiled graphs, which then never branch on sizes.
    """
    if cupy or torch.compiler.is_compiling() or x_NCHW.device.type != "cpu" or x_NCHW.dtype.itemsize < 4:
        return False
    height, width = window.out_size(*x_NCHW.shape[-2:])
    return x_NCHW.shape[0] * x_NCHW.shape[1] * window.taps * height * width <= SMALL


@contextmanager
def without_twins() -> Iterator[None]:
    """Take the fast path for small maps, too, within the block: for measurements, which must see one way alone."""
    global SMALL
    kept, SMALL = SMALL, -1
    try:
        yield
    finally:
        SMALL = kept


def cast_for_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors in autocast's dtype where autocast is on, float64 left alone; else as they are."""
    kind = tensors[0].device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(t.to(dtype) if t.is_floating_point() and t.dtype != torch.float64 else t for t in tensors)


def without_autocast(tensor: Tensor) -> AbstractContextManager[None]:
    """Return a context in which autocast is off for ``tensor``'s device; meta tensors know no autocast."""
    kind = tensor.device.type
    return nullcontext() if kind == "meta" else torch.autocast(kind, enabled=False)
