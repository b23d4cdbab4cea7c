"""Claims of the SAN review: SAN15 on Intel scenes, official ImageNet weights, and what the operators are."""

from typing import Any

from paper_tables.claims.claim import Claim, Part
from paper_tables.claims.evidence import Evidence, Found
from paper_tables.claims.measured_files import read_evaluations
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.questions import as_printed, better, fact, near, proven
from paper_tables.claims.tested import compare, side
from paper_tables.selection import TEST_IMAGES
from reproduce.stats.two_samples import Sample, equivalence

_OFFICIAL = tuple(f"san{depth}-{kind}" for depth in (10, 15, 19) for kind in ("pair", "patch"))


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


def _trains_to(row: str, within: float) -> Part:
    """Return the part that the last recorded training accuracy is the printed one, to ``within``, over seeds."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        printed = evidence.printed(row, "top1_train")
        found = evidence.curves((row,), "train_top1")
        if isinstance(found, Missing) or printed is None:
            return found if isinstance(found, Missing) else Missing(f"no training accuracy of {row} is printed")
        found = evidence.held_against_print(row, found)
        if isinstance(found, Missing):
            return found
        ours = Sample.of([curve[-1][1] for curve in found.rows[0]])
        tested = equivalence(ours, Sample(printed.value, 0.0, ours.n), within)
        both = Found((ours,), found.basis, found.obstacles)
        return compare(both, tested, abs(ours.mean - printed.value) <= within)

    return fact(f"{row}: training accuracy within {100 * within:g} points of the paper", examine, (row,))


def _counted(split: str, thousands: int) -> Part:
    """Return the part that the Intel scenes on this machine have so many thousand images in ``split``."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        from reproduce.data.source import data_root

        folder = data_root() / "intel-scenes" / f"seg_{split}"
        if evidence.side == "published" or not evidence.local or not folder.is_dir():
            return Missing("the Intel scenes are not on this machine", ("attnrepro data show intel-scenes",))
        count = sum(path.suffix.lower() in (".jpg", ".jpeg", ".png") for path in folder.rglob("*"))
        return Outcome(toward=side(round(count / 1000) == thousands), effect=float(count), unit="images",
                       test=f"rounds to {thousands},000", basis="counted here")  # fmt: skip

    return fact(f"{split}: about {thousands},000 images", examine)


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


CLAIMS = (
    Claim(
        id="san-1",
        statement="The official ImageNet weights give the accuracies of the SAN paper.",
        source="SAN review, section on ImageNet; Zhao et al. 2020, ImageNet table",
        needs="the official weights and ILSVRC-2012's validation images",
        parts=tuple(_evaluated(row) for row in _OFFICIAL),
        table="imagenet",
        note="A tenth of a point is our tolerance for another image decoder.",
    ),
    Claim(
        id="san-1b",
        statement="SAN's networks have the printed sizes.",
        source="Zhao et al. 2020, ImageNet table",
        needs="structure",
        parts=tuple(as_printed(row) for row in _OFFICIAL),
        table="imagenet",
    ),
    Claim(
        id="san-2",
        statement="SAN15 patchwise reaches 87 % on the Intel scenes' test images, to within two points.",
        source="SAN review, section on Intel scenes",
        needs="the Intel scenes, paper budget, several seeds",
        parts=(near("san15-patch-scenes", 0.02),),
        table="scenes",
    ),
    Claim(
        id="san-2b",
        statement="It reaches 88 % on the training images, to within two points.",
        source="SAN review, section on Intel scenes",
        needs="the training accuracy of the same runs",
        parts=(_trains_to("san15-patch-scenes", 0.02),),
        table="scenes",
    ),
    Claim(
        id="san-3",
        statement="Of the batch sizes 16, 32 and 64 the largest is best.",
        source="SAN review, section on Intel scenes",
        needs="the Intel scenes at three batch sizes, paper budget, several seeds",
        parts=tuple(better("san15-patch-scenes", f"san15-patch-scenes batch_size={size}") for size in (32, 16)),
        table="scenes",
        note="No numbers are printed for the smaller batches.",
    ),
    Claim(
        id="san-4",
        statement="With subtraction for a relation accuracy falls behind.",
        source="SAN review, section on Intel scenes",
        needs="the Intel scenes with three networks, paper budget, several seeds",
        parts=(
            better("san15-patch-scenes", "san15-pair-scenes"),
            better("san15-patch-scenes", "san15-patch-scenes model.relation=subtraction"),
        ),
        table="scenes",
        note="Which subtraction is not said: pairwise SAN15, or patchwise with that relation (V2). Both are asked.",
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
        id="san-8",
        statement="The Intel scenes have about 14,000 images to train on, 3,000 to test on and 7,000 without labels.",
        source="SAN review, section on Intel scenes",
        needs="the Intel scenes on this machine",
        parts=tuple(_counted(*split) for split in (("train", 14), ("test", 3), ("pred", 7))),
    ),
)
