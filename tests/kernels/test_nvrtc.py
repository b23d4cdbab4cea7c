"""Every .cu compiles for every architecture without a warning, and on sm_90 without spilling a register.

The assembler's own report (ptxas -v) says what is spilled; no tool of the CUDA toolkit is needed.
"""

import itertools
import os
import random
import re

import pytest

from reproduce.kernels import tiling

from . import compiler, host

ARCHITECTURES = (75, 80, 86, 89, 90, 100)
KERNELS = (1, 3, 5, 7, 9, 11)
HEIGHTS = tiling.HEIGHTS


def tiled(choice):
    return [((choice, value), ("ROWS", rows)) for rows in HEIGHTS for value in (0, 1)]


def outer(choice):
    return [(*last, ("ACROSS", across)) for last in tiled(choice) for across in HEIGHTS]


LAST = {
    "local": [()],
    "pair": tiled("FORM"),
    "pair_maps": tiled("FORM"),
    "pair_weights": outer("FORM"),
    "infer": tiled("FORM"),
    "patch": tiled("CENTRE"),
    "patch_weight": outer("CENTRE"),
}
SCALARS = dict.fromkeys(LAST, (2, 3)) | {"local": (0, 1, 2, 3)}

pytestmark = pytest.mark.skipif(compiler.library() is None, reason="torch came without NVRTC")


def macros(scalar, kernel, stride, dilation, reflect, last):
    names = ("SCALAR", "KERNEL", "STRIDE", "DILATION", "REFLECT")
    return (*zip(names, (scalar, kernel, stride, dilation, reflect), strict=True), *last)


def full(source):
    """Every scalar, kernel and border rule with every variant, and strides and dilations beside k = 3."""
    plain = itertools.product(SCALARS[source], KERNELS, [1], [1], [0, 1], LAST[source])
    moved = itertools.product(SCALARS[source], [3], [1, 2, 3, 4], [1, 2, 3], [1], LAST[source])
    return sorted({macros(*case) for case in (*plain, *moved)})


def all_pairs(source, seed):
    """Few sets in which every two values of two macros meet at least once; another ``seed``, other sets."""
    choices = [SCALARS[source], KERNELS, (1, 2, 3, 4), (1, 2, 3), (0, 1), LAST[source]]
    draw = random.Random(seed)
    missing = {
        (i, a, j, b)
        for i, j in itertools.combinations(range(len(choices)), 2)
        for a in range(len(choices[i]))
        for b in range(len(choices[j]))
    }
    found = []
    while missing:
        i, a, j, b = draw.choice(sorted(missing))
        best, most = None, -1
        for _ in range(40):
            case = [draw.randrange(len(values)) for values in choices]
            case[i], case[j] = a, b
            met = {(p, case[p], q, case[q]) for p, q in itertools.combinations(range(len(case)), 2)} & missing
            if len(met) > most:
                best, most = (case, met), len(met)
        found.append(macros(*(values[index] for values, index in zip(choices, best[0], strict=True))))
        missing -= best[1]
    return found


def covering(source):
    """Few sets in which every value of every macro is present."""
    strides, dilations = itertools.cycle((1, 2, 3)), itertools.cycle((1, 1, 2))
    scalars, lasts, borders = (itertools.cycle(v) for v in (SCALARS[source], LAST[source], (1, 1, 0)))
    kernels = itertools.islice(itertools.cycle(KERNELS), max(len(KERNELS), len(LAST[source])))
    return [
        macros(next(scalars), kernel, next(strides), next(dilations), next(borders), next(lasts)) for kernel in kernels
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
    for macro_set in covering(source)[1::3]:
        check(source, macro_set, 90)


@pytest.mark.parametrize("source", LAST)
def test_all_pairs_meet(source):
    sets = all_pairs(source, 90)
    sizes = {
        "SCALAR": len(SCALARS[source]),
        "KERNEL": 6,
        "STRIDE": 4,
        "DILATION": 3,
        "REFLECT": 2,
        "LAST": len(LAST[source]),
    }
    rows = [[*(value for _, value in chosen[:5]), chosen[5:]] for chosen in sets]
    for (i, one), (j, other) in itertools.combinations(enumerate(sizes), 2):
        assert len({(row[i], row[j]) for row in rows}) == sizes[one] * sizes[other], (one, other)
    assert len(sets) < len(full(source)) / 2


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", LAST)
def test_every_architecture(source, architecture, record_property):
    """Every two values of two macros meet, on every architecture in other company.

    The whole product (`test_every_macro_set`) takes minutes an architecture on one core, so it is thinned out here.
    """
    if architecture not in compiler.architectures():
        pytest.skip(f"this NVRTC does not know sm_{architecture}")
    sets = all_pairs(source, architecture)
    record_property("macro_sets", len(sets))
    for macro_set in sets:
        check(source, macro_set, architecture)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.environ.get("ATTNREPRO_EVERY_MACRO_SET"), reason="minutes; ATTNREPRO_EVERY_MACRO_SET=90,100")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", LAST)
def test_every_macro_set(source, architecture):
    """The whole product, for the architectures that ATTNREPRO_EVERY_MACRO_SET lists."""
    if str(architecture) not in os.environ["ATTNREPRO_EVERY_MACRO_SET"].split(","):
        pytest.skip(f"sm_{architecture} was not asked for")
    for macro_set in full(source):
        check(source, macro_set, architecture)


def test_launch_bounds():
    for source in LAST:
        text = compiler.load.read_source(source)
        assert text.count("__global__ void") == len(re.findall(r"__launch_bounds__\(THREADS(?:, \w+)?\)\n", text))
        assert "#define THREADS 256" in text
        assert "atomic" not in text.replace("no atomics", "")
