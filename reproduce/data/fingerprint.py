"""The content of a data set as one sum: of decoded pixels and labels, whatever files, names and order they come in.

content = read_content("parquet", root, older="")
content.sha256, content.splits["test"], content.orders["train"]

Image: SHA-256 of height, width (two uint32, little endian), the label's number (int64) and the RGB pixels (uint8, H x W
x 3) as the reader decodes them, before any resizing. Split: SHA-256 of its images' digests in ascending order, each as
often as its image. Data set: SHA-256 of the digits of the training split's and of the test split's sum.

Names of classes are no part of it: they change no number, and the same data set has ``automobile`` in one container,
``car`` or 1 in another. Their order is, by the labels. Nor is the split's size needed beside it: every image counts.

The canonical order of a split is that of its images' digests. Images with one digest are equal, so their order among
each other changes nothing.
"""

import hashlib
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reproduce.data.stored import Kind, Stored, open_split

SPLITS = ("train", "test")
_FIRST = 32  # images by which the others are judged
_BLOCK = 2_000  # images that are read at a time


@dataclass(frozen=True, eq=False)
class Content:
    """What a data set holds; ``orders`` has the rows of each split, counted over its files, in canonical order."""

    splits: Mapping[str, str]  # content sum
    orders: Mapping[str, NDArray[np.int64]]
    older: str  # fingerprint of the files, under which results were recorded before

    @property
    def sha256(self) -> str:
        """The content sum of the data set."""
        return combine(self.splits)

    @property
    def counts(self) -> dict[str, int]:
        """Images of each split."""
        return {split: len(order_N) for split, order_N in self.orders.items()}


def combine(splits: Mapping[str, str]) -> str:
    """Return the sum of a data set from the sums of its splits."""
    return hashlib.sha256(" ".join(splits[split] for split in SPLITS).encode()).hexdigest()


def read_content(kind: Kind, root: Path, older: str, on_rate: Callable[[float], None] = lambda _: None) -> Content:
    """Decode every image once.

    Args:
        kind: how the data set lies on disk.
        root: where.
        older: the fingerprint of its files.
        on_rate: told once how many seconds it will take, after the first images.

    Raises:
        UserError: an image or a file that cannot be read.
    """
    opened = {split: open_split(kind, root, split) for split in SPLITS}
    total = sum(map(len, opened.values()))
    splits, orders = {}, {}
    for split, stored in opened.items():
        told = (lambda seconds: on_rate(seconds * total)) if split == SPLITS[0] else None
        digests = digest_images(stored, told)
        orders[split] = np.asarray(sorted(range(len(digests)), key=digests.__getitem__), np.int64)
        splits[split] = sum_digests(digests)
    return Content(splits, orders, older)


def sum_digests(digests: list[bytes]) -> str:
    """Return the sum of a split from its images' digests, in whatever order they come."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def digest_images(stored: Stored, on_rate: Callable[[float], None] | None = None) -> list[bytes]:
    """Return the digest of every image in the order of the files; ``on_rate`` is told the seconds per image, once."""
    from reproduce.data.decode import THREADED_FROM, decode

    digests: list[bytes] = []
    threads = False
    for number, (first, stop) in enumerate(_blocks(len(stored))):
        began = time.perf_counter()
        digests += _digest_block(stored, first, stop, threads)
        if number == 0:  # opens what the others find open
            threads = max(decode(stored.take(np.arange(1))[0], lambda: stored.describe(0)).shape) >= THREADED_FROM
        if number == 1 and on_rate is not None:
            on_rate((time.perf_counter() - began) / (stop - first))
    return digests


def _digest_block(stored: Stored, first: int, stop: int, threads: bool) -> list[bytes]:
    from reproduce.data.decode import decode, for_each

    items = stored.take(np.arange(first, stop))
    found = [b""] * len(items)

    def digest_one(index: int) -> None:
        pixels_HW3 = decode(items[index], lambda: stored.describe(first + index))
        found[index] = digest_image(pixels_HW3, int(stored.labels[first + index]))

    for_each(len(items), digest_one, threads=threads)
    return found


def _blocks(count: int) -> list[tuple[int, int]]:
    """Part 0 up to ``count`` into a few first rows and blocks."""
    starts = [0, *range(min(_FIRST, count), count, _BLOCK)]
    return [(start, stop) for start, stop in zip(starts, [*starts[1:], count], strict=True) if start < stop]


def digest_image(pixels_HW3: NDArray[np.uint8], label: int) -> bytes:
    """Return the digest of one image."""
    height, width, _ = pixels_HW3.shape
    head = struct.pack("<IIq", height, width, label)
    return hashlib.sha256(head + pixels_HW3.tobytes()).digest()
