"""NVRTC through ctypes, from the CUDA packages that torch brings: no driver and no GPU needed."""

import ctypes
import re
from functools import cache
from pathlib import Path

from reproduce.kernels.cuda import compile as load

CUPY = "-ftz=true"  # which CuPy appends to every kernel's own options: subnormal float32 values become zero
SPILL = re.compile(r"Function properties for (\w+)\s*\n?[^\n]*?(\d+) bytes spill stores, (\d+) bytes spill loads")


@cache
def library():
    """libnvrtc, or None where torch came without it."""
    try:
        import nvidia
    except ImportError:
        return None
    found = sorted(path for root in nvidia.__path__ for path in Path(root).rglob("libnvrtc.so*"))
    return ctypes.CDLL(str(found[0])) if found else None


def architectures():
    """Compute capabilities that this NVRTC knows, as integers."""
    count = ctypes.c_int()
    library().nvrtcGetNumSupportedArchs(ctypes.byref(count))
    known = (ctypes.c_int * count.value)()
    library().nvrtcGetSupportedArchs(known)
    return set(known)


def compile_source(name, macros, architecture):
    """(ok, log) of ``name``.cu for one macro set, with the assembler's report on registers and spills."""
    nvrtc, program = library(), ctypes.c_void_p()
    text = load.read_source(name).encode()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, f"{name}.cu".encode(), 0, None, None)
    options = [f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v", *load.define(macros), CUPY]
    array = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = nvrtc.nvrtcCompileProgram(program, len(options), array)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return status == 0, log.raw.replace(b"\0", b"").decode()


def spills(log):
    """Kernel name -> bytes spilled to local memory."""
    return {name: int(stores) + int(loads) for name, stores, loads in SPILL.findall(log)}
