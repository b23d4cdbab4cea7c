"""Suite ``code``: the CUDA kernels' data sheet from their machine code, without a GPU.

    attnrepro bench --gpu --suite code [--rows sm_90,pair_] [--out docs/kernels.csv]

For SAN10's pairwise and patchwise stage 1 (k = 7, 16 relation channels, float32). Registers, spills, shared memory and
instructions are counted in what NVRTC compiles; nothing is timed, so that no row says how fast a kernel is.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from reproduce.bench.machine_code import Code, Loop, read_code
from reproduce.bench.report import choose
from reproduce.kernels.cuda.compile import Macros
from reproduce.kernels.cuda.launcher import THREADS

ARCHITECTURES = (80, 90)
# Registers and bytes of shared memory of a multiprocessor: CUDA C++ Programming Guide, technical specifications.
REGISTERS = 65_536
SHARED = {80: 164 * 1024, 90: 228 * 1024}
RESERVED = 1024  # bytes of shared memory that the system takes per block (same place)
_WINDOW = (("SCALAR", 2), ("KERNEL", 7), ("STRIDE", 1), ("DILATION", 1), ("REFLECT", 1))
_PAIR, _PATCH = (*_WINDOW, ("FORM", 0), ("ROWS", 16)), (*_WINDOW, ("CENTRE", 0), ("ROWS", 16))
STAGE1: dict[str, Macros] = {
    "local": _WINDOW,
    "pair": _PAIR,
    "pair_maps": _PAIR,
    "pair_weights": (*_PAIR, ("ACROSS", 16)),
    "infer": _PAIR,
    "patch": _PATCH,
    "patch_weight": (*_PATCH, ("ACROSS", 16)),
}


class Turn(NamedTuple):
    """What one turn of a kernel's main loop does: so many taps, multiply-adds and values loaded."""

    taps: int
    products: int
    loads: int


# One tap and eight channels a turn, or a row of seven taps. Of products in tiles the loop of all is meant.
TURNS = {
    "aggregate": Turn(1, 8, 9),
    "aggregate_to_map": Turn(1, 8, 9),
    "aggregate_to_weight": Turn(1, 8, 8),
    "subtract": Turn(7, 0, 7),
    "scatter": Turn(7, 0, 7),
    "sum_centres": Turn(7, 0, 7),
    "pair_attend": Turn(7, 56, 7),
}


def main_loop(kernel: str, code: Code) -> Loop | None:
    """Return the shortest loop that does a whole turn of `TURNS`, None for kernels that are not there."""
    turn = TURNS.get(kernel)
    if turn is None:
        return None
    whole = [loop for loop in code.loops if loop.products >= turn.products and loop.loads >= turn.loads]
    return min(whole, key=lambda loop: loop.instructions, default=None)


def blocks_per_multiprocessor(code: Code, architecture: int) -> int:
    """Return how many blocks registers (given out to warps in units of 256) and shared memory leave room for."""
    per_warp = -(-code.registers * 32 // 256) * 256
    by_registers = REGISTERS // (per_warp * (THREADS // 32))
    return min(by_registers, SHARED[architecture] // (code.shared + RESERVED))


def measure(kind: str, rows: Sequence[str] | None, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case per architecture and kernel; ``kind`` and ``repetitions`` change nothing: counts are exact.

    Raises:
        UserError: no NVRTC or nvdisasm here, or a row that there is not.
    """
    del kind, repetitions
    found = {
        f"sm_{architecture}/{source}/{kernel}": describe(kernel, code, architecture)
        for architecture in ARCHITECTURES
        for source, macros in STAGE1.items()
        for kernel, code in read_code(source, macros, architecture).items()
    }
    cases = [{"case": name} | found[name] for name in choose(list(found), rows)]
    return cases, [
        "counted in the machine code that NVRTC makes for SAN10's stage 1 in float32; nothing was run or timed",
        "instructions_per_tap: those of the main loop, for 8 channels; of pair_attend for one row of h, too",
    ]


def describe(kernel: str, code: Code, architecture: int) -> dict[str, Any]:
    """Return a kernel's line of the data sheet."""
    loop, turn = main_loop(kernel, code), TURNS.get(kernel)
    each = None if loop is None or turn is None else round(loop.instructions / turn.taps, 1)
    return {
        "registers": code.registers,
        "spilled_bytes": code.spilled,
        "shared_bytes": code.shared,
        "blocks_per_multiprocessor": blocks_per_multiprocessor(code, architecture),
        "instructions": code.instructions,
        "instructions_per_tap": each,
    }
