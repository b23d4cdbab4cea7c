"""Claims of the SAN review on the Intel scenes: SAN15's accuracy there, batch sizes, relations, and the images."""

from pathlib import Path

from paper_tables.claims.claim import Claim, Part
from paper_tables.claims.evidence import Evidence, Found
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.questions import better, either, fact, near, proven
from paper_tables.claims.tested import compare, side
from reproduce.stats.sample import Sample
from reproduce.stats.two_samples import equivalence


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
        tested = equivalence(ours, Sample.fixed(printed.value, ours.n), within)
        both = Found((ours,), found.basis, found.obstacles)
        return compare(both, tested, abs(ours.mean - printed.value) <= within)

    return fact(f"{row}: training accuracy within {100 * within:g} points of the paper", examine, (row,), random=True)


def _counted(split: str, thousands: int) -> Part:
    """Return the part that the Intel scenes on this machine have so many thousand images in ``split``."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        from reproduce.data.source import data_root

        folder = data_root() / "intel-scenes" / f"seg_{split}"
        if evidence.side == "published" or not evidence.local or not folder.is_dir():
            return Missing("the Intel scenes are not on this machine", ("attnrepro data show intel-scenes",))
        count = len(_images(folder))
        return Outcome(toward=side(round(count / 1000) == thousands), effect=float(count), unit="images",
                       test=f"rounds to {thousands},000", basis="counted here")  # fmt: skip

    return fact(f"{split}: about {thousands},000 images", examine)


def _sum_of_splits() -> tuple[bool, float]:
    total = 1000.0 * (14 + 3 + 7)
    return abs(total - 25_000) <= 0.05 * 25_000, total


def _sized(evidence: Evidence) -> Outcome | Missing:
    """Return how many of the labelled scenes have 150x150 pixels."""
    from PIL import Image

    paths = _labelled(evidence)
    if isinstance(paths, Missing):
        return paths
    sizes = []
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes.append(image.size)
        except OSError:
            return Missing(f"{path.name} of the Intel scenes cannot be read", ("attnrepro data show intel-scenes",))
    share = sum(size == (150, 150) for size in sizes) / len(sizes)
    return Outcome(toward=side(share >= 0.99), effect=share, unit="of images", test="at least 0.99", basis="read here")


def _classed(evidence: Evidence) -> Outcome | Missing:
    """Return how many classes the labelled scenes have: folders with images."""
    paths = _labelled(evidence)
    if isinstance(paths, Missing):
        return paths
    count = len({path.parent.name for path in paths})
    return Outcome(toward=side(count == 6), effect=float(count), unit="classes", test="six", basis="counted here")


def _labelled(evidence: Evidence) -> list[Path] | Missing:
    from reproduce.data.source import data_root

    folder = data_root() / "intel-scenes"
    if evidence.side == "ours" and evidence.local:
        found = [path for split in ("train", "test") for path in _images(folder / f"seg_{split}")]
        if found:
            return found
    return Missing("the Intel scenes are not on this machine", ("attnrepro data show intel-scenes",))


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


CLAIMS = (
    Claim(
        id="san-2",
        statement="SAN15 patchwise reaches 87 % on the Intel scenes' test images, to within two points.",
        source="SAN review, section 5",
        needs="the Intel scenes, paper budget, several seeds",
        parts=(near("san15-patch-scenes", 0.02),),
        table="scenes",
    ),
    Claim(
        id="san-2b",
        statement="SAN15 reaches 88 % on the training images, to within two points.",
        source="SAN review, section 5",
        needs="the training accuracy of the same runs",
        parts=(_trains_to("san15-patch-scenes", 0.02),),
        table="scenes",
    ),
    Claim(
        id="san-3",
        statement="Of the batch sizes 16, 32 and 64 the largest is best.",
        source="SAN review, section 5",
        needs="the Intel scenes at three batch sizes, paper budget, several seeds",
        parts=tuple(better("san15-patch-scenes", f"san15-patch-scenes batch_size={size}") for size in (32, 16)),
        table="scenes",
        note="No numbers are printed for the smaller batches.",
    ),
    Claim(
        id="san-4",
        statement="With subtraction for a relation accuracy falls behind.",
        source="SAN review, section 5",
        needs="the Intel scenes with three networks, paper budget, several seeds",
        parts=(
            either(
                "the patchwise network over one of two with subtraction",
                (
                    better("san15-patch-scenes", "san15-pair-scenes"),
                    better("san15-patch-scenes", "san15-patch-scenes model.relation=subtraction"),
                ),
            ),
        ),
        table="scenes",
        note="Which subtraction is not said: pairwise SAN15, or patchwise with that relation (V2). Either will do.",
    ),
    Claim(
        id="san-8",
        statement="The Intel scenes have about 14,000 images to train on, 3,000 to test on and 7,000 without labels.",
        source="SAN review, section 5",
        needs="the Intel scenes on this machine",
        parts=tuple(_counted(*split) for split in (("train", 14), ("test", 3), ("pred", 7))),
    ),
    Claim(
        id="san-8b",
        statement="The Intel scenes are about 25,000 images of 150x150 pixels in six classes.",
        source="SAN review, section 5",
        needs="the Intel scenes on this machine; arithmetic of the printed splits",
        parts=(
            proven("14,000 + 3,000 + 7,000 as printed", _sum_of_splits, "images", "within 5 % of 25,000"),
            fact("150x150 pixels", _sized),
            fact("six classes", _classed),
        ),
        note="Size: at least 99 % of the images that have labels.",
    ),
)
