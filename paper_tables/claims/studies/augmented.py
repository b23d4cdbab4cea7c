"""Claims of the slides on attention-augmented convolution (CIFAR-100, Tiny-ImageNet)."""

import math
from collections.abc import Callable
from statistics import fmean, linear_regression

from paper_tables.claims.claim import Claim, Part
from paper_tables.claims.costs import faster
from paper_tables.claims.evidence import Evidence
from paper_tables.claims.measured_files import read_bench
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.questions import better, fact, narrows, proven, ratio, similar
from paper_tables.claims.tested import Limit, hold_against

_SLIDES = "augmented-convolution slides"
_RUNS = "paper budget, several seeds"
_BENCH = "attnrepro bench --cpu --suite complexity --out paper_tables/measured/bench"
# Augmented layers as run: name, positions n, and per layer dk, dv, heads (authors' code).
LAYERS = (
    ("simple net, block 1", 256, 32, 32, 2),
    ("simple net, block 2", 64, 128, 128, 4),
    ("wide net, CIFAR, group 1", 256, 256, 64, 1),
    ("wide net, CIFAR, group 2", 64, 512, 128, 2),
    ("wide net, CIFAR, group 3", 16, 1024, 256, 4),
    ("wide net, Tiny, group 1", 1024, 256, 64, 1),
    ("wide net, Tiny, group 2", 256, 512, 128, 2),
    ("wide net, Tiny, group 3", 64, 1024, 256, 4),
)


def count_quadratic(n: int, dk: int, dv: int, heads: int) -> int:
    """Return the MACs of dot-product attention over ``n`` positions, projections left out: heads do not matter."""
    del heads
    return n * n * (dk + dv)


def count_linear(n: int, dk: int, dv: int, heads: int) -> int:
    """Return the MACs of linear attention over ``n`` positions: keys by values, then queries by that."""
    return 2 * n * dk * dv // heads


def measure_field(layers: list[tuple[int, int]]) -> int:
    """Return the receptive field of convolutions given as (kernel, stride), in pixels of the input."""
    field, step = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


def _slope(count: object, wanted: float) -> tuple[bool, float]:
    big, small = count(4096, 256, 64, 1), count(1024, 256, 64, 1)  # type: ignore[operator]
    slope = math.log(big / small) / math.log(4)
    return math.isclose(slope, wanted), slope


def keep_quadratic(n: int, dk: int, dv: int, heads: int) -> int:
    """Return the numbers that dot-product attention keeps for its backward pass: weights, queries, keys, values."""
    return heads * n * n + n * (2 * dk + dv)


def keep_linear(n: int, dk: int, dv: int, heads: int) -> int:
    """Return the numbers that linear attention keeps for its backward pass: context, queries, keys, values."""
    return dk * dv // heads + n * (2 * dk + dv)


def _memory_slope(count: Callable[[int, int, int, int], int], low: float, high: float) -> tuple[bool, float]:
    """Return the log-log slope from 1,024 to 16,384 positions of the widest layer, and whether it is in bounds."""
    slope = math.log(count(16384, 256, 64, 1) / count(1024, 256, 64, 1)) / math.log(16)
    return low <= slope <= high, slope


def _measured_slope(form: str, column: str, bound: float) -> Part:
    what = {"ms": "time", "peak_mb": "memory"}[column]

    def examine(evidence: Evidence) -> Outcome | Missing:
        sessions = read_bench("complexity") if evidence.side == "ours" else []
        slopes = [found for session in sessions if (found := _fit(session, form, column)) is not None]
        if not slopes:
            return Missing("both cores not measured here", (_BENCH,))
        limit = Limit(bound, "slope", f"log-log slope of {what}", reached=form == "full")
        return hold_against(slopes, limit, f"{len(slopes)} benchmark{'s' * (len(slopes) > 1)}")

    return fact(f"{form} attention, {what}", examine, random=True)


def _fit(session: list[dict[str, str]], form: str, column: str) -> float | None:
    """Return the mean over layers of the least-squares slope of log cost over log positions, last three points."""
    slopes = []
    for layer in sorted({line["layer"] for line in session}):
        points = sorted(
            (math.log(float(line["tokens"])), math.log(float(line[column])))
            for line in session
            if line["layer"] == layer and line["form"] == form and float(line[column] or 0) > 0
        )[-3:]
        if len(points) == 3:
            slopes.append(linear_regression(*zip(*points, strict=True)).slope)
    return fmean(slopes) if slopes else None


def _cheaper(name: str, n: int, dk: int, dv: int, heads: int) -> Part:
    def compare() -> tuple[bool, float]:
        quotient = count_quadratic(n, dk, dv, heads) / count_linear(n, dk, dv, heads)
        return quotient > 1, quotient

    return proven(f"{name}, {n} positions", compare, "x", "MACs, quadratic over linear core")


def _pairs(rows: tuple[str, ...], within: float) -> tuple[Part, ...]:
    return tuple(similar(one, other, within) for i, one in enumerate(rows) for other in rows[i + 1 :])


_SIMPLE = [(3, 1), (3, 2), (3, 1), (3, 2), (3, 1)]
_WIDE = [(3, 1), *[layer for _ in range(3) for layer in ((3, 2), (3, 1), (3, 1), (3, 1))]]
CLAIMS = (
    Claim(
        id="aa-1",
        statement="Dot products cost as the square of the number of positions, linear attention in proportion to it.",
        source=f"{_SLIDES}, slides on AA-Conv and LAA-Conv",
        needs="closed form of the MACs",
        parts=(
            proven("dot product", lambda: _slope(count_quadratic, 2.0), "slope", "log-log slope of MACs is 2"),
            proven("linear", lambda: _slope(count_linear, 1.0), "slope", "log-log slope of MACs is 1"),
        ),
        note="Of the cores alone.",
    ),
    Claim(
        id="aa-1c",
        statement="Memory grows as the square of the number of positions with dot products, else in proportion.",
        source=f"{_SLIDES}, slides on AA-Conv and LAA-Conv",
        needs="closed form of what the backward pass keeps",
        parts=(
            proven("dot product", lambda: _memory_slope(keep_quadratic, 1.8, 2.1), "slope", "log-log slope 1.8 to 2.1"),
            proven("linear", lambda: _memory_slope(keep_linear, 0.9, 1.1), "slope", "log-log slope 0.9 to 1.1"),
        ),
        note="The weights' share, heads times n squared, does not grow with dk + dv, as the slides have it.",
    ),
    Claim(
        id="aa-1d",
        statement="Measured, too, both cores cost time and memory with these exponents.",
        source="ours, on the same slides",
        needs="the benchmark of both cores over the number of positions, several sessions",
        parts=tuple(
            _measured_slope(form, column, bound)
            for form, bound in (("full", 1.8), ("linear", 1.1))
            for column in ("ms", "peak_mb")
        ),
        note="Slopes of the last three points, their mean over the layers measured: at least 1.8, and at most 1.1.",
    ),
    Claim(
        id="aa-1b",
        statement="In every layer where it was used the linear core is the cheaper one.",
        source=f"ours, on the objective of the {_SLIDES}; sizes from the authors' code",
        needs="closed form of the MACs",
        parts=tuple(_cheaper(*layer) for layer in LAYERS),
        note="It pays above 2 dk dv / (heads (dk + dv)) positions: 102 in the wide networks; later maps are smaller.",
    ),
    Claim(
        id="aa-2",
        statement="With linear attention a network trains faster than with dot products.",
        source=f"ours, on the objective of the {_SLIDES} (how linear attention affects time); the authors' times",
        needs="training speed of both forms on one device",
        parts=tuple(
            faster(slow.replace("-aa", "-laa"), slow, "an epoch") for slow in ("wrn-aa-c100", "wrn-aa-tiny", "cnn2-aa")
        ),
    ),
    Claim(
        id="aa-3",
        statement="On CIFAR-100 the three wide networks perform alike: within one point.",
        source=f"{_SLIDES}, conclusion 1",
        needs=f"wide networks on CIFAR-100, {_RUNS}",
        parts=_pairs(("wrn-c100", "wrn-aa-c100", "wrn-laa-c100"), 0.01),
        note="One point is our margin. One run each was made: their test covers the 10,000 test images only.",
    ),
    Claim(
        id="aa-3b",
        statement="The plain wide network is ahead of both augmented ones on CIFAR-100.",
        source=f"ours, on the {_SLIDES}' CIFAR-100 numbers",
        needs=f"wide networks on CIFAR-100, {_RUNS}",
        parts=(better("wrn-c100", "wrn-aa-c100"), better("wrn-c100", "wrn-laa-c100")),
    ),
    Claim(
        id="aa-4",
        statement="On Tiny-ImageNet the three wide networks perform alike: within one point.",
        source=f"{_SLIDES}, conclusion 1",
        needs=f"wide networks on Tiny-ImageNet, {_RUNS}",
        parts=_pairs(("wrn-tiny", "wrn-aa-tiny", "wrn-laa-tiny"), 0.01),
        note="As run, the linear network had one convolution more than the others (A2).",
    ),
    Claim(
        id="aa-5",
        statement="A shallow network with augmented convolutions is more accurate than the plain one.",
        source=f"{_SLIDES}, conclusion 2",
        needs=f"simple networks on CIFAR-100, {_RUNS}",
        parts=(better("cnn2-aa", "cnn2"),),
        note="The augmented one has a fifth fewer parameters.",
    ),
    Claim(
        id="aa-5b",
        statement="The augmented shallow network has fewer parameters than the plain one.",
        source=f"ours, on the {_SLIDES}",
        needs="structure",
        parts=(ratio("cnn2-aa", "cnn2", 0.0, 1.0),),
    ),
    Claim(
        id="aa-6",
        statement="The linear approximation loses accuracy.",
        source=f"{_SLIDES}, conclusion 2",
        needs=f"simple networks on CIFAR-100, {_RUNS}",
        parts=(better("cnn2-aa", "cnn2-laa"),),
        note="Its softmax axes are swapped against the method it cites (A1); aa-6b asks the same with the right ones.",
    ),
    Claim(
        id="aa-6b",
        statement="The linear approximation loses accuracy with its softmax over the cited method's axes, too.",
        source="ours, after Shen et al. 2021",
        needs=f"simple networks on CIFAR-100, {_RUNS}",
        parts=(better("cnn2-aa", "cnn2-laa model.axes=shen"),),
    ),
    Claim(
        id="aa-6c",
        statement="Depth makes up for the linear approximation: it loses less in the deep network.",
        source=f"{_SLIDES}, conclusion 1",
        needs=f"both forms of the wide and of the simple network on CIFAR-100, {_RUNS}",
        parts=(narrows(("cnn2-aa", "cnn2-laa"), ("wrn-aa-c100", "wrn-laa-c100")),),
        note="A difference of differences. In the printed numbers the deep network gains by it.",
    ),
    Claim(
        id="aa-7",
        statement="The wide network's convolutions see the whole image, the simple network's do not.",
        source=f"{_SLIDES}, conclusion 1",
        needs="closed form of the receptive field",
        parts=(
            proven("wide, 64 pixels", lambda: ((f := measure_field(_WIDE)) >= 64, float(f)), "pixels", "at least 64"),
            proven("simple, 32 pixels", lambda: ((f := measure_field(_SIMPLE)) < 32, float(f)), "pixels", "below 32"),
        ),
        note="Pooling over the whole map sees everything in either.",
    ),
    Claim(
        id="aa-8",
        statement="Fixed sine and cosine positions do better than learned ones, absolute or relative.",
        source=f"{_SLIDES}, slide on the experiments",
        needs=f"the simple augmented network with each code on CIFAR-100, {_RUNS}",
        parts=tuple(better("cnn2-aa", f"cnn2-aa model.positions={code}") for code in ("learned", "relative")),
        note="No numbers are given for it; the slides' learned code is a relative one.",
    ),
    Claim(
        id="aa-8b",
        statement="Fixed sine and cosine positions do better than none.",
        source=f"ours, the control of the {_SLIDES}' experiment",
        needs=f"the simple augmented network with and without a code on CIFAR-100, {_RUNS}",
        parts=(better("cnn2-aa", "cnn2-aa model.positions=none"),),
    ),
)
