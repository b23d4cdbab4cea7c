"""Images in Parquet, in the Hugging Face image schema: a struct of bytes and path, and a column of labels. No torch.

Shards are found by name (``train-00000-of-00002.parquet``) or by folder (``train/0000.parquet``), at most three deep.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reproduce.errors import UserError

if TYPE_CHECKING:
    import pyarrow.parquet

IMAGE_COLUMNS = ("img", "image")
LABEL_COLUMNS = ("label", "fine_label")
POOL_STEP = 5
_SPLIT_WORDS = {"train": ("train", "training"), "test": ("test", "valid", "validation", "val")}
_FETCH_HINT = "it is damaged or was not copied to the end; fetch it again"


@dataclass(frozen=True)
class Shards:
    """The files of both splits, each in name order; ``pooled``: the one file holds both."""

    train: tuple[Path, ...]
    test: tuple[Path, ...]
    pooled: bool = False


@dataclass(frozen=True)
class Schema:
    """What the footer of a shard says: its two columns and, where written, the names of the classes."""

    image: str
    label: str
    classes: tuple[str, ...]
    rows: int


def find_shards(root: Path) -> Shards | None:
    """Return the shards under ``root``, or None where it holds no Parquet file.

    A file whose name is no split's is both splits in one: see :func:`choose_pooled`. Of a folder that has a test and
    a validation split, test is taken.

    Raises:
        UserError: a split missing, or files that belong to no split.
    """
    if root.is_file():
        if _split_word(root, root.parent):
            raise UserError(f"{root} is one split alone", hint=f"give the folder that holds both splits: {root.parent}")
        return Shards((root,), (root,), pooled=True)
    paths = [path for depth in ("*", "*/*", "*/*/*") for path in root.glob(f"{depth}.parquet") if path.name[0] != "."]
    if not paths:
        return None
    by_word: dict[str, list[Path]] = {}
    for path in sorted(paths):
        by_word.setdefault(_split_word(path, root), []).append(path)
    found = {}
    for split, words in _SPLIT_WORDS.items():
        word = next((word for word in words if word in by_word), None)
        if word is None:
            name = "training" if split == "train" else split
            raise UserError(
                f"{root} has Parquet files but no {name} split",
                hint=f"name its shards {words[0]}-00000-of-00001.parquet (also understood: {', '.join(words[1:])})",
            )
        found[split] = tuple(by_word[word])
    return Shards(found["train"], found["test"])


def _split_word(path: Path, root: Path) -> str:
    """Return the split that the file's name, else its nearest folder, begins with; '' where none does."""
    known = [word for words in _SPLIT_WORDS.values() for word in words]
    for part in reversed(path.relative_to(root).with_suffix("").parts):
        word = part.lower().replace("_", "-").replace(".", "-").split("-")[0]
        if word in known:
            return word
    return ""


@contextlib.contextmanager
def _opened(path: Path) -> "Iterator[pyarrow.parquet.ParquetFile]":
    """Open a shard; a file that Arrow cannot read, here or while reading, is the user's to mend."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UserError(f"{path} is no readable Parquet file ({reason})", hint=_FETCH_HINT) from None


def read_schema(path: Path) -> Schema:
    """Read a shard's footer; raises UserError where it is no Parquet file or lacks the columns."""
    import pyarrow.types

    with _opened(path) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    image = next((name for name in IMAGE_COLUMNS if name in schema.names), None)
    label = next((name for name in LABEL_COLUMNS if name in schema.names), None)
    if image is None or label is None:
        wanted = "image column ('img' or 'image')" if image is None else "label column ('label' or 'fine_label')"
        raise UserError(f"{path} has no {wanted}", hint=f"it has: {', '.join(schema.names) or 'no columns'}")
    kind = schema.field(image).type
    if not pyarrow.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        raise UserError(f"column '{image}' of {path} is {kind}", hint="expected struct<bytes: binary, path: string>")
    if not pyarrow.types.is_integer(schema.field(label).type):
        raise UserError(f"column '{label}' of {path} is {schema.field(label).type}", hint="expected whole numbers")
    return Schema(image, label, _class_names(schema.metadata or {}, label), rows)


def _class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """Read the class names that the datasets library writes into the footer; () where there are none."""
    try:
        feature: Any = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"][label]
        return tuple(str(name) for name in feature["names"])
    except (ValueError, KeyError, TypeError):
        return ()


def read_labels(paths: tuple[Path, ...]) -> NDArray[np.int64]:
    """Return labels_N of all shards in order; raises UserError where a label is missing."""
    columns = []
    for path in paths:
        schema = read_schema(path)
        with _opened(path) as file:
            column = file.read(columns=[schema.label]).column(schema.label)
        if column.null_count:
            raise UserError(f"{path} has {column.null_count} rows without a label", hint="remove them, or label them")
        columns.append(np.array(column.to_pylist(), np.int64))  # Arrow's own to_numpy imports pandas
    return np.concatenate(columns)


def read_images(paths: tuple[Path, ...], rows: NDArray[np.int64]) -> list[bytes]:
    """Return the encoded images of ``rows`` (ascending, counted over all shards); only their row groups are read."""
    encoded: list[bytes] = []
    first = 0
    for path in paths:
        schema = read_schema(path)
        mine = rows[(rows >= first) & (rows < first + schema.rows)] - first
        if len(mine):
            encoded += _read_rows(path, schema, mine)
        first += schema.rows
    return encoded


def read_first_image(path: Path) -> bytes:
    """Return the first encoded image of a shard without reading the others' row groups."""
    schema = read_schema(path)
    with _opened(path) as file:
        batch = next(file.iter_batches(batch_size=1, row_groups=[0], columns=[f"{schema.image}.bytes"]))
        data = batch.column(schema.image).field("bytes")[0].as_py()
    if not data:
        raise UserError(f"row 0 of {path} has no image bytes", hint="embed the images, not only their paths")
    return data


def _read_rows(path: Path, schema: Schema, rows: NDArray[np.int64]) -> list[bytes]:
    encoded: list[bytes] = []
    with _opened(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            mine = rows[(rows >= first) & (rows < first + count)] - first
            if len(mine):
                table = file.read_row_group(group, columns=[f"{schema.image}.bytes"])
                column = table.column(schema.image).combine_chunks().field("bytes")
                encoded += column.take(_as_arrow(mine)).to_pylist()
            first += count
    empty = next((row for row, data in zip(rows, encoded, strict=True) if not data), None)
    if empty is not None:
        raise UserError(f"row {empty} of {path} has no image bytes", hint="embed the images, not only their paths")
    return encoded


def _as_arrow(rows: NDArray[np.int64]) -> Any:
    import pyarrow

    return pyarrow.array(rows)


def choose_pooled(labels_N: NDArray[np.int64], split: str) -> NDArray[np.int64]:
    """Return the rows of ``split`` in a file that holds both: every fifth image of each class is for the test."""
    place_N = np.empty(len(labels_N), np.int64)
    for label in np.unique(labels_N):
        rows = np.flatnonzero(labels_N == label)
        place_N[rows] = np.arange(len(rows))
    is_test_N = place_N % POOL_STEP == POOL_STEP - 1
    return np.flatnonzero(is_test_N if split == "test" else ~is_test_N)


def describe_row(paths: tuple[Path, ...], row: int) -> str:
    """Name a row, counted over all shards, by its file: for an error message."""
    for path in paths:
        rows = read_schema(path).rows
        if row < rows:
            return f"row {row} of {path}"
        row -= rows
    raise IndexError(row)
