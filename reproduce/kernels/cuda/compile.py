"""The CUDA kernels: .cu text compiled by CuPy, once per device and macro set."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import torch

FOLDER = Path(__file__).parent
SCALARS = {torch.float16: 0, torch.bfloat16: 1, torch.float32: 2, torch.float64: 3}

Macros = tuple[tuple[str, int], ...]


@cache
def read_source(name: str) -> str:
    """Return ``name``.cu with its own includes written out, so that no include path is needed."""
    text = (FOLDER / f"{name}.cu").read_text(encoding="utf-8")
    return re.sub(r'#include "([\w.]+)"', lambda found: (FOLDER / found[1]).read_text(encoding="utf-8"), text)


def define(macros: Macros) -> tuple[str, ...]:
    """Return the compiler's -D options."""
    return tuple(f"-D{name}={value}" for name, value in macros)


@cache
def get_module(name: str, macros: Macros, device: int) -> Any:
    """Return the compiled module of ``name``.cu on CUDA device ``device``."""
    import cupy

    with cupy.cuda.Device(device):
        return cupy.RawModule(code=read_source(name), options=define(macros), backend="nvrtc")


@cache
def get_kernel(source: str, kernel: str, macros: Macros, device: int) -> Any:
    """Return a kernel of `get_module`; looked up once, for the module would make it anew at every launch."""
    import cupy

    with cupy.cuda.Device(device):
        return get_module(source, macros, device).get_function(kernel)
