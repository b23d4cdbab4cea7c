"""Every .cu compiles for every architecture without a warning, and on sm_90 without spilling a register.

The assembler's own report (ptxas -v) says what is spilled; no tool of the CUDA toolkit is needed.
"""

import itertools
import os
import random
import re

import pytest

from reproduce.kernels.cuda import compile as load
from reproduce.kernels.cuda import tiling
from tests.kernels import compiler, host

ARCHITECTURES = (75, 80, 86, 89, 90, 100)
KERNELS = (1, 3, 5, 7, 9, 11)
WINDOW = {"KERNEL": KERNELS, "STRIDE": (1, 2, 3, 4), "DILATION": (1, 2, 3), "REFLECT": (1, 0)}
TILE, OUTER = {"ROWS": tiling.HEIGHTS}, {"ROWS": tiling.HEIGHTS, "ACROSS": tiling.HEIGHTS}
MORE = {
    "local": {},
    "pair": {"FORM": (0, 1), **TILE},
    "pair_maps": {"FORM": (0, 1), **TILE},
    "pair_weights": {"FORM": (0, 1), **OUTER},
    "infer": {"FORM": (0, 1), **TILE},
    "patch": {"CENTRE": (0, 1), **TILE},
    "patch_weight": {"CENTRE": (0, 1), **OUTER},
}

pytestmark = pytest.mark.skipif(compiler.find_library() is None, reason="torch came without NVRTC")


def choices(source):
    """Every macro of ``source`` with the values that it takes, in the order of the launcher."""
    return {"SCALAR": (0, 1, 2, 3) if source == "local" else (2, 3), **WINDOW, **MORE[source]}


def product(values):
    return {tuple(zip(values, case, strict=True)) for case in itertools.product(*values.values())}


def full(source):
    """Every scalar, kernel and border rule with every variant, and strides and dilations beside k = 3."""
    values = choices(source)
    still, moved = {"STRIDE": (1,), "DILATION": (1,)}, {"KERNEL": (3,), "REFLECT": (1,)}
    return sorted(product(values | still) | product(values | moved))


def all_pairs(source, seed):
    """Few sets in which every two values of two macros meet at least once; another ``seed``, other sets."""
    names, values = zip(*choices(source).items(), strict=True)
    draw = random.Random(seed)
    missing = {
        (i, a, j, b)
        for i, j in itertools.combinations(range(len(values)), 2)
        for a in range(len(values[i]))
        for b in range(len(values[j]))
    }
    found = []
    while missing:
        i, a, j, b = draw.choice(sorted(missing))
        best, most = None, -1
        for _ in range(40):
            case = [draw.randrange(len(each)) for each in values]
            case[i], case[j] = a, b
            met = {(p, case[p], q, case[q]) for p, q in itertools.combinations(range(len(case)), 2)} & missing
            if len(met) > most:
                best, most = (case, met), len(met)
        picked = (each[index] for each, index in zip(values, best[0], strict=True))
        found.append(tuple(zip(names, picked, strict=True)))
        missing -= best[1]
    return found


def check(source, macro_set, architecture):
    code, log = compiler.compile_source(source, macro_set, architecture)
    assert code, log[:4000]
    assert "warning" not in log.lower(), log[:4000]
    spilled = compiler.spills(log)
    assert set(spilled) == set(host.bodies(load.read_source(source))), "the report misses a kernel"
    if architecture == 90:
        assert not any(spilled.values()), f"{macro_set}: {spilled}"


@pytest.mark.parametrize("source", MORE)
def test_compiles_for_sm_90(source):
    for macro_set in all_pairs(source, 90)[::6]:
        check(source, macro_set, 90)


@pytest.mark.parametrize("source", MORE)
def test_all_pairs_meet(source):
    sets, values = all_pairs(source, 90), choices(source)
    for one, other in itertools.combinations(values, 2):
        met = {(dict(chosen)[one], dict(chosen)[other]) for chosen in sets}
        assert met == set(itertools.product(values[one], values[other])), (one, other)
    assert len(sets) < len(full(source)) / 2


@pytest.mark.product(8)
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", MORE)
def test_every_architecture(source, architecture, record_property):
    """Every two values of two macros meet, on every architecture in other company.

    The whole product (`test_every_macro_set`) takes minutes an architecture on one core, so it is thinned out here.
    """
    if architecture not in compiler.list_architectures():
        pytest.skip(f"this NVRTC does not know sm_{architecture}")
    sets = all_pairs(source, architecture)
    record_property("macro_sets", len(sets))
    for macro_set in sets:
        check(source, macro_set, architecture)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.environ.get("ATTNREPRO_EVERY_MACRO_SET"), reason="minutes; ATTNREPRO_EVERY_MACRO_SET=90,100")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", MORE)
def test_every_macro_set(source, architecture):
    """The whole product, for the architectures that ATTNREPRO_EVERY_MACRO_SET lists."""
    if str(architecture) not in os.environ["ATTNREPRO_EVERY_MACRO_SET"].split(","):
        pytest.skip(f"sm_{architecture} was not asked for")
    for macro_set in full(source):
        check(source, macro_set, architecture)


def test_launch_bounds():
    for source in MORE:
        text = load.read_source(source)
        assert text.count("__global__ void") == len(re.findall(r"__launch_bounds__\(THREADS(?:, \w+)?\)\n", text))
        assert "#define THREADS 256" in text
        assert "atomic" not in text.replace("no atomics", "")
