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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from reproduce.data import class_folders, parquet, shapes
from reproduce.data.class_names import CIFAR10, CIFAR100
from reproduce.errors import UserError, did_you_mean

Kind = Literal["shapes", "cifar10", "cifar100", "folders", "parquet"]
Fit = Literal["exact", "stretch", "crop"]
KNOWN_NAMES = ("shapes", "cifar10", "cifar100", "tiny-imagenet", "intel-scenes", "imagenet")
# data sets that have to be got by hand: from where, and how they are to lie
PLACES = {
    "tiny-imagenet": "download tiny-imagenet-200.zip from cs231n.stanford.edu, then: attnrepro data unpack FILE",
    "intel-scenes": "download puneet6060/intel-image-classification from Kaggle, then: attnrepro data unpack FILE"
    " (or put its seg_train/ and seg_test/ into {root})",
    "imagenet": "register at image-net.org; put train/<wnid>/ and val/<wnid>/ into {root}",
}
CIFAR_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
_CIFAR_FILES = {
    "cifar10": (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"),
    "cifar100": ("train", "test", "meta"),
}
_HASH_CONTENT_UP_TO = 2 * 2**30  # bytes; above it a fingerprint is of paths and sizes
_RESIZED: dict[str, tuple[int, Fit]] = {"intel-scenes": (150, "stretch"), "imagenet": (224, "crop")}
# fingerprints whose content is known, whatever their folder is called: name and classes
_KNOWN_FINGERPRINTS = {
    "9945f8d6fd38961ecfd9765792ef440e09edc4402cb85732fbda49b1e2784325": ("cifar10-jpeg75", CIFAR10),
}


@dataclass(frozen=True)
class Source:
    """A data set that has been found, not yet decoded. Equal sources are the same bytes in the same place."""

    name: str  # the label under which results are recorded
    kind: Kind
    sha256: str  # of the bytes on disk: see identify
    root: Path | None  # None: embedded
    image_size: int  # pixels a side, as load returns them
    classes: tuple[str, ...]
    fit: Fit = (
        "exact"  # exact: images have this size already | stretch to it | crop: shorter side 8/7 of it, centre cut
    )


def data_root() -> Path:
    """Return the folder in which named data sets are kept."""
    return Path(os.environ.get("ATTNREPRO_DATA") or "~/.cache/attnrepro").expanduser()


def identify(data: str) -> Source:
    """Find the data set that ``data`` (a known name or a path) means, and fingerprint its bytes.

    The fingerprint does not decode images. Parquet: the SHA-256 of every shard with its split, in name order.
    Class folders: split, class, file name and content of every image, in order; above 2 GiB in all, split, class, file
    name and size only. CIFAR: the official batch files. `shapes`: its bytes, which are a constant.

    Raises:
        UserError: an unknown name, nothing at the path, or a folder that is not a data set.
    """
    if data == "shapes":
        return Source("shapes", "shapes", shapes.SHA256, None, shapes.IMAGE_SIZE, shapes.CLASSES)
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
        hint = f"{PLACES[name].format(root=root)}; or give its folder: --data PATH"
    if name in CIFAR_FOLDERS and not root.is_dir() and (data_root() / CIFAR_FOLDERS[name]).is_dir():
        root = data_root()
    if not root.is_dir():
        raise UserError(f"{name} is not in {data_root()}", hint=hint)
    source = _identify_folder(root.resolve(), name)
    if source.kind in CIFAR_FOLDERS and source.kind != name:
        raise UserError(f"{root} holds {source.kind}, not {name}", hint=hint)
    return source if source.sha256 in _KNOWN_FINGERPRINTS else replace(source, name=name)


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


def _identify_cifar(place: Path, name: str) -> Source:
    folder = place / CIFAR_FOLDERS[name]
    missing = next((file for file in _CIFAR_FILES[name] if not (folder / file).is_file()), None)
    if missing is not None:
        raise UserError(f"{folder} lacks the file {missing}", hint=f"fetch it again: attnrepro data fetch {name}")
    digest = hashlib.sha256()
    for file in _CIFAR_FILES[name]:
        digest.update(f"{file} {_hash_file(folder / file)}\n".encode())
    classes = CIFAR10 if name == "cifar10" else CIFAR100
    return Source(name, name, digest.hexdigest(), place, 32, classes)  # type: ignore[arg-type]


def _identify_parquet(root: Path, shards: parquet.Shards, name: str) -> Source:
    digest = hashlib.sha256()
    for split, paths in (("train", shards.train), ("test", shards.test)):
        for path in paths:
            digest.update(f"{split} {_hash_file(path)}\n".encode())
    fingerprint = digest.hexdigest()
    schema = parquet.read_schema(shards.train[0])
    label, classes = _KNOWN_FINGERPRINTS.get(fingerprint, (_label(root), schema.classes))
    if not classes:
        labels_N = parquet.read_labels(shards.train)
        classes = tuple(str(number) for number in range(int(labels_N.max(initial=-1)) + 1))
    if not classes or not schema.rows:
        raise UserError(f"{shards.train[0]} holds no labelled images", hint="give another folder")
    if name in _RESIZED:
        size, fit = _RESIZED[name]
        return Source(label, "parquet", fingerprint, root, size, classes, fit)
    size = _measure(parquet.read_first_image(shards.train[0]), f"row 0 of {shards.train[0]}")
    return Source(label, "parquet", fingerprint, root, size, classes)


def _identify_class_folders(root: Path, name: str) -> Source:
    root = class_folders.unwrap(root)
    listing = class_folders.list_images(root, allow_missing_train=name == "imagenet")
    fingerprint, classes = _hash_listing(listing), listing.classes
    if (root / "seg_train").is_dir():
        name = "intel-scenes"
    elif class_folders.is_imagenet(classes):
        name = "imagenet"
    if name in _RESIZED:
        size, fit = _RESIZED[name]
        return Source(_label(root), "folders", fingerprint, root, size, classes, fit)
    first = (listing.train or listing.test)[0].path
    return Source(_label(root), "folders", fingerprint, root, _measure(first.read_bytes(), str(first)), classes)


def _label(root: Path) -> str:
    """Name a user's folder; one that is called like a known data set is not taken for it."""
    label = re.sub(r"[^a-z0-9]+", "-", root.name.removesuffix(".parquet").lower()).strip("-") or "folder"
    known = {*KNOWN_NAMES, *(name for name, _ in _KNOWN_FINGERPRINTS.values())}
    return f"local-{label}" if label in known else label


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


def _hash_listing(listing: class_folders.Listing) -> str:
    files = [("train", file) for file in listing.train] + [("test", file) for file in listing.test]
    sizes = [file.path.stat().st_size for _, file in files]
    by_content = sum(sizes) <= _HASH_CONTENT_UP_TO
    digest = hashlib.sha256()
    for (split, file), size in zip(files, sizes, strict=True):
        mark = _hash_file(file.path) if by_content else str(size)
        digest.update(f"{split} {file.key} {mark}\n".encode())
    return digest.hexdigest()
