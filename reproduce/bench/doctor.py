"""What this machine can do: versions, devices, and which kernels run, and why.

attnrepro doctor
"""

import importlib.metadata
import platform
from typing import Any

import torch

from reproduce.data.source import data_root
from reproduce.record.ledger import ledger_path


def examine() -> dict[str, Any]:
    """Return findings by name, each a sentence or a number."""
    findings: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": f"{torch.__version__}, built for {'CUDA ' + torch.version.cuda if torch.version.cuda else 'the CPU'}",
        "threads": torch.get_num_threads(),
        "bfloat16": _bfloat16(),
        "gpu": _gpu(),
        "cupy": _version("cupy-cuda13x") or _version("cupy-cuda12x") or f"not installed; {_extra()}",
        "kernels": _kernels(),
        "data": str(data_root()),
        "ledger": str(ledger_path()),
    }
    return findings


def _gpu() -> str:
    if not torch.cuda.is_available():
        return "none that torch can use; everything runs on the CPU"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(f"cuda:{index} {name}" for index, name in enumerate(names))


def _extra() -> str:
    major = (torch.version.cuda or "").partition(".")[0]
    if major in ("12", "13"):
        return f"for CUDA kernels: pip install 'attnrepro[cuda{major}]'"
    return "this torch is built without CUDA, so CuPy would not help"


def _kernels() -> str:
    from reproduce.kernels import explain_backend

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backend, reason = explain_backend(device)
    return f"{backend}: {reason}"


def _bfloat16() -> str:
    if torch.cuda.is_available():
        return "in hardware" if torch.cuda.is_bf16_supported() else "emulated: slow"
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    if supported is None:
        return "unknown: this torch does not say"
    return "in hardware (avx512-bf16)" if supported() else "emulated: slower than float32"


def _version(distribution: str) -> str | None:
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return None
