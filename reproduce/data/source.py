"""What a data set is, before anything of it is decoded: its name, its bytes' fingerprint, its classes. No torch.

    identify("shapes")             the embedded data set
    identify("cifar10")            looked for under ATTNREPRO_DATA (default ~/.cache/attnrepro)
    identify("../photos")          a folder of class folders, of Parquet shards or of CIFAR batches; or a Parquet file

A known name wins over a folder of the same name; write ``./cifar10`` for the folder.
"""

import hashlib
import io
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reproduce.console.logs import LOG
from reproduce.data import class_folders, parquet, shapes
from reproduce.data.cards import CARDS, KNOWN_NAMES
from reproduce.data.content_cache import Marked, know_content, mark_files
from reproduce.data.naming import name_content
from reproduce.data.stored import Kind, open_split
from reproduce.errors import UserError, did_you_mean

Fit = Literal["exact", "stretch", "crop"]

CIFAR_FOLDERS: dict[Literal["cifar10", "cifar100"], str] = {
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
}
_CIFAR_FILES = {
    "cifar10": (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    "cifar100": ("train", "test", "meta"),
}
_HASH_CONTENT_UP_TO = 2 * 2**30  # bytes of image files; above it a fingerprint is of the files
_TOLD: set[tuple[str, str]] = set()
_RESIZED: dict[str, tuple[int, Fit]] = {"intel-scenes": (150, "stretch"), "imagenet": (224, "crop")}


@dataclass(frozen=True)
class Source:
    """A data set that has been found, not yet decoded into memory. Equal sources are the same images in one place."""

    name: str  # the label under which results are recorded
    kind: Kind
    sha256: str  # of what it holds: see identify
    root: Path | None  # None: embedded
    image_size: int  # pixels a side, as load returns them
    classes: tuple[str, ...]
    fit: Fit = (
        "exact"  # exact: images have this size already | stretch to it | crop: shorter side 8/7 of it, centre cut
    )
    counts: Mapping[str, int] | None = field(default=None, compare=False)  # images of each split
    older: tuple[str, ...] = field(default=(), compare=False)  # fingerprints that results on it were recorded under
    differs: str = field(default="", compare=False)  # from the data set that it is called after
    orders: Mapping[str, NDArray[np.int64]] | None = field(default=None, compare=False, repr=False)

    def order(self, split: str, count: int) -> NDArray[np.int64]:
        """Return the rows of a split of ``count`` images in canonical order; of files where that is not known.

        Raises:
            UserError: the split has another number of images than when it was identified.
        """
        if self.orders is None:
            return np.arange(count)
        if len(self.orders[split]) != count:
            raise UserError(f"the {split} files in {self.root} have changed since they were read", "run it again")
        return self.orders[split]


def data_root() -> Path:
    """Return the folder in which named data sets are kept."""
    return Path(os.environ.get("ATTNREPRO_DATA") or "~/.cache/attnrepro").expanduser()


def identify(data: str) -> Source:
    """Find the data set that ``data`` (a known name or a path) means, and what it holds.

    Its sum is of decoded pixels and labels (:mod:`reproduce.data.fingerprint`): the same for batch files, Parquet and
    class folders. Every image is decoded for it once; later calls find it beside the results. Above 2 GiB of image
    files it is of the files: shards and their splits, or split, class, file name and size of every image.

    Raises:
        UserError: an unknown name, nothing at the path, or a folder that is not a data set.
    """
    if data == "shapes":
        return Source(
            "shapes", "shapes", shapes.SHA256, None, shapes.IMAGE_SIZE, shapes.CLASSES, counts=dict(shapes.COUNTS)
        )
    path = Path(data).expanduser()
    try:
        if data in KNOWN_NAMES:
            return _identify_named(data)
        if path.exists():
            return _identify_path(path.resolve())
    except OSError as error:
        where = error.filename or data
        raise UserError(f"{where} cannot be read ({error.strerror})", "check the disk and the permissions") from None
    if re.search(r"[/\\.~]", data):
        raise UserError(f"no file or folder at {data}", hint="check the path, or name a data set: --data shapes")
    raise UserError(f"no data set or folder is called '{data}'", hint=did_you_mean(data, KNOWN_NAMES))


def _identify_named(name: str) -> Source:
    root = data_root() / name
    if name in CIFAR_FOLDERS:
        hint = f"run: attnrepro data fetch {name}   (or set ATTNREPRO_DATA to the folder above {name}/)"
    else:
        hint = f"{(CARDS[name].place or '').format(root=root)}; or give its folder: --data PATH"
    if name in CIFAR_FOLDERS and not root.is_dir() and (data_root() / CIFAR_FOLDERS[name]).is_dir():
        root = data_root()
    if not root.is_dir():
        raise UserError(f"{name} is not in {data_root()}", hint=hint)
    return _identify_folder(root.resolve(), name)


def _identify_path(path: Path) -> Source:
    if path.is_dir():
        return _identify_folder(path, "")
    shards = parquet.find_shards(path) if path.suffix.lower() == ".parquet" else None
    if shards is None:
        raise UserError(f"{path} is a file, not a data set", hint="give the folder it unpacks to, or a .parquet file")
    return _identify_parquet(path, shards, "")


def _identify_folder(root: Path, name: str) -> Source:
    """``name`` is the known name under which the folder was looked for, '' for a path of the user's."""
    for cifar, folder in CIFAR_FOLDERS.items():
        for place in (root, root.parent):
            if (place / folder).is_dir() and root in (place, place / folder):
                if name not in ("", cifar):
                    raise UserError(f"{root} holds {cifar}, not {name}", hint=f"run: attnrepro data fetch {name}")
                return _identify_cifar(place, cifar)
    shards = parquet.find_shards(root)
    if shards is not None:
        return _identify_parquet(root, shards, name)
    if not any(root.iterdir()):
        raise UserError(f"{root} is empty", hint="unpack a data set into it, or give another folder")
    if class_folders.holds_loose_images(root):
        raise UserError(
            f"{root} holds images that are not sorted into class folders",
            hint="move each into a folder of its class: val/n01440764/ILSVRC2012_val_00000293.JPEG",
        )
    if not class_folders.holds_class_folders(root):
        raise UserError(
            f"{root} holds no data set that is known here",
            hint="expected class folders of images, Parquet shards (train-*.parquet, test-*.parquet) or CIFAR batches",
        )
    return _identify_class_folders(root, name)


def _identify_cifar(place: Path, name: Literal["cifar10", "cifar100"]) -> Source:
    folder = place / CIFAR_FOLDERS[name]
    missing = next((file for file in _CIFAR_FILES[name] if not (folder / file).is_file()), None)
    if missing is not None:
        raise UserError(f"{folder} lacks the file {missing}", hint=f"fetch it again: attnrepro data fetch {name}")
    files = [(file, folder / file) for file in _CIFAR_FILES[name]]
    draft = Source(name, name, "", place, 32, CARDS[name].class_names)
    return _settle(draft, files, lambda: _hash_marked(files), name)


def _identify_parquet(root: Path, shards: parquet.Shards, name: str) -> Source:
    files = [("train", path) for path in shards.train] + [("test", path) for path in shards.test]
    schema = parquet.read_schema(shards.train[0])
    classes = schema.classes
    if not classes:
        labels_N = parquet.read_labels(shards.train)
        classes = tuple(str(number) for number in range(int(labels_N.max(initial=-1)) + 1))
    if not classes or not schema.rows:
        raise UserError(f"{shards.train[0]} holds no labelled images", hint="give another folder")
    fit: Fit = "exact"
    if name in _RESIZED:
        size, fit = _RESIZED[name]
    else:
        size = _measure(parquet.read_first_image(shards.train[0]), f"row 0 of {shards.train[0]}")
    draft = Source("", "parquet", "", root, size, classes, fit)
    return _settle(draft, files, lambda: _hash_marked(files), name)


def _identify_class_folders(root: Path, name: str) -> Source:
    root = class_folders.unwrap(root)
    listing = class_folders.list_images(root, allow_missing_train=name == "imagenet")
    layout = name
    if (root / "seg_train").is_dir():
        layout = "intel-scenes"
    elif class_folders.is_imagenet(listing.classes):
        layout = "imagenet"
    fit: Fit = "exact"
    if layout in _RESIZED:
        size, fit = _RESIZED[layout]
    else:
        first = (listing.train or listing.test)[0].path
        size = _measure(first.read_bytes(), str(first))
    files = [
        (f"{split} {file.label} {file.key}", file.path)
        for split, part in (("train", listing.train), ("test", listing.test))
        for file in part
    ]
    draft = Source("", "folders", "", root, size, listing.classes, fit)
    return _settle(draft, files, lambda: _hash_listing(listing), name)


def _settle(draft: Source, files: Marked, older: Callable[[], str], suggested: str) -> Source:
    """Return ``draft`` with its sum, its counts and the name that they give it."""
    root = draft.root
    assert root is not None
    kept_under, size = mark_files(draft.kind, files)
    if draft.kind not in CIFAR_FOLDERS and size > _HASH_CONTENT_UP_TO:
        if draft.kind == "folders":
            counts = {split: sum(mark.startswith(f"{split} ") for mark, _ in files) for split in ("train", "test")}
        else:
            counts = {split: len(open_split(draft.kind, root, split)) for split in ("train", "test")}
        sha256 = older()
        name, differs = name_content(sha256, counts, {}, root, suggested)
        return _tell(replace(draft, name=name, sha256=sha256, counts=counts, differs=differs))
    content = know_content(draft.kind, root, kept_under, older)
    sha256, counts = content.sha256, content.counts
    name, differs = name_content(sha256, counts, content.splits, root, suggested)
    if draft.kind == "cifar100" and CARDS["cifar100"].content is None:
        name, differs = draft.name, ""  # the published MD5 sums of the batch files hold: they were read
    card = CARDS.get(name)
    return _tell(
        replace(
            draft,
            name=name,
            sha256=sha256,
            classes=card.class_names if card is not None and card.class_names else draft.classes,
            counts=counts,
            older=tuple(dict.fromkeys((content.older, *(card.older if card else ())))),
            differs=differs,
            orders=content.orders,
        )
    )


def _tell(source: Source) -> Source:
    """Say, once, that data are not those they seem to be."""
    told = (source.name, source.sha256)
    if source.differs and told not in _TOLD:
        _TOLD.add(told)
        LOG.info("%s is called %s and is compared with nothing published: %s", source.root, source.name, source.differs)
    return source


def _measure(encoded: bytes, where: str) -> int:
    """Return the side of a square image from its header, in pixels."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded)) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UserError(f"{where} is no readable image", hint="it is damaged; fetch the data set again") from None
    if width != height:
        raise UserError(f"{where} is {width}x{height}, not square", hint="resize all images to one square size first")
    return width


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror})", hint="check the disk and the permissions"
        ) from None


def _hash_marked(files: Marked) -> str:
    digest = hashlib.sha256()
    for mark, path in files:
        digest.update(f"{mark} {_hash_file(path)}\n".encode())
    return digest.hexdigest()


def _hash_listing(listing: class_folders.Listing) -> str:
    files = [("train", file) for file in listing.train] + [("test", file) for file in listing.test]
    sizes = [file.path.stat().st_size for _, file in files]
    by_content = sum(sizes) <= _HASH_CONTENT_UP_TO
    digest = hashlib.sha256()
    for (split, file), size in zip(files, sizes, strict=True):
        mark = _hash_file(file.path) if by_content else str(size)
        digest.update(f"{split} {file.key} {mark}\n".encode())
    return digest.hexdigest()
