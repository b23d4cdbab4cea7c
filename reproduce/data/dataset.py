"""A source read once into memory: both splits as uint8 tensors, whole or limited, and a validation part held out.

dataset = load(identify("shapes"), recipe.data)
train, validation = hold_out(dataset.train, recipe.data.holdout)
"""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reproduce.data import shapes
from reproduce.data.decode import decode_all, is_coloured
from reproduce.data.equalise import equalise
from reproduce.data.source import Source
from reproduce.data.stored import open_split
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice

_PART_BYTES = 2**28  # of a split that is streamed


@dataclass(frozen=True, eq=False)
class Split:
    """images: uint8 (N, 3, H, W); labels: int64 (N,). Shared between callers: not to be written to."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A source with its two splits in memory."""

    source: Source
    train: Split
    test: Split


def load(source: Source, choice: DataChoice) -> Dataset:
    """Read ``source``; the same source and limits are read once a process.

    Images come in canonical order (see :mod:`reproduce.data.fingerprint`), whatever files they lie in. A limit is a
    number of images in all: the first limit / classes of every class in that order (the first classes get one more
    where it does not divide). Only those are decoded. With ``choice.drop_grey`` images that are stored without
    colour count as not there. A ``train_limit`` of 0 leaves the training split empty.

    Raises:
        UserError: damaged or foreign files, labels out of range, images of several sizes, fewer images than the limit
            asks for, or more than fit into memory.
    """
    train, test = (_settle(source, split, choice) for split in ("train", "test"))
    return Dataset(source, _load(*train), _load(*test))


def stream(source: Source, choice: DataChoice, split: str, multiple: int) -> Iterator[Split]:
    """Yield a split in parts of some hundred megabytes, each a multiple of ``multiple`` images, the last but for that.

    The next part is decoded while the caller is busy with this one. What fits into one part is that of :func:`load`.

    Raises:
        UserError: as :func:`load`, but for memory.
    """
    wanted = _settle(source, split, choice)
    found = _find(*wanted)
    step = max(1, _PART_BYTES // (3 * source.image_size**2 * multiple)) * multiple
    if len(found) <= step:
        yield _load(*wanted)
        return
    starts = range(0, len(found), step)
    with ThreadPoolExecutor(1) as ahead:
        pending = ahead.submit(found.decode, starts[0], starts[0] + step)
        for start in starts:
            ready = pending.result()
            if start + step < len(found):
                pending = ahead.submit(found.decode, start + step, min(start + 2 * step, len(found)))
            yield ready


def hold_out(split: Split, fraction: float, seed: int = 0) -> tuple[Split, Split | None]:
    """Part ``split`` into (train, validation), the same share of every class, the same images for the same seed.

    Both parts keep the order. Of each class ``round(fraction * images)`` are held out, but at least one; a fraction
    of 0 holds out nothing and returns None.

    Raises:
        UserError: a fraction outside [0, 1), or a class that would be left without training images.
    """
    if not 0 <= fraction < 1:
        raise UserError(f"a holdout of {fraction} is no share of the training images", hint="give 0 up to less than 1")
    if fraction == 0 or len(split) == 0:
        return split, None
    generator = torch.Generator().manual_seed(seed)
    held_N = torch.zeros(len(split), dtype=torch.bool)
    for label in split.labels.unique().tolist():
        rows = (split.labels == label).nonzero().squeeze(1)
        count = max(1, round(fraction * len(rows)))
        if count == len(rows):
            raise UserError(
                f"a holdout of {fraction} leaves no training image of class {label}, which has {len(rows)}",
                hint="lower data.holdout, or raise data.train_limit",
            )
        held_N[rows[torch.randperm(len(rows), generator=generator)[:count]]] = True
    return (
        Split(split.images[~held_N], split.labels[~held_N]),
        Split(split.images[held_N], split.labels[held_N]),
    )


@dataclass(frozen=True, eq=False)
class Found:
    """A split that has been found and not yet decoded."""

    labels: NDArray[np.int64]
    read: Callable[[slice], Tensor]  # uint8 (n, 3, H, W) of some of its images
    equalised: bool

    def __len__(self) -> int:
        return len(self.labels)

    def decode(self, start: int, stop: int) -> Split:
        """Return images ``start`` up to ``stop``."""
        images_N3HW = self.read(slice(start, stop))
        return Split(
            equalise(images_N3HW) if self.equalised else images_N3HW, torch.from_numpy(self.labels[start:stop])
        )


Wanted = tuple[
    Source, str, int | None, bool, bool
]  # split, limit, whether grey images go, and histograms are made even


def _settle(source: Source, split: str, choice: DataChoice) -> Wanted:
    limit = choice.train_limit if split == "train" else choice.test_limit
    return source, split, limit, choice.drop_grey and source.kind in ("folders", "parquet"), choice.equalise


def _find(source: Source, split: str, limit: int | None, drop_grey: bool, equalised: bool) -> Found:
    if source.root is None:
        drawn_N3HW, labels_N = shapes.draw(split)
        rows = choose(labels_N, source, split, limit)
        return Found(labels_N[rows], lambda part: torch.from_numpy(drawn_N3HW[rows[part]]), equalised)
    stored = open_split(source.kind, source.root, split)
    if not len(stored) and split == "train" and limit != 0:
        raise UserError(
            f"{source.root} has no training split",
            hint="add train/, or only evaluate on it: --set data.train_limit=0",
        )
    dropped: NDArray[np.int64] | None = None
    if drop_grey:
        items = stored.take(np.arange(len(stored)))
        grey = [row for row, item in enumerate(items) if not is_coloured(item, stored.describe(row))]
        dropped = np.asarray(grey, np.int64)
    rows = choose(stored.labels, source, split, limit, dropped)

    def read(part: slice) -> Tensor:
        some = rows[part]
        images_NHW3 = decode_all(
            stored.take(some), source.image_size, source.fit, lambda index: stored.describe(int(some[index]))
        )
        return torch.from_numpy(images_NHW3).permute(0, 3, 1, 2).contiguous()

    return Found(stored.labels[rows], read, equalised)


def count(source: Source, split: str, choice: DataChoice) -> int:
    """Return how many images of ``split`` `load` would return; none is decoded."""
    return len(_find(*_settle(source, split, choice)))


@functools.lru_cache(maxsize=8)
def _load(source: Source, split: str, limit: int | None, drop_grey: bool, equalised: bool) -> Split:
    found = _find(source, split, limit, drop_grey, equalised)
    _check_memory(source, split, len(found))
    return found.decode(0, len(found))


def choose(
    labels_N: NDArray[np.int64],
    source: Source,
    split: str,
    limit: int | None,
    dropped: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """Return the rows of a class-balanced prefix of ``limit`` images in canonical order; all where the limit is None.

    ``labels_N`` are in the order of the files; rows that are ``dropped`` count as not there.

    Raises:
        UserError: a label that is no class of ``source``, a negative limit, or a class with too few images.
    """
    count = len(source.classes)
    wrong = (labels_N < 0) | (labels_N >= count)
    if wrong.any():
        row = int(wrong.argmax())
        raise UserError(
            f"label {labels_N[row]} of {split} image {row} in {source.name} is not in 0..{count - 1}",
            hint="labels count the classes from 0; an unlabelled split (-1) cannot be measured",
        )
    order_N = source.order(split, len(labels_N))
    if dropped is not None:
        order_N = order_N[~np.isin(order_N, dropped)]
    if limit is None:
        return order_N
    if limit < 0:
        raise UserError(f"data.{split}_limit cannot be {limit}", hint="give a number of images, or none for all")
    chosen = []
    for label in range(min(count, limit)):
        asked = limit // count + (label < limit % count)
        rows = np.flatnonzero(labels_N[order_N] == label)[:asked]
        if len(rows) < asked:
            raise UserError(
                f"data.{split}_limit={limit} asks for {asked} of class '{source.classes[label]}', it has {len(rows)}",
                hint=f"{source.name} has {len(order_N)} {split} images; all of them: --set data.{split}_limit=none",
            )
        chosen.append(rows)
    return order_N[np.sort(np.concatenate(chosen))] if chosen else np.empty(0, np.int64)


def _check_memory(source: Source, split: str, count: int) -> None:
    """Refuse before decoding what cannot be held, rather than be killed in the middle of it."""
    needed = count * 3 * source.image_size**2
    free = _available_memory()
    if free is not None and needed > 0.9 * free:
        raise UserError(
            f"{count} images of {source.name} take {needed / 2**30:.0f} GiB of memory, {free / 2**30:.0f} GiB are free",
            hint=f"limit them, for example: --set data.{split}_limit={10 * len(source.classes)}",
        )


def _available_memory() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None  # no Linux: the operating system decides
