"""Encoded images and labels in tables, as the Hugging Face libraries write them: Parquet or Arrow. No torch.

Images are a struct of bytes and path, or plain bytes; labels whole numbers, with or without names, or the names.
"""

import contextlib
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reproduce.errors import UserError
from reproduce.record.git_lfs import HEAD, HINT, is_pointer

IMAGE_COLUMNS = ("img", "image", "pixel_values", "images", "jpg", "png", "webp")
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "cls", "target")
POOL_STEP = 5
_FORMS = {".parquet": "Parquet", ".arrow": "Arrow"}
_FETCH_HINT = "it is damaged or was not copied to the end; fetch it again"
_EMBED_HINT = "embed the images, not only their paths"


@dataclass(frozen=True)
class Schema:
    """What a table says of itself: its two columns, what is in them and, where written, the names of the classes."""

    image: str
    label: str
    classes: tuple[str, ...]
    rows: int
    nested: bool  # whether images are a struct, not plain bytes
    others: tuple[str, ...]  # label columns that are not read


@dataclass(frozen=True)
class Classes:
    """The classes of a data set; ``values``: what stands for them in the tables, None where it is their number."""

    names: tuple[str, ...]
    values: tuple[Any, ...] | None = None
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a table; a file that Arrow cannot read, here or while reading, is the user's to mend.

    Yields a Parquet file, or an Arrow file that was mapped into memory as a table.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        if path.suffix.lower() == ".arrow":
            with pyarrow.memory_map(str(path)) as mapped:
                yield _read_arrow(mapped)
        else:
            with pyarrow.parquet.ParquetFile(path) as file:
                yield file
    except (pyarrow.ArrowException, OSError) as error:
        with contextlib.suppress(OSError), path.open("rb") as raw:
            if is_pointer(raw.read(HEAD)):
                raise UserError(f"{path} is a git-lfs pointer", HINT) from None
        reason = str(error).splitlines()[0].rstrip(".")
        form = _FORMS.get(path.suffix.lower(), "data")
        raise UserError(f"{path} is no readable {form} file ({reason})", _FETCH_HINT) from None


def _read_arrow(mapped: Any) -> Any:
    """Return the table of an Arrow file, in the stream form of `datasets` or with a footer."""
    import pyarrow

    try:
        return pyarrow.ipc.open_stream(mapped).read_all()
    except pyarrow.ArrowInvalid:
        mapped.seek(0)
        return pyarrow.ipc.open_file(mapped).read_all()


def read_schema(path: Path) -> Schema:
    """Read a table's head; raises UserError where it is no table or lacks the columns."""
    import pyarrow.types

    with _opened(path) as file:
        arrow = path.suffix.lower() == ".arrow"
        schema, rows = (file.schema, file.num_rows) if arrow else (file.schema_arrow, file.metadata.num_rows)
    image = next((name for name in IMAGE_COLUMNS if name in schema.names), None)
    labels = [name for name in LABEL_COLUMNS if name in schema.names]
    if image is None or not labels:
        wanted, known = ("image", IMAGE_COLUMNS) if image is None else ("label", LABEL_COLUMNS)
        raise UserError(
            f"{path} has no {wanted} column ({', '.join(known)})",
            f"rename the one that is meant to '{wanted}'; it has: {', '.join(schema.names) or 'no columns'}",
        )
    kind = schema.field(image).type
    nested = pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    if not nested and not (pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind)):
        raise UserError(
            f"column '{image}' of {path} is {kind}", "expected encoded images: binary, or a struct of bytes"
        )
    value = schema.field(labels[0]).type
    value = value.value_type if pyarrow.types.is_dictionary(value) else value
    checks = ("is_integer", "is_floating", "is_boolean", "is_string", "is_large_string")
    if not any(getattr(pyarrow.types, check)(value) for check in checks):
        raise UserError(f"column '{labels[0]}' of {path} is {value}", "expected whole numbers, or names of classes")
    others = (*labels[1:], *(name for name in ("coarse_label",) if name in schema.names))
    return Schema(image, labels[0], _class_names(schema.metadata or {}, labels[0]), rows, nested, others)


def _class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """Read the class names that the datasets library writes into the head; () where there are none."""
    try:
        feature: Any = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"][label]
        return tuple(unicodedata.normalize("NFC", str(name)) for name in feature["names"])
    except (ValueError, KeyError, TypeError):
        return ()


def _read_values(path: Path) -> list[Any]:
    """Return a table's labels as they are written: None, whole numbers, names."""
    schema = read_schema(path)
    with _opened(path) as file:
        table = file.select([schema.label]) if path.suffix.lower() == ".arrow" else file.read(columns=[schema.label])
        values = table.column(schema.label).to_pylist()  # Arrow's own to_numpy imports pandas
    for row, value in enumerate(values):
        if isinstance(value, float):
            if not value.is_integer():
                raise UserError(f"label {value} of row {row} of {path} is no whole number", "labels count the classes")
            values[row] = int(value)
        elif isinstance(value, bool):
            values[row] = int(value)
    return values


def is_labelled(paths: tuple[Path, ...]) -> bool:
    """Say whether a split has labels: some publishers fill the column of their test split with -1 or leave it out."""
    try:
        return any(value not in (None, -1, "") for path in paths for value in _read_values(path))
    except UserError:
        return False


def read_classes(paths: tuple[Path, ...]) -> Classes:
    """Return the classes of a data set from the tables of its training split.

    Names in the head count; else the values: names in order of the alphabet, whole numbers as they are where they run
    from 0 without a gap, in order where they do not.

    Raises:
        UserError: a table that cannot be read, names that differ between tables.
    """
    schemas = [read_schema(path) for path in paths]
    names = schemas[0].classes
    differing = next((path for path, schema in zip(paths, schemas, strict=True) if schema.classes != names), None)
    if differing is not None:
        raise UserError(f"{differing} names other classes than {paths[0]}", "give tables of one data set")
    notes = [f"column '{other}' is not read: labels are '{schemas[0].label}'" for other in schemas[0].others]
    values = sorted({value for path in paths for value in _read_values(path) if value is not None}, key=_rank)
    if names and not any(isinstance(value, str) for value in values):
        unseen = [name for number, name in enumerate(names) if number not in set(values)]
        if unseen:
            notes.append(f"training has no images of {len(unseen)} of {len(names)} classes: {', '.join(unseen[:4])}")
        return Classes(names, None, tuple(notes))
    if all(isinstance(value, int) for value in values):
        highest = values[-1] if values else -1
        if not values or values[0] < 0 or values == list(range(highest + 1)):
            return Classes(tuple(str(number) for number in range(highest + 1)), None, tuple(notes))
        notes.append(f"labels {values[0]} to {highest} do not count from 0: the {len(values)} there are were numbered")
    return Classes(tuple(unicodedata.normalize("NFC", str(value)) for value in values), tuple(values), tuple(notes))


def _rank(value: Any) -> tuple[int, int, str]:
    number = isinstance(value, int) or str(value).isdigit()
    return (0, int(value), "") if number else (1, 0, str(value))


def read_labels(paths: tuple[Path, ...], classes: Classes) -> NDArray[np.int64]:
    """Return labels_N of all tables in order; raises UserError where a label is missing or no class of training."""
    numbers = {value: number for number, value in enumerate(classes.values or ())}
    columns = []
    for path in paths:
        values = _read_values(path)
        empty = sum(value is None for value in values)
        if empty:
            raise UserError(f"{path} has {empty} rows without a label", hint="remove them, or label them")
        if classes.values is not None:
            unknown = next((value for value in values if value not in numbers), None)
            if unknown is not None:
                raise UserError(
                    f"label {unknown!r} in {path} is no class of training", "correct it, or remove its rows"
                )
            values = [numbers[value] for value in values]
        columns.append(np.array(values, np.int64))
    return np.concatenate(columns)


def check_names(paths: tuple[Path, ...], classes: Classes, train: Path) -> None:
    """Raise UserError where the tables of the test split number other names, or in another order, than training."""
    for path in paths:
        found = read_schema(path).classes
        if found and classes.values is None and found != classes.names:
            first = next((pair for pair in zip(found, classes.names, strict=False) if pair[0] != pair[1]), ("", ""))
            raise UserError(
                f"{path} numbers its classes otherwise than {train}"
                + (f": '{first[0]}' where that has '{first[1]}'" if first[0] else f": {len(found)} of them"),
                "give tables of one data set",
            )


def read_images(paths: tuple[Path, ...], rows: NDArray[np.int64]) -> list[bytes]:
    """Return the encoded images of ``rows`` (ascending, counted over all tables); only their row groups are read."""
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
    """Return the first encoded image of a table without reading the others' row groups."""
    schema = read_schema(path)
    if path.suffix.lower() == ".arrow":
        return _read_rows(path, schema, np.zeros(1, np.int64))[0]
    with _opened(path) as file:
        columns = [f"{schema.image}.bytes" if schema.nested else schema.image]
        column = next(file.iter_batches(batch_size=1, row_groups=[0], columns=columns)).column(schema.image)
        data: bytes | None = (column.field("bytes") if schema.nested else column)[0].as_py()
    if not data:
        raise UserError(f"row 0 of {path} has no image bytes", hint=_EMBED_HINT)
    return data


def _read_rows(path: Path, schema: Schema, rows: NDArray[np.int64]) -> list[bytes]:
    encoded: list[bytes] = []
    column = f"{schema.image}.bytes" if schema.nested else schema.image
    with _opened(path) as file:
        if path.suffix.lower() == ".arrow":
            encoded = _take(file.column(schema.image), schema, rows)
        else:
            first = 0
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                mine = rows[(rows >= first) & (rows < first + count)] - first
                if len(mine):
                    encoded += _take(file.read_row_group(group, columns=[column]).column(schema.image), schema, mine)
                first += count
    empty = next((row for row, data in zip(rows, encoded, strict=True) if not data), None)
    if empty is not None:
        raise UserError(f"row {empty} of {path} has no image bytes", hint=_EMBED_HINT)
    return encoded


def _take(column: Any, schema: Schema, rows: NDArray[np.int64]) -> list[bytes]:
    import pyarrow

    whole = column.combine_chunks()
    return list((whole.field("bytes") if schema.nested else whole).take(pyarrow.array(rows)).to_pylist())


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
