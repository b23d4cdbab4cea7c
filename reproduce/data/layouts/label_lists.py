"""Images in one folder per split beside a CSV file of their labels: Kaggle's ``train/1.png`` with ``trainLabels.csv``.

The file has a header; one column names the images (with or without suffix), one the class. A test split without such
a file is not measured: a fifth of each class of training stands for it.
"""

import csv
import re
import unicodedata
from pathlib import Path

from reproduce.data.layouts.class_folders import (
    ImageFile,
    Listing,
    class_folders,
    find_named,
    split_pool,
    unwrap,
)
from reproduce.data.layouts.image_files import LeftOut, holds_images, list_below, some
from reproduce.data.layouts.split_names import Split
from reproduce.errors import UserError

_NAME_COLUMNS = ("id", "image_id", "image", "img", "file", "filename", "file_name", "image_name", "path", "name")
_LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "breed", "target")
_LIST_SUFFIXES = (".csv", ".tsv")
Named = list[tuple[str, str, Path]]  # an image's name, its class, its file


def has_list(root: Path) -> bool:
    """Say whether ``root`` is such a data set, from the names of its files and the header of its list."""
    root = unwrap(root)
    place = _find_images(root, "train")
    return place is not None and _find_list(root, place, "train") is not None


def list_images(root: Path) -> Listing:
    """Read the lists of ``root``; call it where :func:`has_list` holds.

    Raises:
        UserError: an image that is listed and not there, one class, or a test class that training has not.
    """
    root, left = unwrap(root), LeftOut()
    train = _read(root, "train", left)
    names = sorted({label for _, label, _ in train})
    if all(name.isdigit() for name in names):
        names.sort(key=int)
    classes = tuple(names)
    if len(classes) < 2:
        raise UserError(f"the labels of {root} name one class ({some(names)})", "give a list with two or more")
    test = _read(root, "test", left)
    if not test:
        return split_pool(root, _number(train, classes), classes, left)
    unknown = sorted({label for _, label, _ in test} - set(classes))
    if unknown:
        raise UserError(f"class '{unknown[0]}' of the test labels in {root} is not in training", "correct the list")
    return Listing(classes, _number(train, classes), _number(test, classes), left.tell())


def _number(named: Named, classes: tuple[str, ...]) -> tuple[ImageFile, ...]:
    numbers = {name: number for number, name in enumerate(classes)}
    files = [ImageFile(path, numbers[label], f"{label}/{name}") for name, label, path in named]
    return tuple(sorted(files, key=lambda file: (file.label, file.key)))


def _find_images(root: Path, split: Split) -> Path | None:
    """Return the folder that holds the images of ``split`` unsorted; for training, ``root`` itself or ``images/``."""
    for path in find_named(root, split):
        folder = unwrap(path)
        if holds_images(folder, deep=False) and not class_folders(folder):
            return folder
    if split == "train" and not find_named(root, "train"):
        return next((place for place in (root, root / "images") if place.is_dir() and holds_images(place, False)), None)
    return None


def _find_list(root: Path, folder: Path, split: Split) -> tuple[Path, str, str] | None:
    """Return the list of ``split`` and its two columns: in its folder, or beside it, called after the split or not."""
    inside = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _LIST_SUFFIXES]
    beside = [path for path in sorted(root.iterdir()) if path.suffix.lower() in _LIST_SUFFIXES and folder != root]
    mine = r"train" if split == "train" else r"(test|val|dev|eval)"
    fitting = [path for path in beside if re.match(mine, path.stem.lower())]
    if split == "train":
        fitting += [
            path for path in beside if re.fullmatch(r"(image_?)?(labels?|classes|annotations)", path.stem.lower())
        ]
    for path in (*inside, *fitting):
        columns = _find_columns(path)
        if columns is not None:
            return path, *columns
    return None


def _find_columns(path: Path) -> tuple[str, str] | None:
    header = next(iter(_rows(path)), {})
    lower = {name.strip().lower(): name for name in header if name}
    name = next((lower[word] for word in _NAME_COLUMNS if word in lower), None)
    label = next((lower[word] for word in _LABEL_COLUMNS if word in lower), None)
    return (name, label) if name is not None and label is not None else None


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ","))


def _read(root: Path, split: Split, left: LeftOut) -> Named:
    folder = _find_images(root, split)
    found = _find_list(root, folder, split) if folder is not None else None
    if folder is None or found is None:
        if folder is not None:
            left.notes.append(f"left out {folder.name}: no list has its labels")
        return []
    path, name_column, label_column = found
    files = {name: folder / name for name in list_below(folder, LeftOut())}
    by_stem = {name.rpartition(".")[0]: name for name in files}
    named: Named = []
    for row in _rows(path):
        asked = (row[name_column] or "").strip().removeprefix("./").removeprefix(f"{folder.name}/")
        name = asked if asked in files else by_stem.get(asked, "")
        label = unicodedata.normalize("NFC", (row[label_column] or "").strip())
        if not name or not label:
            raise UserError(
                f"{path} lists '{asked}', which has no {'image' if not name else 'label'}",
                f"each row names an image of {folder} and its class",
            )
        named.append((name, label, files[name]))
    twice = len(named) - len({name for name, _, _ in named})
    if twice:
        raise UserError(f"{path} lists {twice} images twice", "leave one row per image")
    if len(named) < len(files):
        left.notes.append(f"left out {len(files) - len(named)} images of {folder.name} that {path.name} does not list")
    left.notes.append(f"labels of {folder.name} are those of {path.name}, column '{label_column}'")
    return named
