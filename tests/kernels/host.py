"""The .cu text compiled by the host's C++ compiler behind shim.h, called as `launcher.run` is."""

import ctypes
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from reproduce.kernels.cuda import compile as load
from reproduce.kernels.cuda import launcher

COMPILER = shutil.which("g++")
HERE = Path(__file__).parent
KERNEL = re.compile(
    r'extern "C" __global__ void __launch_bounds__\(THREADS(?:, \w+)?\)\s*(\w+)\((.*?)\)\s*\{', re.DOTALL
)


def trampoline(name, parameters):
    """C++ that calls a kernel with arguments given as an array of pointers, as the CUDA driver takes them."""
    types = [re.match(r"\s*(.*?)(?:__restrict__)?\s*\w+\s*$", p.replace("\n", " "))[1] for p in parameters.split(",")]
    values = ", ".join(f"*static_cast<{kind.strip()}*>(args[{i}])" for i, kind in enumerate(types))
    return (
        f'extern "C" int run_{name}(int first, int x, int y, int z, int barriers, void** args) '
        f"{{ return shim::run(first, {{x, y, z}}, barriers, [=] {{ {name}({values}); }}); }}\n"
    )


def bodies(text):
    """Kernel name -> its text up to the next kernel."""
    found = list(KERNEL.finditer(text))
    ends = [m.start() for m in found[1:]] + [len(text)]
    return {m[1]: (m[2], text[m.start() : end]) for m, end in zip(found, ends, strict=True)}


@cache
def folder():
    return Path(tempfile.mkdtemp(prefix="kernels-"))


@cache
def library(source, macros):
    """The shared library of ``source``.cu for one macro set; warnings are errors."""
    text = load.read_source(source)
    stem = folder() / "-".join([source, *(f"{n}{v}" for n, v in macros)])
    calls = "".join(trampoline(name, parameters) for name, (parameters, _) in bodies(text).items())
    stem.with_suffix(".cpp").write_text(f'#include "{HERE / "shim.h"}"\n{text}\n{calls}')
    command = [
        COMPILER, "-std=c++17", "-O1", "-ffp-contract=off", "-fsanitize=undefined", "-fno-sanitize-recover=undefined",
        "-static-libubsan", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unknown-pragmas",
        "-Wno-clobbered", "-shared", "-fPIC", *load.define(macros),
        "-o", str(stem.with_suffix(".so")), str(stem.with_suffix(".cpp")),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr[:4000])
    return ctypes.CDLL(str(stem.with_suffix(".so")))


def run(source, kernel, macros, grid, *arguments, first=0):
    """What `launcher.run` does, on the CPU, from block ``first`` of grid x on."""
    if 0 in grid:
        return
    for argument in arguments:
        if hasattr(argument, "is_contiguous"):
            assert argument.is_contiguous(), f"{kernel}: a kernel argument is not contiguous"
    packed = [np.asarray(launcher.pack(argument)) for argument in arguments]
    pointers = (ctypes.c_void_p * len(packed))(*(p.ctypes.data for p in packed))
    barriers = "pool" in bodies(load.read_source(source))[kernel][1]
    broken = getattr(library(source, macros), f"run_{kernel}")(first, *grid, int(barriers), pointers)
    assert not broken, f"{kernel}: threads of one block disagree about a barrier"
