"""Every core twice: plain torch, on any device, and CUDA kernels. Which of the two runs is `backend`'s to say.

    PAIR[backend_of(cupy)].attend(...)

Both modules of a pair have the same functions with the same arguments and results; tests hold one against the other.
"""

from types import ModuleType

from reproduce.kernels.cpu import local as cpu_local
from reproduce.kernels.cpu import pair as cpu_pair
from reproduce.kernels.cpu import patch as cpu_patch
from reproduce.kernels.cuda import local as cuda_local
from reproduce.kernels.cuda import pair as cuda_pair
from reproduce.kernels.cuda import patch as cuda_patch

LOCAL: dict[str, ModuleType] = {"cpu": cpu_local, "cuda": cuda_local}
PAIR: dict[str, ModuleType] = {"cpu": cpu_pair, "cuda": cuda_pair}
PATCH: dict[str, ModuleType] = {"cpu": cpu_patch, "cuda": cuda_patch}


def backend_of(cupy: bool) -> str:
    """Return the key of the tables: ``cuda`` for the kernels, ``cpu`` for plain torch, which runs on any device."""
    return "cuda" if cupy else "cpu"
