"""Bounds on the kernels' machine code at SAN10's stage 1: instructions per tap, registers, spills, blocks."""

import pytest

from reproduce.bench import code
from reproduce.bench.machine_code import Instruction, find_disassembler, find_library, find_loops, read_code

pytestmark = pytest.mark.skipif(
    find_library() is None or find_disassembler() is None, reason="needs NVRTC (torch's CUDA packages) and nvdisasm"
)
# Instructions per tap, at most. The first is the target. The next two and pair_attend's are half of what the main loops
# took before pointers were hoisted: 97 and 131 per tap, 38 per tap and row of h. The other three keep what was reached;
# how many taps a turn of their former loops did was not measured.
MOST = {
    "aggregate": 60,
    "aggregate_to_map": 48.5,
    "aggregate_to_weight": 65.5,
    "subtract": 24,
    "scatter": 39,
    "sum_centres": 30,
    "pair_attend": 19,
}


@pytest.mark.parametrize("architecture", code.ARCHITECTURES)
@pytest.mark.parametrize("source", code.STAGE1)
def test_bounds_hold(source, architecture):
    for kernel, found in read_code(source, code.STAGE1[source], architecture).items():
        line = code.describe(kernel, found, architecture)
        assert line["spilled_bytes"] == 0, kernel
        assert line["registers"] <= 128, kernel
        assert line["blocks_per_multiprocessor"] >= 2, kernel
        if kernel in MOST:
            assert 0 < line["instructions_per_tap"] <= MOST[kernel], (kernel, line)


@pytest.mark.parametrize("architecture", code.ARCHITECTURES)
@pytest.mark.parametrize(("stage", "rows"), [(2, 32), (3, 64), (4, 32), (5, 32)])
def test_no_stage_of_san10_spills(stage, rows, architecture):
    """Later stages have 32 to 128 rows: tiles of 32 and 64."""
    for source, macros in code.STAGE1.items():
        sizes = dict(macros) | {name: rows for name in ("ROWS", "ACROSS") if name in dict(macros)}
        for kernel, found in read_code(source, tuple(sizes.items()), architecture).items():
            assert found.spilled == 0, (stage, kernel)
            assert code.blocks_per_multiprocessor(found, architecture) >= 2, (stage, kernel)


def test_loops_are_found():
    lines = [
        Instruction(0, "MOV", None), Instruction(16, "FFMA", None), Instruction(32, "LDG.E", None),
        Instruction(48, "BRA", 16), Instruction(64, "BRA", 0), Instruction(80, "BRA", 80),
    ]  # fmt: skip
    inner, outer = find_loops(lines)
    assert inner == (16, 48, 3, 1, 1)
    assert outer == (0, 64, 5, 1, 1)


def test_the_data_sheet_is_what_the_compiler_makes():
    import csv
    from pathlib import Path

    with (Path(__file__).parents[2] / "docs" / "kernels.csv").open() as file:
        committed = list(csv.DictReader(file))
    cases, _ = code.measure("cuda", None, 1)
    assert [line["case"] for line in committed] == [case["case"] for case in cases]
    for line, case in zip(committed, cases, strict=True):  # other releases of the compiler count a little otherwise
        assert int(line["registers"]) == pytest.approx(case["registers"], rel=0.25)
        assert int(line["instructions"]) == pytest.approx(case["instructions"], rel=0.25)
