"""Every .cu compiles for every architecture without a warning, and on sm_90 without spilling a register."""

import itertools
import re

import pytest

from . import compiler, host

ARCHITECTURES = (75, 80, 86, 89, 90, 100)
KERNELS = (1, 3, 5, 7, 9, 11)
LAST = {
    "local": [()],
    "pair": [(("FORM", form), ("ROWS", rows)) for form in (0, 1) for rows in (16, 64)],
    "infer": [(("FORM", form), ("ROWS", rows)) for form in (0, 1) for rows in (16, 64)],
    "patch": [(("CENTRE", centre), ("ROWS", rows)) for centre in (0, 1) for rows in (16, 64)],
}
SCALARS = {"local": (0, 1, 2, 3), "pair": (2, 3), "infer": (2, 3), "patch": (2, 3)}

pytestmark = pytest.mark.skipif(compiler.library() is None, reason="torch came without NVRTC")


def macros(scalar, kernel, stride, dilation, reflect, last):
    names = ("SCALAR", "KERNEL", "STRIDE", "DILATION", "REFLECT")
    return (*zip(names, (scalar, kernel, stride, dilation, reflect), strict=True), *last)


def full(source):
    """Every scalar, kernel and border rule with every variant, and strides and dilations beside k = 3."""
    plain = itertools.product(SCALARS[source], KERNELS, [1], [1], [0, 1], LAST[source])
    moved = itertools.product(SCALARS[source], [3], [1, 2, 3, 4], [1, 2, 3], [1], LAST[source])
    return sorted({macros(*case) for case in (*plain, *moved)})


def covering(source):
    """Few sets in which every value of every macro is present."""
    strides, dilations = itertools.cycle((1, 2, 3)), itertools.cycle((1, 1, 2))
    scalars, lasts, borders = (itertools.cycle(v) for v in (SCALARS[source], LAST[source], (1, 1, 0)))
    return [
        macros(next(scalars), kernel, next(strides), next(dilations), next(borders), next(lasts)) for kernel in KERNELS
    ]


def check(source, macro_set, architecture):
    ok, log = compiler.compile_source(source, macro_set, architecture)
    assert ok, log[:4000]
    assert "warning" not in log.lower(), log[:4000]
    spilled = compiler.spills(log)
    assert set(spilled) == set(host.bodies(compiler.load.read_source(source))), "the report misses a kernel"
    if architecture == 90:
        assert not any(spilled.values()), f"{macro_set}: {spilled}"


@pytest.mark.parametrize("source", LAST)
def test_compiles_for_sm_90(source):
    for macro_set in covering(source)[1:4:2]:
        check(source, macro_set, 90)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", LAST)
def test_compiles_for_every_architecture(source, architecture):
    if architecture not in compiler.architectures():
        pytest.skip(f"this NVRTC does not know sm_{architecture}")
    for macro_set in covering(source):
        check(source, macro_set, architecture)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("source", LAST)
def test_every_macro_set_on_sm_90(source, part):
    for macro_set in full(source)[part::8]:
        check(source, macro_set, 90)


def test_launch_bounds():
    for source in LAST:
        text = compiler.load.read_source(source)
        assert text.count("__global__ void") == len(re.findall(r"__launch_bounds__\(THREADS(?:, 1)?\)\n", text))
        assert "#define THREADS 256" in text
        assert "atomic" not in text.replace("no atomics", "")
