"""Claims of the SAN review on the networks and operators: ImageNet, set operators, convolution, locality."""

import functools
from typing import Any

from paper_tables.claims.claim import Claim, Part
from paper_tables.claims.evidence import Evidence
from paper_tables.claims.measured_files import read_evaluations
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.questions import as_printed, better, fact, proven
from paper_tables.claims.studies.re_structure import turn_image
from paper_tables.claims.tested import side
from paper_tables.selection import TEST_IMAGES

_OFFICIAL = tuple(f"san{depth}-{kind}" for depth in (10, 15, 19) for kind in ("pair", "patch"))


_BASELINES = ((10, "resnet26"), (15, "resnet38"), (19, "resnet50"))  # of about the same size and FLOPs


def _evaluated(row: str) -> Part:
    """Return the part that official weights of ``row`` reach the printed accuracy, to a tenth of a point.

    On the very images that the paper tested on there is nothing random; on fewer the answer is another one.
    """

    def examine(evidence: Evidence) -> Outcome | Missing:
        printed, found = evidence.printed(row), read_evaluations(evidence.local).get(row)
        again = (f"attnrepro eval {row}.pth --data imagenet",)
        if evidence.side == "published" or printed is None or found is None:
            return Missing("official weights not evaluated here", again)
        top1, images = found
        wanted = TEST_IMAGES["imagenet"]
        if images != wanted:
            return Missing(f"{row} was evaluated on {images:,} images, not on all {wanted:,}", again)
        gap = top1 - printed.value
        toward = side(abs(gap) <= 0.001)
        return Outcome(toward=toward, effect=gap, unit="points", test="within 0.1 points", basis=f"{images:,} images")

    return fact(f"{row}: official weights give {row}'s accuracy", examine, (row,))


def _over_convolution(row: str, baseline: str, by: float) -> Part:
    """Return the part that the printed accuracy of ``row`` is above that of a convolutional ``baseline``."""
    printed = better(row, baseline, by)

    def examine(evidence: Evidence) -> Outcome | Missing:
        if evidence.side == "published":
            return printed.examine(evidence)
        again = (f"attnrepro eval {row}.pth --data imagenet",)
        return Missing(f"no weights of {baseline} are published, so that one side alone can be measured", again)

    return fact(printed.label, examine, (row, baseline))


def count_mapping(relation: int, weights: int, kernel: int, pairwise: bool) -> int:
    """Return the parameters of a SAN's mapping gamma with its two norms and, pairwise, its position layer.

    Args:
        relation: channels r of the queries and keys.
        weights: attention weights per place, Cw.
        kernel: side of the footprint.
        pairwise: subtraction with positions; otherwise patchwise concatenation.
    """
    if pairwise:
        seen = relation + 2
        return 2 * seen + seen * relation + 2 * relation + relation * weights + weights + 6
    seen = relation * (kernel * kernel + 1)
    return 2 * seen + seen * weights + 2 * weights + weights * kernel**2 * weights + kernel**2 * weights


def _size_and_footprint(pairwise: bool) -> tuple[bool, float]:
    counts = [count_mapping(16, 8, kernel, pairwise) for kernel in (3, 5, 7)]
    growth = float(counts[-1] - counts[0])
    return (growth == 0) == pairwise, growth


def _order_matters(pairwise: bool) -> tuple[bool, float]:
    """Shuffle the neighbours of a pixel with their weights' inputs: a set operator's output stays as it is."""
    import numpy as np

    random = np.random.default_rng(2)
    taps, channels = 9, 6
    centre, keys, values = (random.normal(size=shape) for shape in (channels, (taps, channels), (taps, channels)))
    order = random.permutation(taps)
    mapping = random.normal(size=(channels, channels))
    patch = random.normal(size=(channels * (taps + 1), taps * channels))

    def attend(k: Any, v: Any) -> Any:
        if pairwise:
            weight = np.exp(np.maximum(centre - k, 0) @ mapping)
            return (weight / weight.sum(axis=0) * v).sum(axis=0)
        seen = np.concatenate([centre, k.T.ravel()])  # phi first, then psi, channel by channel
        return ((np.maximum(seen, 0) @ patch).reshape(channels, taps).T * v).sum(axis=0)

    moved = float(np.abs(attend(keys[order], values[order]) - attend(keys, values)).max())
    return (moved < 1e-12) == pairwise, moved


def _filters_as_convolution() -> tuple[bool, float]:
    """Set the last weight of patchwise gamma to 0: its bias is then one fixed k x k filter, as a convolution has."""
    import numpy as np
    from scipy.signal import correlate

    random = np.random.default_rng(3)
    side, kernel = 9, random.normal(size=(3, 3))
    image, hidden = random.normal(size=(side, side)), random.normal(size=(side - 2, side - 2, 4))
    last_weight, last_bias = np.zeros((4, 9)), kernel.ravel()
    weight = hidden @ last_weight + last_bias  # per place and tap
    taps = np.stack([image[r : r + side - 2, c : c + side - 2] for r in range(3) for c in range(3)], axis=-1)
    error = float(np.abs((weight * taps).sum(axis=-1) - correlate(image, kernel, mode="valid", method="direct")).max())
    return error < 1e-12, error


def count_convolution(kernel: int, channels: int) -> int:
    """Return the weights of a convolution with as many channels in as out, without bias."""
    return kernel**2 * channels**2


def _grows(kernel: int, channels: int, less_kernel: int, less_channels: int) -> tuple[bool, float]:
    growth = count_convolution(kernel, channels) / count_convolution(less_kernel, less_channels)
    return growth > 1, growth


def count_attention(positions: int, neighbours: int, channels: int) -> tuple[int, int]:
    """Return (MACs, weights) of dot-product attention of every position over so many neighbours, one head."""
    return 2 * positions * neighbours * channels, positions * neighbours


def _localises(side_: int) -> tuple[bool, float]:
    """Return how many times as much attention over the whole map costs: the smaller saving, of MACs or weights."""
    whole, local = (count_attention(side_**2, neighbours, 64) for neighbours in (side_**2, 49))
    saving = min(one / two for one, two in zip(whole, local, strict=True))
    return saving >= 10, saving


CLAIMS = (
    Claim(
        id="san-1",
        statement="The official ImageNet weights give the accuracies of the SAN paper.",
        source="SAN review, section 4.4; Zhao et al. 2020, Table of ImageNet results",
        needs="the official weights and ILSVRC-2012's validation images",
        parts=tuple(_evaluated(row) for row in _OFFICIAL),
        table="imagenet",
        note="A tenth of a point is our tolerance for another image decoder.",
    ),
    Claim(
        id="san-1b",
        statement="SAN's networks have the printed sizes.",
        source="Zhao et al. 2020, Table of ImageNet results",
        needs="structure",
        parts=tuple(as_printed(row) for row in _OFFICIAL),
        table="imagenet",
    ),
    Claim(
        id="san-5",
        statement="Pairwise attention is a set operator: the order of neighbours and the footprint's size leave it be.",
        source="SAN review, section 3.1",
        needs="computation",
        parts=(
            proven("order of neighbours", lambda: _order_matters(True), "largest change", "below 1e-12"),
            proven("parameters, k = 3 to 7", lambda: _size_and_footprint(True), "parameters", "growth is 0"),
        ),
        note="Without positions; with them it depends on neighbour and place together.",
    ),
    Claim(
        id="san-6",
        statement="Patchwise attention is no set operator.",
        source="SAN review, section 3.2",
        needs="computation",
        parts=(
            proven("order of neighbours", lambda: _order_matters(False), "largest change", "above 1e-12"),
            proven("parameters, k = 3 to 7", lambda: _size_and_footprint(False), "parameters", "growth is not 0"),
        ),
    ),
    Claim(
        id="san-7",
        statement="Patchwise attention can act as a convolution does, with one fixed filter everywhere.",
        source="SAN review, section 3.2",
        needs="computation",
        parts=(
            proven("constructed weights against a 3x3 filter", _filters_as_convolution, "largest error", "< 1e-12"),
        ),
        note="From the formulas, without a network; the operators are held to the same in the tests of the kernels.",
    ),
    Claim(
        id="san-9",
        statement="Self-attention networks are at least as accurate on ImageNet as convolutional ones.",
        source="SAN review, abstract; Zhao et al. 2020, Table of ImageNet results",
        needs="weights of both kinds of network, and ILSVRC-2012's validation images",
        parts=tuple(_over_convolution(f"san{depth}-pair", resnet, 0.0) for depth, resnet in _BASELINES),
        table="imagenet",
        note="Pairwise: 1.3, 0.6 and 0.0 points on 50,000 images, z = 4.7, 2.2 and 0.0. One network each: no seeds.",
    ),
    Claim(
        id="san-9b",
        statement="Patchwise networks are ahead of them by a point or more.",
        source="SAN review, abstract (significantly); the margin is ours",
        needs="weights of both kinds of network, and ILSVRC-2012's validation images",
        parts=tuple(_over_convolution(f"san{depth}-patch", resnet, 0.01) for depth, resnet in _BASELINES),
        table="imagenet",
        note="3.5, 2.0 and 1.3 points on 50,000 images, z = 12.8, 7.5 and 4.9 against no difference.",
    ),
    Claim(
        id="san-10",
        statement="Convolution is rotation invariant.",
        source="SAN review, section 1",
        needs="computation",
        parts=(proven("output of a turned image", lambda: turn_image(lacks=False), "share changed", "below 0.1"),),
        note="Zhao et al. 2020 and the [Re] report (C34) say that it lacks this invariance.",
    ),
    Claim(
        id="san-11",
        statement="The parameters of a convolution grow with the size of its kernel and with the dimensions.",
        source="SAN review, section 1",
        needs="closed form of the counts",
        parts=(
            proven("7x7 over 3x3, 64 channels", lambda: _grows(7, 64, 3, 64), "x", "above 1x"),
            proven("128 over 64 channels, 3x3", lambda: _grows(3, 128, 3, 64), "x", "above 1x"),
        ),
    ),
    Claim(
        id="san-12",
        statement="Restricted to a neighbourhood attention needs far less computing and memory: a tenth or less.",
        source="SAN review, section 2.5; ECE 176 report, section 2",
        needs="closed form of MACs and of attention weights",
        parts=tuple(
            proven(f"{n}x{n} positions, 7x7 neighbours", functools.partial(_localises, n), "x", "10x or more")
            for n in (56, 28)
        ),
        note="Both are in proportion to the neighbours: at 14x14 positions and below a 7x7 footprint saves 4x or less.",
    ),
)
