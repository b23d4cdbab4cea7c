"""Claims of the slides on attention-augmented convolution (CIFAR-100, Tiny-ImageNet)."""

import math

from paper_tables.claims.checks import better, faster, proven, ratio, similar
from paper_tables.claims.claim import Claim, Part

_SLIDES = "augmented-convolution slides"
_RUNS = "paper budget, several seeds"
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
        note="Of the cores alone. Memory of the quadratic core does not grow with dk + dv as the slides say.",
    ),
    Claim(
        id="aa-1b",
        statement="In every layer where it was used the linear core is the cheaper one.",
        source=f"{_SLIDES}, objective; sizes from the authors' code",
        needs="closed form of the MACs",
        parts=tuple(_cheaper(*layer) for layer in LAYERS),
        note="It pays above 2 dk dv / (heads (dk + dv)) positions: 102 in the wide networks; later maps are smaller.",
    ),
    Claim(
        id="aa-2",
        statement="With linear attention a network trains faster than with dot products.",
        source=f"{_SLIDES}, objective; times from the authors' result files",
        needs="training speed of both forms on one device",
        parts=tuple(
            faster(slow.replace("-aa", "-laa"), slow, "an epoch") for slow in ("wrn-aa-c100", "wrn-aa-tiny", "cnn2-aa")
        ),
        printed=True,
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
        statement="It loses accuracy, too, with its softmax over the axes that the cited method has.",
        source="ours, after Shen et al. 2021",
        needs=f"simple networks on CIFAR-100, {_RUNS}",
        parts=(better("cnn2-aa", "cnn2-laa model.axes=shen"),),
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
        statement="Fixed sine and cosine positions do better than learned ones.",
        source=f"{_SLIDES}, slide on the experiments",
        needs=f"the simple augmented network with both codes on CIFAR-100, {_RUNS}",
        parts=(better("cnn2-aa", "cnn2-aa model.positions=learned"),),
        note="No numbers are given for it.",
    ),
)
