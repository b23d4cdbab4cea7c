"""Damaged files of every kind are read correctly or refused with a sentence that names the file; no code runs.

Where the format is ours a checksum makes a silent wrong number impossible. Where it is not (Parquet, images) the
fingerprint of the bytes is part of a run's identity, so damaged data that can still be decoded is other data.
"""

import contextlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from paper_tables import published
from paper_tables.measured import MEASURED, read_counts
from reproduce.data import dataset
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice
from reproduce.record import checksummed_csv, ledger, manifest
from reproduce.record.whole_files import SUMS
from reproduce.training.head_positions import read_positions
from reproduce.training.history import read_history
from tests.trust.mutations import mutations
from tests.trust.reading import same, state_of, weights_of

SECONDS = 20.0  # no reader takes so long, whatever it is given
Check = Callable[[Path, bytes], None]  # reads a damaged file: raises UserError, or asserts that it read the truth


def draw_images(form: str) -> list[bytes]:
    drawn, images = np.random.default_rng(0), []
    for _ in range(8):
        buffer = io.BytesIO()
        Image.fromarray(drawn.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(buffer, form)
        images.append(buffer.getvalue())
    return images


def reading(read: Callable[[Path], Any], path: Path) -> Check:
    """Return a check: what a damaged file is read as must be what the whole one is read as."""
    truth = read(path)

    def check(damaged: Path, _: bytes) -> None:
        assert same(read(damaged), truth), "a silent wrong value"

    return check


def ledger_check(path: Path) -> Check:
    """Rows may be missing only as whole lines; those that are read are those that were written."""
    truth = {line["run_id"]: line for line in ledger.read(path).to_dict("records")}
    lines = set(path.read_bytes().splitlines(keepends=True))

    def check(damaged: Path, content: bytes) -> None:
        rows = ledger.read(damaged).to_dict("records")
        assert all(
            same({k: str(v) for k, v in row.items()}, {k: str(v) for k, v in truth[row["run_id"]].items()})
            for row in rows
        )
        if len(rows) < len(truth):
            assert set(content.splitlines(keepends=True)) <= lines

    return check


def data_check(root: Path) -> Check:
    """Damaged data is refused, or it is data of another sum, or what was damaged is no part of an image or a label."""
    whole = identify(str(root))
    intact = dataset.load(whole, DataChoice(name="x"))

    def check(damaged: Path, content: bytes) -> None:
        folder = damaged
        while folder.name != root.name:
            folder = folder.parent
        source = identify(str(folder))
        dataset._load.cache_clear()
        found = dataset.load(source, DataChoice(name="x"))
        if source.sha256 == whole.sha256:
            for one, other in ((found.train, intact.train), (found.test, intact.test)):
                assert torch.equal(one.images, other.images)
                assert torch.equal(one.labels, other.labels)
        assert found.train.images.dtype == torch.uint8
        assert len(found.train.images) == len(found.train.labels)

    return check


def make_parquet(folder: Path) -> Path:
    folder.mkdir()
    rows = [{"bytes": image, "path": f"{number}.png"} for number, image in enumerate(draw_images("PNG"))]
    table = pa.table({"img": rows, "label": pa.array([0, 1] * 4, pa.int64())})
    for split in ("train", "test"):
        pq.write_table(
            table, folder / f"{split}-00000-of-00001.parquet", compression="snappy" if split == "train" else "none"
        )
    return folder


def make_images(folder: Path, form: str) -> Path:
    for number, image in enumerate(draw_images(form)):
        place = folder / ("train" if number < 4 else "test") / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.{form.lower()}").write_bytes(image)
    return folder


def read_published(name: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        if name == "curves":
            return published.read_curves(path.parent)
        return (
            published.read_hyperparameters(path.parent)
            if name == "hyperparameters"
            else published.read_table(name, path.parent)
        )

    return read


def prepare(kind: str, home: Path, here: Path) -> tuple[Path, Check]:
    """Return a file of its own to damage, and how to check what is read from it."""
    if kind == "parquet":
        root = make_parquet(here / "photos")
        return root / "train-00000-of-00001.parquet", data_check(root)
    if kind in ("png", "jpeg"):
        root = make_images(here / "photos", kind.upper())
        return root / "train" / "a" / f"0.{kind}", data_check(root)
    if kind.startswith("published"):
        name = kind.split("-")[1]
        path = here / f"{name}.csv"
        path.write_bytes((published.FOLDER / path.name).read_bytes())
        return path, committed(path, published.FOLDER, read_published(name))
    if kind == "structure":
        path = here / "structure.csv"
        path.write_bytes((MEASURED / path.name).read_bytes())
        return path, committed(path, MEASURED, read_counts)
    source = home / "results" / "runs.csv" if kind == "ledger" else home / "run" / FILES[kind][0]
    path = here / source.name
    path.write_bytes(source.read_bytes())
    return path, ledger_check(path) if kind == "ledger" else reading(FILES[kind][1], path)


def committed(path: Path, folder: Path, read: Callable[[Path], Any]) -> Check:
    """For a committed file: its truth where a list of checksums lies beside it, else at least no other exception."""
    sums = folder / SUMS
    if sums.exists() and path.name in sums.read_text():
        (path.parent / SUMS).write_bytes(sums.read_bytes())
        return reading(read, path)

    def check(damaged: Path, _: bytes) -> None:
        assert isinstance(read(damaged), dict | list)

    return check


FILES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "last": ("last.pt", state_of),
    "weights": ("best.safetensors", weights_of),
    "manifest": ("manifest.json", lambda path: manifest.read(path.parent)),
    "history": ("history.csv", read_history),
    "positions": ("positions.csv", lambda path: read_positions(path.parent)),
}
KINDS = (
    *FILES,
    "ledger",
    "parquet",
    "png",
    "jpeg",
    "published-hierarchical",
    "published-hyperparameters",
    "published-curves",
    "structure",
)


def damage(kind: str, home: Path, here: Path, count: int, seed: int) -> tuple[int, int]:
    """Read ``count`` damaged copies; return how many were refused and how many read."""
    path, check = prepare(kind, home, here)
    content, refused, faults = path.read_bytes(), 0, list[str]()
    for changed in mutations(content, count, seed):
        path.write_bytes(changed)
        begun = time.monotonic()
        try:
            check(path, changed)
        except UserError as error:
            refused += 1
            names = (path.name, str(path.parent), path.parent.name)
            named = any(name in error.message for name in names)
            if not named or not error.hint or "\n" in error.message:
                faults.append(f"{error.message} | {error.hint}")
        assert time.monotonic() - begun < SECONDS
        assert path.read_bytes() == changed, "reading changed the file"
    assert not faults, "errors must name the file, give a hint and be one sentence"
    return refused, count - refused


@pytest.mark.parametrize("kind", KINDS)
def test_a_few_damages_of_every_kind_are_seen(kind: str, home: Path, tmp_path: Path) -> None:
    refused, _ = damage(kind, home, tmp_path, 12, seed=1)
    assert refused


@pytest.mark.product(6)
@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_damages_of_every_kind_are_seen(kind: str, home: Path, tmp_path: Path) -> None:
    refused, read = damage(kind, home, tmp_path, 1000, seed=0)
    print(f"{kind}: {refused} refused, {read} read")
    if kind in FILES:
        assert refused >= 990  # what is read is a damage that changes nothing of what the file says


def test_no_piece_can_be_cut_out_of_a_checked_file_unseen(tmp_path: Path) -> None:
    """Every piece there is: a cut from the first line into the last one takes away the column of checksums, too."""
    path = tmp_path / "lines.csv"
    checksummed_csv.write_file(path, ["epoch", "loss"], [["1", "2.5"], ["2", "1.25"], ["3", "0.5"]])
    content, read = path.read_bytes(), list[tuple[int, int]]()
    for start in range(len(content)):
        for end in range(start + 1, len(content) + 1):
            path.write_bytes(content[:start] + content[end:])
            with contextlib.suppress(UserError):
                checksummed_csv.read_file(path, "write it again")
                read.append((start, end))
    assert not read
