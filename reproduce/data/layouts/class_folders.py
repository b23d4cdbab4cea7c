"""Folders of classes: which files are which split and class.

Understood: a training and a test folder (``train``/``test``, ``Training``/``Validation``, ``seg_train``/``seg_test``),
each of class folders, one folder deeper where an archive doubled it; images lie anywhere below their class;
``val/images`` with ``val_annotations.txt`` (Tiny-ImageNet); and class folders alone, of which a fixed fifth becomes the
test split, or all of them where they are ImageNet's (its validation images alone).
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reproduce.data.layouts.image_files import LeftOut, holds_images, list_below, some, subfolders
from reproduce.data.layouts.split_names import WORDS, Split, split_of, split_word
from reproduce.errors import UserError

ANNOTATIONS = "val_annotations.txt"
_IMAGENET_CLASSES = 1000
_TEST_SHARE = 5  # one image in five, where nobody split them
LAYOUT_HINT = "expected train/<class>/*.jpg and test/<class>/*.jpg (or val/), or <class>/*.jpg alone"


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
    notes: tuple[str, ...] = ()  # what was left out, pooled or guessed


def list_images(root: Path, allow_missing_train: bool = False) -> Listing:
    """Find both splits under ``root``.

    Raises:
        UserError: no images, a split missing, one class, a class without images, several data sets, or classes that
            differ between the splits.
    """
    root, left = unwrap(root), LeftOut()
    train_root, tests = find_train(root), _find_tests(root)
    if train_root is None and not tests:
        return _list_alone(root, left)
    _note_other_folders(root, left)
    if train_root is None:
        test_root = tests[0]
        if not allow_missing_train and not is_imagenet([folder.name for folder in subfolders(test_root)]):
            raise UserError(f"{root} has {test_root.name}/ but no training split", "add a train/ folder beside it")
        if (test_root / ANNOTATIONS).is_file():
            raise UserError(f"{root} has {ANNOTATIONS} but no train/ folder to number its classes", LAYOUT_HINT)
        classes = _find_classes(test_root)
        return Listing(tuple(classes), (), _list_classes(classes, tuple(classes), left), left.tell())
    classes = _find_classes(train_root)
    names = tuple(classes)
    test_root = _choose_test(root, train_root, tests, names, left)
    train = _list_classes(classes, names, left)
    if _is_annotated(test_root, names):
        test = _read_annotations(test_root, names)
    else:
        test = _list_classes(_match_classes(test_root, train_root, names, left), names, left)
    return Listing(names, train, test, left.tell())


def is_imagenet(classes: Sequence[str]) -> bool:
    """Say whether these are the names of ImageNet's 1,000 classes."""
    return len(classes) == _IMAGENET_CLASSES and all(re.fullmatch(r"n\d{8}", name) for name in classes)


def unwrap(root: Path) -> Path:
    """Step into the single folder that an archive wraps its content in: a/a/..., or a folder of splits."""
    for _ in range(2):
        inside = subfolders(root)
        if len(inside) != 1 or holds_images(root, deep=False):
            break
        if split_word(inside[0].name) and inside[0].name != root.name:
            break  # one split of two: the other is missing
        splits = any(split_of(split_word(folder.name)) == "train" for folder in subfolders(inside[0]))
        if inside[0].name != root.name and not splits:
            break
        root = inside[0]
    return root


def find_named(root: Path, split: Split) -> list[Path]:
    """Return the folders in ``root`` that are called like ``split``, in the order in which they are preferred."""
    words = WORDS[split]
    named = [(words.index(word), path) for path in subfolders(root) if (word := split_word(path.name)) in words]
    return [path for _, path in sorted(named)]


def find_train(root: Path) -> Path | None:
    """Return the training folder, stepped into; raises UserError where there are two."""
    found = [folder for path in find_named(root, "train") if class_folders(folder := unwrap(path))]
    if len(found) > 1:
        names = some([str(path.relative_to(root)) for path in found])
        raise UserError(f"{root} holds several training splits ({names})", "move all but one of them elsewhere")
    return found[0] if found else None


def class_folders(root: Path) -> list[Path]:
    """Return the folders in ``root`` that have images below them."""
    return [folder for folder in subfolders(root) if holds_images(folder)]


def holds_loose_images(root: Path) -> bool:
    """Say whether the test split lies in one folder, not sorted into classes (ImageNet's ``val`` as it is unpacked)."""
    if _find_tests(root):
        return False  # another folder of images, without labels, may lie beside it
    folders = [root, *find_named(root, "train"), *find_named(root, "test")]
    return any(holds_images(folder, deep=False) and not class_folders(folder) for folder in folders)


def holds_class_folders(root: Path) -> bool:
    """Say whether ``root`` looks like class folders or splits of them, without listing all of it."""
    root = unwrap(root)
    return find_train(root) is not None or bool(_find_tests(root)) or bool(class_folders(root))


def _find_tests(root: Path) -> list[Path]:
    folders = [unwrap(path) for path in find_named(root, "test")]
    return [folder for folder in folders if (folder / ANNOTATIONS).is_file() or class_folders(folder)]


def _list_alone(root: Path, left: LeftOut) -> Listing:
    if not class_folders(root):
        raise UserError(f"{root} holds no images in class folders", LAYOUT_HINT)
    classes = _find_classes(root)
    if is_imagenet(tuple(classes)):
        return Listing(tuple(classes), (), _list_classes(classes, tuple(classes), left), left.tell())
    return split_pool(root, _list_classes(classes, tuple(classes), left), tuple(classes), left)


def _note_other_folders(root: Path, left: LeftOut) -> None:
    others = [folder.name for folder in class_folders(root) if not split_word(folder.name)]
    if others:
        left.notes.append(f"left out {some(others)}: no split is called so")


def _choose_test(root: Path, train: Path, tests: list[Path], names: tuple[str, ...], left: LeftOut) -> Path:
    """Return the first test folder that has a class of training: Tiny-ImageNet's ``test`` has images without labels."""
    fitting = [test for test in tests if _is_annotated(test, names) or set(_names_in(test)) & set(names)]
    for path in find_named(root, "test"):
        if unwrap(path) not in fitting and holds_images(path):
            left.notes.append(f"left out {path.name}: its images are not sorted into the classes of training")
    if fitting:
        for other in fitting[1:]:
            left.notes.append(f"left out {other.relative_to(root)}: {fitting[0].relative_to(root)} is measured")
        return fitting[0]
    if tests:
        return tests[0]  # whose classes are refused by name
    raise UserError(f"{root} has {train.name}/ but no test split", "add a test/ or val/ folder beside it")


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)  # macOS writes names decomposed


def _names_in(root: Path) -> list[str]:
    return [_nfc(folder.name) for folder in class_folders(root)]


def _find_classes(root: Path) -> dict[str, Path]:
    """Return the class folders of ``root`` by name, in order."""
    folders = subfolders(root)
    full = [folder for folder in folders if holds_images(folder)]
    several = [folder.name for folder in full if any(split_word(inner.name) for inner in class_folders(folder))]
    if several:
        raise UserError(f"{root} holds several data sets ({some(several)})", f"give one: --data {root / several[0]}")
    if not full:
        raise UserError(f"{root} holds no class folders with images", LAYOUT_HINT)
    if len(full) == 1:
        inner = some([folder.name for folder in class_folders(full[0])])
        hint = f"give the folder below, {full[0]}, with {inner}" if inner else "give the folder above or below it"
        raise UserError(f"{root} holds one class folder ({full[0].name})", f"{hint}; {LAYOUT_HINT}")
    empty = [folder for folder in folders if folder not in full]
    if empty:
        raise UserError(f"the class folder {empty[0]} holds no images", "remove it, or put its images there")
    classes: dict[str, Path] = {}
    for folder in full:
        if _nfc(folder.name) in classes:
            raise UserError(f"{root} holds the class '{_nfc(folder.name)}' twice, in two Unicode forms", "merge them")
        classes[_nfc(folder.name)] = folder
    return dict(sorted(classes.items()))


def _match_classes(test: Path, train: Path, names: tuple[str, ...], left: LeftOut) -> dict[str, Path]:
    """Return the class folders of the test split; one that training has not is refused, an empty one is told."""
    found = {_nfc(folder.name): folder for folder in class_folders(test)}
    unknown = sorted(found.keys() - set(names))
    if unknown:
        raise UserError(f"class '{unknown[0]}' is in {test} but not in {train}", LAYOUT_HINT)
    missing = [name for name in names if name not in found]
    if missing:
        left.notes.append(f"{test.name} has no images of {len(missing)} classes: {some(missing)}")
    return found


def _list_classes(folders: dict[str, Path], names: tuple[str, ...], left: LeftOut) -> tuple[ImageFile, ...]:
    files: list[ImageFile] = []
    nested: list[str] = []
    for label, name in enumerate(names):
        folder = folders.get(name)
        if folder is None:
            continue
        found = list_below(folder, left)
        # Tiny-ImageNet's one folder inside each class is no part of a file's name
        wrapped = all(file.startswith("images/") for file in found)
        keys = [file.removeprefix("images/") if wrapped else file for file in found]
        nested += sorted({f"{folder.name}/{key.rpartition('/')[0]}" for key in keys if "/" in key})
        files += [ImageFile(folder / file, label, f"{name}/{key}") for file, key in zip(found, keys, strict=True)]
    if nested:
        left.notes.append(f"images in {len(nested)} sub-folders count to their class: {some(nested)}")
    return tuple(files)


def _is_annotated(root: Path, names: tuple[str, ...]) -> bool:
    """Say whether the annotations tell the classes: not where images were sorted by them and the file was kept."""
    return (root / ANNOTATIONS).is_file() and not set(_names_in(root)) & set(names)


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


def split_pool(root: Path, files: Sequence[ImageFile], classes: tuple[str, ...], left: LeftOut) -> Listing:
    """Make a test split of a fifth of each class, by the digest of the file's name: everywhere the same."""
    train: list[ImageFile] = []
    test: list[ImageFile] = []
    by_class: dict[int, list[ImageFile]] = {label: [] for label in range(len(classes))}
    for file in files:
        by_class[file.label].append(file)
    for label, mine in by_class.items():
        if len(mine) < 2:
            raise UserError(f"the class {classes[label]} of {root} holds one image, too few to split", LAYOUT_HINT)
        ranked = sorted(mine, key=lambda file: hashlib.sha256(file.key.encode()).digest())
        chosen = set(ranked[: max(1, len(mine) // _TEST_SHARE)])
        train += [file for file in mine if file not in chosen]
        test += [file for file in mine if file in chosen]
    left.notes.append("no test split is there: a fifth of each class, chosen by file name, is measured")
    return Listing(classes, tuple(train), tuple(test), left.tell())
