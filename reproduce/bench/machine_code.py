"""The kernels' machine code, read without a GPU: NVRTC compiles, nvdisasm lists, and here it is counted.

    found = read_code("local", macros, 90)["aggregate"]
    found.registers, found.spilled, found.loops

NVRTC comes with torch's CUDA packages; nvdisasm with the package nvidia-cuda-nvdisasm, or with Triton.
"""

import ctypes
import importlib.util
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from reproduce.errors import UserError
from reproduce.kernels.cuda.compile import Macros, define, read_source

CUPY = "-ftz=true"  # which CuPy appends to every kernel's own options: subnormal float32 values become zero
PRODUCTS = ("FFMA", "DFMA", "HMMA")
_USED = re.compile(
    r"Function properties for (\w+)\s*\n?[^\n]*?(\d+) bytes spill stores, (\d+) bytes spill loads"
    r"[^\n]*\n[^\n]*?Used (\d+) registers(?:.*?(\d+) bytes smem)?"
)
_LINE = re.compile(r"/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P\d+\s+)?([A-Z][A-Z0-9_.]*)([^;]*);")


class Instruction(NamedTuple):
    """One line of machine code: its address in bytes, its name, and where it jumps to, if it does."""

    address: int
    name: str
    target: int | None


class Loop(NamedTuple):
    """Machine code from a jump's target to the jump back to it."""

    first: int
    last: int
    instructions: int
    products: int  # multiply-adds among them
    loads: int  # loads from global memory


class Code(NamedTuple):
    """What a compiled kernel takes of a multiprocessor, and its loops."""

    registers: int
    spilled: int  # bytes, stores and loads
    shared: int  # bytes of shared memory that one block has
    instructions: int
    loops: tuple[Loop, ...]


def _list_roots(*packages: str) -> list[Path]:
    """Return the folders of those ``packages`` that are installed; none is imported."""
    specs = [importlib.util.find_spec(name) for name in packages]
    return [Path(root) for spec in specs if spec is not None for root in spec.submodule_search_locations or ()]


@cache
def find_library() -> Any | None:
    """Return libnvrtc, or None where torch came without it."""
    found = sorted(path for root in _list_roots("nvidia") for path in root.rglob("libnvrtc.so*"))
    return ctypes.CDLL(str(found[0])) if found else None


@cache
def find_disassembler() -> str | None:
    """Return the path of nvdisasm, or None."""
    found = [path for root in _list_roots("nvidia", "triton") for path in sorted(root.rglob("nvdisasm"))]
    return next((str(path) for path in found if path.is_file()), None)


def list_architectures() -> set[int]:
    """Return the compute capabilities that this NVRTC knows, ten times the number."""
    nvrtc, count = _need_library(), ctypes.c_int()
    nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(count))
    known = (ctypes.c_int * count.value)()
    nvrtc.nvrtcGetSupportedArchs(known)
    return set(known)


def compile_source(name: str, macros: Macros, architecture: int) -> tuple[bytes | None, str]:
    """Return (machine code, or None where it does not compile, log) of ``name``.cu; ptxas reports in the log."""
    nvrtc, program = _need_library(), ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), read_source(name).encode(), f"{name}.cu".encode(), 0, None, None)
    options = [f"--gpu-architecture=sm_{architecture}", "--ptxas-options=-v", *define(macros), CUPY]
    array = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = nvrtc.nvrtcCompileProgram(program, len(options), array)
    log = _fetch(program, nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog).replace(b"\0", b"").decode()
    code = None if status else _fetch(program, nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return code, log


def read_usage(log: str) -> dict[str, tuple[int, int, int]]:
    """Return kernel -> (registers, bytes spilled to local memory, bytes of shared memory) from ptxas' report."""
    return {
        name: (int(registers), int(stores) + int(loads), int(shared or 0))
        for name, stores, loads, registers, shared in _USED.findall(log)
    }


@cache
def read_code(name: str, macros: Macros, architecture: int) -> dict[str, Code]:
    """Return the machine code of every kernel of ``name``.cu, counted.

    Raises:
        UserError: no NVRTC or nvdisasm here, or a source that does not compile.
    """
    code, log = compile_source(name, macros, architecture)
    if code is None:
        raise UserError(f"{name}.cu does not compile for sm_{architecture}", log[:400])
    usage, found = read_usage(log), {}
    for kernel, lines in disassemble(code).items():
        registers, spilled, shared = usage[kernel]
        found[kernel] = Code(registers, spilled, shared, len(lines), find_loops(lines))
    return found


def disassemble(code: bytes) -> dict[str, list[Instruction]]:
    """Return the instructions of every kernel, without the padding at its end."""
    tool = find_disassembler()
    if tool is None:
        raise UserError("nvdisasm is not installed", "pip install nvidia-cuda-nvdisasm")
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        text = subprocess.run([tool, "-c", file.name], capture_output=True, text=True, check=True).stdout
    found = {}
    for part in re.split(r"\n\s*\.section\s+\.text\.", text)[1:]:
        labels = {name: int(at, 16) for name, at in re.findall(r"^(\.L_x_\d+):\s*\n\s*/\*([0-9a-f]+)\*/", part, re.M)}
        lines = []
        for at, name, rest in _LINE.findall(part):
            jump = re.search(r"`\((\.L_x_\d+)\)", rest) if name.startswith(("BRA", "BRX")) else None
            lines.append(Instruction(int(at, 16), name, labels.get(jump[1]) if jump else None))
        found[re.match(r"(\w+)", part)[1]] = [line for line in lines if line.name != "NOP"]  # type: ignore[index]
    return found


def find_loops(lines: list[Instruction]) -> tuple[Loop, ...]:
    """Return all loops, nested ones too, in the order of their ends; a jump to itself at the end is none."""
    spans = [(line.target, line.address) for line in lines if line.target is not None and line.target < line.address]
    found = []
    for first, last in spans:
        body = [line.name for line in lines if first <= line.address <= last]
        products = sum(name.startswith(PRODUCTS) for name in body)
        found.append(Loop(first, last, len(body), products, sum(name.startswith("LDG") for name in body)))
    return tuple(found)


def _need_library() -> Any:
    nvrtc = find_library()
    if nvrtc is None:
        raise UserError("NVRTC is not installed", "it comes with the CUDA packages of torch")
    return nvrtc


def _fetch(program: ctypes.c_void_p, measure: Any, copy: Any) -> bytes:
    size = ctypes.c_size_t()
    measure(program, ctypes.byref(size))
    held = ctypes.create_string_buffer(size.value)
    copy(program, held)
    return held.raw
