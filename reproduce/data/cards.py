"""The known data sets, one card each: how many images, of which classes, with which content, and where to get them.

card = find_by_content(sha256)      # None: content that no card knows
CARDS["cifar10"].test_images        # 10_000

A content sum is that of :mod:`reproduce.data.fingerprint`. Where a card has none, nobody here has seen the official
images: a folder that could be them is called ``<name>-unverified`` and is not compared with published numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reproduce.data.class_names import CIFAR10, CIFAR100, SHAPES

UNVERIFIED = "-unverified"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What is known of a data set before it is looked at."""

    name: str
    title: str  # as texts call it
    classes: int
    train_images: int
    test_images: int
    class_names: tuple[str, ...] = ()  # where folders and files may not carry them
    content: str | None = None  # the official content sum
    splits: Mapping[str, str] | None = None  # the content sum of each split
    older: tuple[str, ...] = ()  # fingerprints of files that results were recorded under, of the same content
    coloured: tuple[int, int] | None = None  # training and test images that are stored with colour, where not all are
    place: str | None = None  # where it is to be had by hand and how it is to lie
    by_name: bool = True  # whether it is looked for under its name

    def count(self, *, drop_grey: bool = False) -> tuple[int, int]:
        """Return its training and its test images, those without colour left out where ``drop_grey``."""
        return (self.coloured if drop_grey else None) or (self.train_images, self.test_images)


_ALL = (
    Card(
        name="shapes",
        title="the synthetic shapes",
        classes=10,
        train_images=5_000,
        test_images=1_000,
        class_names=SHAPES,
        # its own, of training images, labels, test images, labels: every result on it is recorded under this one
        content="82fc02aae5abe52885d5d1f6d44bc45b2d25713ec89883f3de316aadb064190c",
    ),
    # SHA-256 of the pixels (N x 32 x 32 x 3, train then test): 0ac3ab5c...; their mean and deviation are the published
    Card(
        name="cifar10",
        title="CIFAR-10",
        classes=10,
        train_images=50_000,
        test_images=10_000,
        class_names=CIFAR10,
        content="f2efd9f7829abbf429c5502d5a68a2620f777fe2147fbd555c4b6935c96b03ef",
        splits={
            "train": "f3721a1984e60ddc69bad69fb676fee9bda925f2dff0b35fedaa669f6a6107e2",
            "test": "57f4369c67f3cbd65088f2e5a05908252a0d9aeac2bfde7e3065289100da66bb",
        },
        older=("b90ee05668b887a578956df26441df7a1bf269da861ea6c7d31cde1c2d8b7e6e",),  # PNG in Parquet, 5 + 1 shards
    ),
    # CIFAR-10 stored as JPEG of quality 75: other pixels, so other data
    Card(
        name="cifar10-jpeg75",
        title="a JPEG copy of CIFAR-10",
        classes=10,
        train_images=50_000,
        test_images=10_000,
        class_names=CIFAR10,
        content="7f56ab7f68afb05da284429083f21e5f2229ea0560717db80eb9f54a3bd5b060",
        splits={
            "train": "4bc1341519f0bb109482f868c2238c36562a4395377761f3a476434443405de3",
            "test": "0becaebc8e9621ded769304a93e603a54c5d81863e6b28d480aefa13fd2bc814",
        },
        older=("9945f8d6fd38961ecfd9765792ef440e09edc4402cb85732fbda49b1e2784325",),
        by_name=False,
    ),
    Card(
        name="cifar100", title="CIFAR-100", classes=100, train_images=50_000, test_images=10_000, class_names=CIFAR100
    ),
    Card(
        name="tiny-imagenet",
        title="Tiny-ImageNet",
        classes=200,
        train_images=100_000,
        test_images=10_000,
        coloured=(98_179, 9_832),
        place="download tiny-imagenet-200.zip from cs231n.stanford.edu, then: attnrepro data unpack FILE",
    ),
    Card(
        name="intel-scenes",
        title="the Intel scenes",
        classes=6,
        train_images=14_034,
        test_images=3_000,
        place="download puneet6060/intel-image-classification from Kaggle, then: attnrepro data unpack FILE"
        " (or put its seg_train/ and seg_test/ into {root})",
    ),
    Card(
        name="imagenet",
        title="ImageNet",
        classes=1_000,
        train_images=1_281_167,
        test_images=50_000,
        place="register at image-net.org; put train/<wnid>/ and val/<wnid>/ into {root}",
    ),
)
CARDS: Mapping[str, Card] = {card.name: card for card in _ALL}
KNOWN_NAMES = tuple(card.name for card in _ALL if card.by_name)


def find_by_content(sha256: str) -> Card | None:
    """Return the card of this content, given by its sum or by an older fingerprint of its files."""
    return next((card for card in _ALL if sha256 in (card.content, *card.older)), None)


def explain_difference(card: Card, counts: Mapping[str, int], splits: Mapping[str, str]) -> str:
    """Return what parts a data set from ``card`` in one sentence; '' where nothing that is known does.

    Args:
        card: what the data set is called after.
        counts: images of each split; a training split without images is taken for one that is not there.
        splits: content sum of each split; {} where it was not taken.
    """
    parts = []
    for split, expected in (("train", card.train_images), ("test", card.test_images)):
        word, found = {"train": "training"}.get(split, split), counts[split]
        if found != expected:
            if found or split == "test":
                parts.append(f"it has {found:,} {word} images, {card.name} has {expected:,}")
        elif card.splits and splits and splits[split] != card.splits[split]:
            parts.append(f"its {found:,} {word} images or their labels are not those of {card.name}")
    return "; ".join(parts)
