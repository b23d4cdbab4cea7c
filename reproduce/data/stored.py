"""The images of a split as they are stored, in the order of their files: labels, and the images' own bytes. No torch.

stored = open_split("parquet", root, "train")
stored.take(np.array([3, 1]))     # two encoded images
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reproduce.data.layouts import class_folders, encoded_tables, label_lists
from reproduce.data.layouts.shards import find_shards
from reproduce.errors import UserError

Kind = Literal["shapes", "cifar10", "cifar100", "folders", "parquet"]
Rows = NDArray[np.int64]
Item = bytes | Path | NDArray[np.uint8]  # encoded, the file that holds it, or decoded already (H, W, 3)


@dataclass(frozen=True)
class Stored:
    """A split that has been found and not decoded."""

    labels: Rows
    take: Callable[[Rows], Sequence[Item]]  # the images of some rows, in the order of the rows
    describe: Callable[[int], str]  # names a row in an error

    def __len__(self) -> int:
        return len(self.labels)


def open_split(kind: Kind, root: Path, split: str) -> Stored:
    """Open ``train`` or ``test`` of a data set on disk; raises UserError where files are damaged or gone."""
    if kind == "parquet":
        return _open_parquet(root, split)
    return _open_folders(root, split) if kind == "folders" else _open_cifar(kind, root, split)


def _open_cifar(kind: str, root: Path, split: str) -> Stored:
    import torchvision.datasets

    official: Any = torchvision.datasets.CIFAR10 if kind == "cifar10" else torchvision.datasets.CIFAR100
    try:
        read = official(root, train=split == "train", download=False)
    except RuntimeError:  # its MD5 sums do not hold: never unpickled
        raise UserError(
            f"the {kind} files in {root} are damaged or not the official ones",
            hint=f"remove them and run: attnrepro data fetch {kind}",
        ) from None
    return Stored(
        np.asarray(read.targets, np.int64), lambda rows: list(read.data[rows]), lambda row: f"{split} image {row}"
    )


def list_files(root: Path, allow_missing_train: bool) -> class_folders.Listing:
    """Return the images of both splits: of a list of labels, else of class folders; UserError where there are none."""
    if label_lists.has_list(root):
        return label_lists.list_images(root)
    return class_folders.list_images(root, allow_missing_train)


def _open_folders(root: Path, split: str) -> Stored:
    listing = list_files(root, allow_missing_train=True)
    files = listing.train if split == "train" else listing.test
    labels_N = np.asarray([file.label for file in files], np.int64)
    return Stored(labels_N, lambda rows: [files[row].path for row in rows], lambda row: str(files[row].path))


def _open_parquet(root: Path, split: str) -> Stored:
    shards = find_shards(root)
    if shards is None:
        raise UserError(f"the tables of {root} are gone", hint="they were there a moment ago")
    paths = shards.train if split == "train" else shards.test
    labels_N = encoded_tables.read_labels(paths, encoded_tables.read_classes(shards.train))
    of_split = encoded_tables.choose_pooled(labels_N, split) if shards.pooled else np.arange(len(labels_N))

    def take(rows: Rows) -> list[bytes]:
        wanted = of_split[rows]
        ascending = np.argsort(wanted, kind="stable")
        encoded = dict(zip(ascending.tolist(), encoded_tables.read_images(paths, wanted[ascending]), strict=True))
        return [encoded[index] for index in range(len(wanted))]

    return Stored(labels_N[of_split], take, lambda row: encoded_tables.describe_row(paths, int(of_split[row])))
