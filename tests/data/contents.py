"""What the tests of this room share: made files and folders."""

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from reproduce.data import fingerprint
from reproduce.data.source import Source
from reproduce.training.run import Run, fit_to_data
from tests.golden.cases import recipes

SHARED = Path(os.environ.get("ATTNREPRO_SHARED", Path(__file__).parents[3] / "shared")) / "data/cifar10"


NAMES = ("ant", "bee", "cat")


SIZES = {"train": 24, "test": 9}


def draw(split: str) -> list[tuple[np.ndarray, int]]:
    """Images of 8 pixels with labels, two of them equal."""
    drawn = np.random.default_rng(len(split)).integers(0, 256, (SIZES[split], 8, 8, 3), np.uint8)
    drawn[3] = drawn[0]
    return [(pixels, number % 3) for number, pixels in enumerate(drawn)]


def encode(pixels: np.ndarray, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def put_folders(root: Path, seed: int, form: str = "PNG", change=lambda split, images: images, names=NAMES) -> Path:
    """Write class folders; file names, and so the order of files, are drawn."""
    for split in SIZES:
        images = change(split, draw(split))
        numbers = np.random.default_rng(seed).permutation(len(images))
        for number, (pixels, label) in zip(numbers, images, strict=True):
            path = root / split / names[label] / f"{number}.{form.lower()}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(pixels, form))
    return root


def put_parquet(root: Path, seed: int, **options) -> Path:
    """Write shards without class names, rows in an order that is drawn."""
    root.mkdir(parents=True)
    for split in SIZES:
        images = draw(split)
        order = np.random.default_rng(seed).permutation(len(images))
        for shard, part in enumerate(np.array_split(order, 2)):
            column = [{"bytes": encode(images[row][0], **options), "path": None} for row in part]
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            labels = pa.array([images[row][1] for row in part], pa.int64())
            table = pa.table({"img": pa.array(column, kind), "label": labels})
            pq.write_table(table, root / f"{split}-{shard}.parquet", row_group_size=3)
    return root


def content_of(source: Source) -> fingerprint.Content:
    return fingerprint.read_content(source.kind, source.root, "")


def run_on(source: Source) -> Run:
    recipe = recipes("hierarchical")["vit"]
    small = replace(recipe, model=replace(recipe.model, image_size=8))
    return Run(recipe=fit_to_data(small, source), source=source)


def one_pixel(split, images):
    if split == "test":
        images[2][0][5, 5, 1] ^= 1
    return images
