"""One tiny kernel compiled and launched before CuPy is relied on, and what is missing in one sentence where it fails.

CuPy imports without CUDA's libraries, headers or a driver that is new enough; the first launch then fails, far from its
cause. Here it fails at once, and plain torch runs instead.
"""

import importlib.util
import os
import tempfile
from functools import cache
from pathlib import Path

import torch

from reproduce.kernels.cuda.compile import read_source

# What an error says, and what that means; the first that fits. CuPy and the CUDA driver word these, not we.
_MEANINGS = (
    (("driver version is insufficient", "insufficientdriver", "unsupported ptx", "unsupported_ptx"),
     "the NVIDIA driver is older than this CuPy's CUDA release; update the driver"),
    (("no kernel image", "no_binary_for_gpu", "invalid device function"),
     "this CuPy has no code for the device's compute capability; install a newer CuPy"),
    (("libnvrtc", "libcudart", "libcuda.so", "dynamiclibnotfound", "dlopen", "cannot open shared object"),
     "CuPy does not find CUDA's libraries; install its extra 'ctk', or set CUDA_PATH to a CUDA toolkit"),
    (("cannot open source file", "could not open source file", ".h: no such file", "cuda_path", "headers"),
     "CuPy does not find CUDA's headers; install its extra 'ctk', or set CUDA_PATH to a CUDA toolkit"),
    (("permission denied", "read-only file system", "no space left", "not writable"),
     "CuPy cannot write its cache of compiled kernels; set CUPY_CACHE_DIR to a folder with room"),
    (("out of memory", "outofmemory"),
     "the device has no memory left for a first kernel"),
)  # fmt: skip


def explain_failure(error: BaseException) -> str:
    """Return in one sentence what is missing where the trial raised ``error``, with the error's own first line."""
    said = f"{type(error).__name__}: {error}"
    line = next((line.strip() for line in said.splitlines() if line.strip()), said)[:160]
    low = said.lower()
    for words, meaning in _MEANINGS:
        if any(word in low for word in words):
            return f"{meaning} ({line})"
    return f"CuPy cannot launch a kernel ({line})"


@torch.compiler.assume_constant_result
def find_obstacle(device: int) -> str | None:
    """Return None where kernels run on CUDA device ``device``, else the reason in one sentence.

    Tried once per process and device; but not while a CUDA graph is captured, when nothing may be allocated.
    """
    return None if torch.cuda.is_available() and torch.cuda.is_current_stream_capturing() else try_kernel(device)


@cache
def try_kernel(device: int) -> str | None:
    """Compile and launch one kernel on ``device``; return None where it ran, else what is missing."""
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed"
    obstacle = _check_cache()
    if obstacle is not None:
        return obstacle
    try:
        import cupy

        with cupy.cuda.Device(device):
            out = cupy.zeros(1, dtype="int32")
            module = cupy.RawModule(code=read_source("trial"), backend="nvrtc")
            module.get_function("trial")((1, 1, 1), (1, 1, 1), (out,))
            wrote = int(out.get()[0])
    except Exception as error:  # whatever a broken CUDA installation raises, plain torch can run: the sentence says why
        return explain_failure(error)
    return None if wrote == 1 else "CuPy launched a kernel that wrote nothing"


def _check_cache() -> str | None:
    """Return what is wrong with the folder in which CuPy keeps compiled kernels, None where it can be written."""
    folder = Path(os.environ.get("CUPY_CACHE_DIR") or Path("~/.cupy/kernel_cache").expanduser())
    if os.environ.get("CUPY_CACHE_IN_MEMORY") == "1":
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"CuPy cannot write its cache of compiled kernels at {folder} ({error.strerror}); set CUPY_CACHE_DIR"
