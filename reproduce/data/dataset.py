"""A source read once into memory: both splits as uint8 tensors, whole or limited, and a validation part held out.

dataset = load(identify("shapes"), recipe.data)
train, validation = hold_out(dataset.train, recipe.data.holdout)
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reproduce.data import layout, parquet, shapes
from reproduce.data.decode import decode_all
from reproduce.data.identity import Source
from reproduce.errors import UserError
from reproduce.recipe import DataChoice


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

    A limit is a number of images in all: the first limit / classes of every class, in file order (the first classes get
    one more where it does not divide). Only those are decoded. A ``train_limit`` of 0 leaves the training split empty.

    Raises:
        UserError: damaged or foreign files, labels out of range, images of several sizes, fewer images than the limit
            asks for, or more than fit into memory.
    """
    return _load(source, choice.train_limit, choice.test_limit)


def hold_out(split: Split, fraction: float, seed: int = 0) -> tuple[Split, Split | None]:
    """Part ``split`` into (train, validation), the same share of every class, the same images for the same seed.

    Both parts keep file order. Of each class ``round(fraction * images)`` are held out, but at least one; a fraction
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


@functools.lru_cache(maxsize=4)
def _load(source: Source, train_limit: int | None, test_limit: int | None) -> Dataset:
    read = _READERS[source.kind]
    return Dataset(source, read(source, "train", train_limit), read(source, "test", test_limit))


def choose(labels_N: NDArray[np.int64], source: Source, split: str, limit: int | None) -> NDArray[np.int64]:
    """Return the rows, ascending, of a class-balanced prefix of ``limit`` images; all where the limit is None.

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
    if limit is None:
        return np.arange(len(labels_N))
    if limit < 0:
        raise UserError(f"data.{split}_limit cannot be {limit}", hint="give a number of images, or none for all")
    chosen = []
    for label in range(min(count, limit)):
        asked = limit // count + (label < limit % count)
        rows = np.flatnonzero(labels_N == label)[:asked]
        if len(rows) < asked:
            raise UserError(
                f"data.{split}_limit={limit} asks for {asked} of class '{source.classes[label]}', it has {len(rows)}",
                hint=f"{source.name} has {len(labels_N)} {split} images in all; ask for fewer",
            )
        chosen.append(rows)
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


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


def _read_shapes(source: Source, split: str, limit: int | None) -> Split:
    images_N3HW, labels_N = shapes.draw(split)
    rows = choose(labels_N, source, split, limit)
    return Split(torch.from_numpy(images_N3HW[rows]), torch.from_numpy(labels_N[rows]))


def _open_cifar(source: Source, split: str) -> Any:
    import torchvision.datasets

    kind = torchvision.datasets.CIFAR10 if source.kind == "cifar10" else torchvision.datasets.CIFAR100
    try:
        return kind(source.root, train=split == "train", download=False)
    except RuntimeError:  # its MD5 sums do not hold: never unpickled
        raise UserError(
            f"the {source.kind} files in {source.root} are damaged or not the official ones",
            hint=f"remove them and run: attnrepro data fetch {source.kind}",
        ) from None


def _read_cifar(source: Source, split: str, limit: int | None) -> Split:
    official = _open_cifar(source, split)
    labels_N = np.asarray(official.targets, np.int64)
    rows = choose(labels_N, source, split, limit)
    images_N3HW = torch.from_numpy(official.data[rows]).permute(0, 3, 1, 2).contiguous()
    return Split(images_N3HW, torch.from_numpy(labels_N[rows]))


def _read_folders(source: Source, split: str, limit: int | None) -> Split:
    assert source.root is not None
    listing = layout.list_images(source.root, allow_missing_train=True)
    files = listing.train if split == "train" else listing.test
    if not files and limit != 0:
        raise UserError(
            f"{source.root} has no training split",
            hint="add train/, or only evaluate on it: --set data.train_limit=0",
        )
    labels_N = np.asarray([file.label for file in files], np.int64)
    rows = choose(labels_N, source, split, limit)
    _check_memory(source, split, len(rows))
    paths = [files[row].path for row in rows]
    images_N3HW = decode_all(paths, source.image_size, source.fit, lambda index: str(paths[index]))
    return Split(images_N3HW, torch.from_numpy(labels_N[rows]))


def _read_parquet(source: Source, split: str, limit: int | None) -> Split:
    assert source.root is not None
    shards = parquet.find_shards(source.root)
    if shards is None:
        raise UserError(f"the Parquet files of {source.root} are gone", hint="they were there a moment ago")
    paths = shards.train if split == "train" else shards.test
    labels_N = parquet.read_labels(paths)
    of_split = parquet.choose_pooled(labels_N, split) if shards.pooled else np.arange(len(labels_N))
    rows = of_split[choose(labels_N[of_split], source, split, limit)]
    _check_memory(source, split, len(rows))

    def describe(index: int) -> str:
        return parquet.describe_row(paths, int(rows[index]))

    images_N3HW = decode_all(parquet.read_images(paths, rows), source.image_size, source.fit, describe)
    return Split(images_N3HW, torch.from_numpy(labels_N[rows]))


_READERS: dict[str, Callable[[Source, str, int | None], Split]] = {
    "shapes": _read_shapes,
    "cifar10": _read_cifar,
    "cifar100": _read_cifar,
    "folders": _read_folders,
    "parquet": _read_parquet,
}
