"""What a data set is, before anything of it is decoded: its name, its bytes' fingerprint, its classes. No torch.

    identify("shapes")             the embedded data set
    identify("cifar10")            looked for under ATTNREPRO_DATA (default ~/.cache/attnrepro)
    identify("../photos")          a folder of class folders, of Parquet shards or of CIFAR batches; or a Parquet file

A known name wins over a folder of the same name; write ``./cifar10`` for the folder.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reproduce.console.logs import LOG
from reproduce.data import file_sums, shapes
from reproduce.data.cards import CARDS, KNOWN_NAMES
from reproduce.data.content_cache import Marked, know_content, mark_files
from reproduce.data.layouts import class_folders, encoded_tables, label_lists, shards
from reproduce.data.layouts.split_names import KNOWN
from reproduce.data.measure import measure
from reproduce.data.naming import name_content
from reproduce.data.stored import Kind, list_files, open_split
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
_TOLD: set[tuple[str, ...]] = set()
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2")
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
    notes: tuple[str, ...] = field(default=(), compare=False)  # what was left out, pooled or guessed
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
    if not data.strip():
        raise UserError("--data names no data set", f"give a folder, or one of: {', '.join(KNOWN_NAMES)}")
    path = Path(data).expanduser()
    try:
        if data in KNOWN_NAMES:
            return _identify_named(data)
        if path.exists():
            return _identify_path(path.resolve() if path.is_dir() else path.absolute())  # a link may go to a blob
    except OSError as error:
        where = error.filename or data
        raise UserError(f"{where} cannot be read ({error.strerror})", "check the disk and the permissions") from None
    if re.search(r"[/\\.~]", data):
        raise UserError(f"no file or folder at {data}", hint="check the path, or name a data set: --data shapes")
    raise UserError(f"no data set or folder is called '{data}'", hint=did_you_mean(data, KNOWN_NAMES))


def _identify_named(name: str) -> Source:
    root = data_root() / name
    if name in CIFAR_FOLDERS:
        hint = (
            f"run: attnrepro data fetch {name}   (or attnrepro data unpack ARCHIVE of one downloaded by hand,"
            f" or set ATTNREPRO_DATA to the folder above {name}/)"
        )
    else:
        hint = f"{(CARDS[name].place or '').format(root=root)}; or give its folder: --data PATH"
    if name in CIFAR_FOLDERS and not root.is_dir() and (data_root() / CIFAR_FOLDERS[name]).is_dir():
        root = data_root()
    if not root.is_dir() or all(path.name.startswith(".") for path in root.iterdir()):
        raise UserError(f"{name} is not in {data_root()}", hint=hint)
    return _identify_folder(root.resolve(), name)


def _identify_path(path: Path) -> Source:
    if path.is_dir():
        return _identify_folder(path, "")
    if path.suffix.lower() in _ARCHIVES:
        raise UserError(f"{path} is a file, not a data set", hint=f"run: attnrepro data unpack {path}")
    found = shards.find_shards(path) if path.suffix.lower() in shards.SUFFIXES else None
    if found is None:
        raise UserError(f"{path} is a file, not a data set", hint="give the folder it unpacks to, or a .parquet file")
    return _identify_tables(path, found, "")


def _identify_folder(root: Path, name: str) -> Source:
    """``name`` is the known name under which the folder was looked for, '' for a path of the user's."""
    for cifar, folder in CIFAR_FOLDERS.items():
        for place in (root, root.parent):
            if (place / folder).is_dir() and root in (place, place / folder):
                if name not in ("", cifar):
                    raise UserError(f"{root} holds {cifar}, not {name}", hint=f"run: attnrepro data fetch {name}")
                return _identify_cifar(place, cifar)
    root = shards.step_into_cache(root)
    found = shards.find_shards(root)
    if found is not None:
        return _identify_tables(root, found, name)
    if not any(root.iterdir()):
        raise UserError(f"{root} is empty", hint="unpack a data set into it, or give another folder")
    if label_lists.has_list(root):
        return _identify_files(root, name)
    if class_folders.holds_loose_images(root):
        raise UserError(
            f"{root} holds images that are not sorted into class folders",
            hint="move each into a folder of its class (val/n01440764/ILSVRC2012_val_00000293.JPEG), or put a CSV file"
            " beside them with a column of file names and a column 'label'",
        )
    if not class_folders.holds_class_folders(root):
        raise UserError(
            f"{root} holds no data set that is known here",
            hint="expected class folders of images, Parquet shards (train-*.parquet, test-*.parquet) or CIFAR batches;"
            f" splits may be called {', '.join(KNOWN)}",
        )
    return _identify_files(root, name)


def _identify_cifar(place: Path, name: Literal["cifar10", "cifar100"]) -> Source:
    folder = place / CIFAR_FOLDERS[name]
    missing = next((file for file in _CIFAR_FILES[name] if not (folder / file).is_file()), None)
    if missing is not None:
        raise UserError(f"{folder} lacks the file {missing}", hint=f"fetch it again: attnrepro data fetch {name}")
    files = [(file, folder / file) for file in _CIFAR_FILES[name]]
    draft = Source(name, name, "", place, 32, CARDS[name].class_names)
    return _settle(draft, files, lambda: file_sums.hash_marked(files), name)


def _identify_tables(root: Path, found: shards.Shards, name: str) -> Source:
    files = [("train", path) for path in found.train] + [("test", path) for path in found.test]
    classes = encoded_tables.read_classes(found.train)
    if not classes.names or not encoded_tables.read_schema(found.train[0]).rows:
        raise UserError(f"{found.train[0]} holds no labelled images", hint="give another folder")
    if len(classes.names) == 1:
        raise UserError(f"{root} holds images of one class ({classes.names[0]})", "give data of two classes or more")
    encoded_tables.check_names(found.test, classes, found.train[0])
    first = encoded_tables.read_first_image(found.train[0])
    size, fit, notes = _fit(name, first, f"row 0 of {found.train[0]}")
    draft = Source("", "parquet", "", root, size, classes.names, fit, notes=(*found.notes, *classes.notes, *notes))
    return _settle(draft, files, lambda: file_sums.hash_marked(files), name)


def _identify_files(root: Path, name: str) -> Source:
    root = class_folders.unwrap(root)
    listing = list_files(root, allow_missing_train=name == "imagenet")
    layout = name
    if (root / "seg_train").is_dir():
        layout = "intel-scenes"
    elif class_folders.is_imagenet(listing.classes):
        layout = "imagenet"
    first = (listing.train or listing.test)[0].path
    size, fit, notes = _fit(layout, first, str(first))
    files = [
        (f"{split} {file.label} {file.key}", file.path)
        for split, part in (("train", listing.train), ("test", listing.test))
        for file in part
    ]
    draft = Source("", "folders", "", root, size, listing.classes, fit, notes=(*listing.notes, *notes))
    return _settle(draft, files, lambda: file_sums.hash_listing(listing), name)


def _fit(layout: str, first: bytes | Path, where: str) -> tuple[int, Fit, tuple[str, ...]]:
    """Return the side that images are brought to, how, and what there is to tell of the first one."""
    if layout in _RESIZED:
        return *_RESIZED[layout], ()
    size, notes = measure(first, where)
    return size, "exact", notes


def _settle(draft: Source, files: Marked, older: Callable[[], str], suggested: str) -> Source:
    """Return ``draft`` with its sum, its counts and the name that they give it."""
    root = draft.root
    assert root is not None
    kept_under, size = mark_files(draft.kind, files)
    if draft.kind not in CIFAR_FOLDERS and size > file_sums.HASH_CONTENT_UP_TO:
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
    """Say, once, what was left out or guessed, and that data are not those they seem to be."""
    told = (source.name, source.sha256, *source.notes)
    if told in _TOLD:
        return source
    _TOLD.add(told)
    for note in source.notes:
        LOG.info("%s: %s", source.root, note)
    if source.differs:
        LOG.info("%s is called %s and is compared with nothing published: %s", source.root, source.name, source.differs)
    return source
