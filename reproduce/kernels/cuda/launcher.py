"""Kernels launched on torch's device and current stream, their arguments checked and packed."""

import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproduce.kernels.cuda.compile import Macros, get_kernel

THREADS = 256  # of a block, as in common.cuh
GRID = 2**31 - 1, 65_535, 65_535  # blocks at most: CUDA C++ Programming Guide, technical specifications
OBSERVERS: list[Callable[..., None]] = []  # told of launches on the device "meta", see `traffic`


@lru_cache(maxsize=64)
def get_stream(pointer: int, device: int) -> Any:
    """Return CuPy's name for the CUDA stream at ``pointer``, which stays torch's."""
    import cupy

    with warnings.catch_warnings():  # CuPy 14 prefers Stream.from_external, which 13 and torch's older streams lack
        warnings.simplefilter("ignore", DeprecationWarning)
        return cupy.cuda.ExternalStream(pointer, device)


def run(source: str, kernel: str, macros: Macros, grid: tuple[int, int, int], *arguments: Tensor | int | None) -> None:
    """Launch ``kernel`` of ``source``.cu with 256 threads a block on the device and stream of the tensors.

    Tensors go as pointers, None as a null pointer, integers as 32-bit ints. An empty grid launches nothing.

    Raises:
        ValueError: for an integer or a sample that needs more than 31 bits, or a grid that no device takes.
    """
    if 0 in grid:
        return
    if any(blocks > most for blocks, most in zip(grid, GRID, strict=True)):
        raise ValueError(f"shape: {kernel} would need a grid of {grid} blocks, and CUDA takes at most {GRID}")
    device = next(a.device for a in arguments if isinstance(a, Tensor))
    if device.type == "meta":  # there is nothing to launch on; who counts is told
        for observe in OBSERVERS:
            observe(source, kernel, grid, arguments)
        return
    import cupy

    values = [pack(argument) for argument in arguments]
    stream = get_stream(torch.cuda.current_stream(device).cuda_stream, device.index)
    with torch.cuda.device(device), cupy.cuda.Device(device.index), stream:
        get_kernel(source, kernel, macros, device.index)(grid, (THREADS, 1, 1), tuple(values))


def pack(argument: Tensor | int | None) -> Any:
    """Return a kernel argument as the launcher takes it.

    Raises:
        ValueError: for an integer that needs more than 31 bits, or a tensor whose samples have 2^31 values or more.
    """
    if argument is None:
        return np.uintp(0)
    if isinstance(argument, Tensor):
        check_size(argument.numel() // max(1, argument.shape[0]))
        return np.uintp(argument.data_ptr())
    return np.int32(check_size(argument))


def check_map(size: Sequence[Any], pad: int = 0) -> None:
    """Refuse maps of ``size`` (H, W) whose pixels, with ``pad`` on every side, kernels could not number in 31 bits.

    Raises:
        ValueError: for 2^31 pixels or more.
    """
    height, width = size
    check_size((height + 2 * pad) * (width + 2 * pad))


def check_size(size: int) -> int:
    """Return ``size``, a count within one sample, which kernels keep in 31 bits (offsets between samples have 63).

    Raises:
        ValueError: for a count of 2^31 or more.
    """
    if not 0 <= size < 2**31:
        raise ValueError(f"shape: kernels take fewer than {2**31} values per sample, got {size}")
    return size
