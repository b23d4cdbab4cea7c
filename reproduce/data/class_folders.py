"""How class folders lie on disk: which files are which split and class. No torch; nothing is decoded.

Understood: ``train/`` with ``test/`` or ``val/``, each of class folders (one folder deeper where an archive doubled
it, or with ``images/`` inside each class); ``val/images`` with ``val_annotations.txt`` (Tiny-ImageNet); ``seg_train``
and ``seg_test`` (Intel scenes); and class folders alone, of which a fixed fifth becomes the test split, or all of them
where they are ImageNet's (its validation images alone).
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reproduce.errors import UserError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".ppm", ".tif", ".tiff"})
_SUFFIXES = tuple(IMAGE_SUFFIXES)
TRAIN_NAMES = ("train", "training", "seg_train")
TEST_NAMES = ("test", "testing", "seg_test", "val", "valid", "validation")
ANNOTATIONS = "val_annotations.txt"
_IMAGENET_CLASSES = 1000
_TEST_SHARE = 5  # one image in five, where nobody split them
_LAYOUT_HINT = "expected train/<class>/*.jpg and test/<class>/*.jpg (or val/), or <class>/*.jpg alone"


@dataclass(frozen=True)
class ImageFile:
    """One image on disk: its place in ``classes`` and the name it has in every copy of the data set."""

    path: Path
    label: int
    key: str  # "<class>/<file name>": the same whether folders are doubled or not


@dataclass(frozen=True)
class Listing:
    """The files of both splits by class, then by name; ``train`` may be empty (ImageNet's val alone)."""

    classes: tuple[str, ...]
    train: tuple[ImageFile, ...]
    test: tuple[ImageFile, ...]


def list_images(root: Path, allow_missing_train: bool = False) -> Listing:
    """Find both splits under ``root``.

    Raises:
        UserError: no images, a split missing, a class without images, or classes that differ between the splits.
    """
    root = unwrap(root)
    train_root = _find_split(root, TRAIN_NAMES)
    test_root = _find_test(root)
    if train_root is None and test_root is None:
        alone = tuple(folder.name for folder in _folders(root))
        if is_imagenet(alone):
            return Listing(alone, (), _list_classes(root, _class_names(root, root)))
        return _split_pool(root)
    if test_root is None:
        raise UserError(
            f"{root} has {_name(train_root)}/ but no test split", hint="add a test/ or val/ folder beside it"
        )
    allow_missing_train |= is_imagenet([folder.name for folder in _folders(test_root)])
    if train_root is None and not allow_missing_train:
        raise UserError(f"{root} has {_name(test_root)}/ but no training split", hint="add a train/ folder beside it")
    if (test_root / ANNOTATIONS).is_file():
        classes = _class_names(train_root, root)
        return Listing(classes, _list_classes(train_root, classes), _read_annotations(test_root, classes))
    classes = _class_names(train_root if train_root is not None else test_root, root)
    unknown = sorted(set(_class_names(test_root, root)) - set(classes))
    if unknown:
        raise UserError(f"class '{unknown[0]}' is in {test_root} but not in {train_root}", hint=_LAYOUT_HINT)
    train = _list_classes(train_root, classes) if train_root is not None else ()
    return Listing(classes, train, _list_classes(test_root, classes))


def is_imagenet(classes: Sequence[str]) -> bool:
    """Say whether these are the names of ImageNet's 1,000 classes."""
    return len(classes) == _IMAGENET_CLASSES and all(re.fullmatch(r"n\d{8}", name) for name in classes)


def unwrap(root: Path) -> Path:
    """Step into the single folder that an archive wraps its content in: a/a/..., or a folder of splits."""
    for _ in range(2):
        inside = _folders(root)
        if len(inside) != 1 or _holds_images(root):
            break
        if inside[0].name in (*TRAIN_NAMES, *TEST_NAMES) and inside[0].name != root.name:
            break  # one split of two: the other is missing
        if inside[0].name != root.name and not any(folder.name in TRAIN_NAMES for folder in _folders(inside[0])):
            break
        root = inside[0]
    return root


def holds_loose_images(root: Path) -> bool:
    """Say whether the test split lies in one folder, not sorted into classes (ImageNet's ``val`` as it is unpacked)."""
    if _find_test(root) is not None:
        return False  # another folder of images, without labels, may lie beside it
    folders = [root, *(root / name for name in TEST_NAMES if (root / name).is_dir())]
    return any(_holds_images(folder) and not _class_folders(folder) for folder in folders)


def holds_class_folders(root: Path) -> bool:
    """Say whether ``root`` looks like class folders or splits of them, without listing all of it."""
    root = unwrap(root)
    return _find_split(root, TRAIN_NAMES) is not None or _find_test(root) is not None or bool(_class_folders(root))


def _name(path: Path | None) -> str:
    return path.name if path is not None else ""


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))


def _image_paths(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(_image_names(folder))]


def _image_names(folder: Path) -> Iterator[str]:
    """Yield names rather than paths, which take seconds for the files of a large data set."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(_SUFFIXES) and entry.name[0] != ".":
                yield entry.name


def _holds_images(folder: Path) -> bool:
    return any(True for _ in _image_names(folder))


def _images_of_class(folder: Path) -> list[Path]:
    return _image_paths(folder) or (_image_paths(folder / "images") if (folder / "images").is_dir() else [])


def _is_class(folder: Path) -> bool:
    return _holds_images(folder) or ((folder / "images").is_dir() and _holds_images(folder / "images"))


def _class_folders(root: Path) -> list[Path]:
    return [folder for folder in _folders(root) if _is_class(folder)]


def _find_split(root: Path, names: tuple[str, ...]) -> Path | None:
    for name in names:
        folder = root / name
        if folder.is_dir():
            folder = unwrap(folder)
            if (folder / ANNOTATIONS).is_file() or _class_folders(folder):
                return folder
    return None


def _find_test(root: Path) -> Path | None:
    """Prefer an annotated ``val``: Tiny-ImageNet's own ``test`` has images without labels."""
    annotated = unwrap(root / "val") if (root / "val").is_dir() else None
    if annotated is not None and (annotated / ANNOTATIONS).is_file():
        return annotated
    return _find_split(root, TEST_NAMES)


def _class_names(root: Path | None, whole: Path) -> tuple[str, ...]:
    if root is None:
        raise UserError(f"{whole} has {ANNOTATIONS} but no train/ folder to number its classes", hint=_LAYOUT_HINT)
    folders = _folders(root)
    empty = [folder for folder in folders if not _is_class(folder)]
    if empty and len(empty) < len(folders):
        raise UserError(f"the class folder {empty[0]} holds no images", hint="remove it, or put its images there")
    if not folders or empty:
        raise UserError(f"{root} holds no class folders with images", hint=_LAYOUT_HINT)
    return tuple(folder.name for folder in folders)


def _list_classes(root: Path | None, classes: tuple[str, ...]) -> tuple[ImageFile, ...]:
    assert root is not None  # _class_names has refused a missing folder
    files = []
    for label, name in enumerate(classes):
        if (root / name).is_dir():
            files += [ImageFile(path, label, f"{name}/{path.name}") for path in _images_of_class(root / name)]
    return tuple(files)


def _read_annotations(root: Path, classes: tuple[str, ...]) -> tuple[ImageFile, ...]:
    """Read ``file <tab> class <tab> box`` lines; images lie in ``images/`` or beside the list."""
    numbers = {name: number for number, name in enumerate(classes)}
    folder = root / "images" if (root / "images").is_dir() else root
    files = []
    for count, line in enumerate((root / ANNOTATIONS).read_text(errors="replace").splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in numbers:
            raise UserError(
                f"line {count} of {root / ANNOTATIONS} names no class of the training split",
                hint="it should read: file <tab> class <tab> box; unpack the archive again",
            )
        files.append(ImageFile(folder / fields[0], numbers[fields[1]], f"{fields[1]}/{fields[0]}"))
    missing = next((file.path for file in files if not file.path.is_file()), None)
    if missing is not None or not files:
        raise UserError(
            f"{root / ANNOTATIONS} lists {missing or 'no image'} which is not there", "unpack the archive again"
        )
    return tuple(files)


def _split_pool(root: Path) -> Listing:
    """Make a test split of a fifth of each class, by the digest of the file's name: everywhere the same."""
    if not _class_folders(root):
        raise UserError(f"{root} holds no images in class folders", hint=_LAYOUT_HINT)
    classes = _class_names(root, root)
    train, test = [], []
    for label, name in enumerate(classes):
        files = [ImageFile(path, label, f"{name}/{path.name}") for path in _images_of_class(root / name)]
        if len(files) < 2:
            raise UserError(f"the class folder {root / name} holds one image, too few to split", hint=_LAYOUT_HINT)
        ranked = sorted(files, key=lambda file: hashlib.sha256(file.key.encode()).digest())
        chosen = set(ranked[: max(1, len(files) // _TEST_SHARE)])
        train += [file for file in files if file not in chosen]
        test += [file for file in files if file in chosen]
    return Listing(classes, tuple(train), tuple(test))
