"""Parquet in the Hugging Face image schema: found, fingerprinted, read, and every way in which it can be wrong."""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from reproduce.data.cards import CARDS
from reproduce.data.dataset import Split, load
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice

ALL = DataChoice()
SHARED = Path(os.environ.get("ATTNREPRO_SHARED", Path(__file__).parents[3] / "shared")) / "data/cifar10-jpeg"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared folder data/cifar10-jpeg is not on this machine"
)


def picture(seed: int, size: int = 8, form: str = "PNG", mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form)
    return buffer.getvalue()


def write(path: Path, labels: list[int], image: str = "img", label: str = "label", names=None, **changes) -> Path:
    images = changes.get("images") or [picture(number) for number in range(len(labels))]
    column = pa.array(
        [{"bytes": data, "path": None} for data in images], pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    table = pa.table({image: column, label: pa.array(labels, pa.int64())})
    if names:
        features = {label: {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=changes.get("row_group_size", 4))
    return path


def label_of(split: Split, image: torch.Tensor) -> int:
    (found,) = [row for row, other in enumerate(split.images) if torch.equal(image, other)]
    return int(split.labels[found])


def folder(root: Path, **changes) -> Path:
    write(root / "train-00000-of-00001.parquet", [0, 1, 2] * 4, **changes)
    write(root / "test-00000-of-00001.parquet", [0, 1, 2] * 2, **changes)
    return root


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001-abc123.parquet", "data/valid-00000-of-00001-abc123.parquet"),
        ("plain_text/train/0000.parquet", "plain_text/test/0000.parquet"),
        ("train.parquet", "validation.parquet"),
    ],
)
def test_the_layouts_that_people_have(tmp_path, train, test):
    write(tmp_path / train, [0, 1] * 3)
    write(tmp_path / test, [1, 0])
    dataset = load(identify(str(tmp_path)), ALL)
    assert dataset.train.labels.bincount().tolist() == [3, 3]
    assert dataset.test.labels.bincount().tolist() == [1, 1]
    expected = torch.from_numpy(np.array(Image.open(io.BytesIO(picture(3))))).permute(2, 0, 1)
    assert label_of(dataset.train, expected) == 1


def test_shards_are_read_together_and_known_without_their_names(tmp_path):
    write(tmp_path / "a/train-00001-of-00002.parquet", [1, 1])
    write(tmp_path / "a/train-00000-of-00002.parquet", [0, 0])
    write(tmp_path / "a/test.parquet", [0, 1])
    shutil.copytree(tmp_path / "a", tmp_path / "b/data")
    first, second = identify(str(tmp_path / "a")), identify(str(tmp_path / "b"))
    assert load(first, ALL).train.labels.bincount().tolist() == [2, 2]
    assert first.sha256 == second.sha256
    write(tmp_path / "b/data/test.parquet", [1, 1])
    assert identify(str(tmp_path / "b")).sha256 != first.sha256


def test_class_names_come_from_the_metadata_else_from_the_training_labels(tmp_path):
    assert identify(str(folder(tmp_path / "a", names=["ant", "bee", "cat", "dog"]))).classes == (
        "ant",
        "bee",
        "cat",
        "dog",
    )
    assert identify(str(folder(tmp_path / "b"))).classes == ("0", "1", "2")


@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label")])
def test_both_names_of_each_column(tmp_path, image, label):
    assert len(load(identify(str(folder(tmp_path, image=image, label=label))), ALL).train) == 12


def test_grey_and_jpeg_and_palette_images_become_three_channels(tmp_path):
    images = [
        picture(0, form="JPEG"),
        picture(1, mode="L"),
        picture(2, mode="P"),
        picture(3, mode="RGBA"),
        picture(4, form="BMP"),
    ]
    write(tmp_path / "train.parquet", [0, 1, 0, 1, 0], images=images)
    write(tmp_path / "test.parquet", [0, 1, 0, 1, 0], images=images)
    read = load(identify(str(tmp_path)), ALL).train.images
    for data in images:
        expected = torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB"))).permute(2, 0, 1)
        assert any(torch.equal(image_3HW, expected) for image_3HW in read)


def test_a_limit_takes_the_first_of_each_class_in_canonical_order(tmp_path):
    write(tmp_path / "train.parquet", [0, 0, 0, 0, 1, 1, 2, 2, 2])
    write(tmp_path / "test.parquet", [0, 1, 2])
    source = identify(str(tmp_path))
    split, whole = load(source, DataChoice(train_limit=5)).train, load(source, ALL).train
    for label, count in enumerate((2, 2, 1)):
        assert torch.equal(split.images[split.labels == label], whole.images[whole.labels == label][:count])


def test_a_single_file_is_split_four_to_one_in_each_class(tmp_path):
    path = write(tmp_path / "flowers.parquet", [0, 1] * 10)
    source = identify(str(path))
    assert source.name == "flowers"
    dataset = load(source, ALL)
    assert (dataset.train.labels.bincount().tolist(), dataset.test.labels.bincount().tolist()) == ([8, 8], [2, 2])
    both = torch.cat([dataset.train.images, dataset.test.images]).flatten(1)
    assert len(both.unique(dim=0)) == 20


def test_a_source_is_read_once_a_process(tmp_path):
    source = identify(str(folder(tmp_path)))
    assert load(source, ALL).train is load(source, DataChoice(holdout=0.5)).train
    limited = load(source, DataChoice(train_limit=3))
    assert limited.train is not load(source, ALL).train
    assert limited.test is load(source, ALL).test


# --- what can be wrong: one sentence that names it, one hint ---


def refuse(root: Path, words: str, choice: DataChoice = ALL) -> None:
    with pytest.raises(UserError, match=words) as caught:
        load(identify(str(root)), choice)
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
@pytest.mark.parametrize("name", ["train", "test"])
def test_a_truncated_file(tmp_path, keep, name):
    path = folder(tmp_path) / f"{name}-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    refuse(tmp_path, f"{name}-00000-of-00001.parquet is no readable Parquet file")


def test_damage_inside_a_file(tmp_path):
    path = folder(tmp_path) / "train-00000-of-00001.parquet"
    data = bytearray(path.read_bytes())
    data[4:600] = bytes(596)
    path.write_bytes(data)
    refuse(tmp_path, "train-00000-of-00001.parquet")


@pytest.mark.parametrize("keep", ["train", "test"])
def test_a_missing_split(tmp_path, keep):
    write(tmp_path / f"{keep}-00000-of-00001.parquet", [0, 1])
    refuse(tmp_path, "no training split" if keep == "test" else "no test split")


def test_files_of_no_split(tmp_path):
    write(tmp_path / "part-0.parquet", [0, 1])
    refuse(tmp_path, "no training split")


def test_one_split_given_alone(tmp_path):
    refuse(folder(tmp_path) / "train-00000-of-00001.parquet", "is one split alone")


def test_columns_of_another_schema(tmp_path):
    folder(tmp_path / "a", image="picture")
    refuse(tmp_path / "a", "no image column")
    folder(tmp_path / "b", label="coarse")
    refuse(tmp_path / "b", "no label column")
    for name in ("train", "test"):
        (tmp_path / "c").mkdir(exist_ok=True)
        pq.write_table(pa.table({"img": ["x.png"], "label": [0]}), tmp_path / f"c/{name}.parquet")
        (tmp_path / "d").mkdir(exist_ok=True)
        pq.write_table(pa.table({"img": [{"bytes": b"x"}], "label": [[1, 2]]}), tmp_path / f"d/{name}.parquet")
    refuse(tmp_path / "c", "column 'img'")
    refuse(tmp_path / "d", "column 'label'")


@pytest.mark.parametrize("damage", [b"", b"not an image", picture(0, form="JPEG")[:150], picture(0)[:60]])
@pytest.mark.parametrize("row", [0, 7])
def test_an_image_that_cannot_be_decoded_is_named_by_its_row(tmp_path, damage, row):
    images = [damage if number == row else picture(number) for number in range(12)]
    write(tmp_path / "train.parquet", [0, 1, 2] * 4, images=images)
    write(tmp_path / "test.parquet", [0, 1, 2])
    refuse(tmp_path, f"row {row} of .*train.parquet")


def test_the_file_of_a_bad_row_is_the_right_shard(tmp_path):
    write(tmp_path / "train-0.parquet", [0, 1])
    write(tmp_path / "train-1.parquet", [0, 1], images=[picture(0), b"no image"])
    write(tmp_path / "test.parquet", [0, 1])
    refuse(tmp_path, r"row 1 of .*train-1\.parquet")


def test_images_of_several_sizes_and_images_that_are_not_square(tmp_path):
    write(tmp_path / "a/train.parquet", [0, 1], images=[picture(0, 8), picture(1, 9)])
    write(tmp_path / "a/test.parquet", [0, 1])
    refuse(tmp_path / "a", "row 1 of .* is 9x9, the first image is 8x8")
    buffer = io.BytesIO()
    Image.new("RGB", (6, 8)).save(buffer, "PNG")
    write(tmp_path / "b/train.parquet", [0, 1], images=[buffer.getvalue()] * 2)
    write(tmp_path / "b/test.parquet", [0])
    refuse(tmp_path / "b", "is 6x8, not square")


@pytest.mark.parametrize("label", [-1, 3, 2**40])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_label_that_is_no_class(tmp_path, label, split):
    for name in ("train", "test"):
        labels = [0, label, 2] if name == split else [0, 1, 2]
        write(tmp_path / f"{name}.parquet", labels, names=["a", "b", "c"])
    refuse(tmp_path, f"label {label} of {split} image 1")


def test_a_test_label_that_training_has_not(tmp_path):
    write(tmp_path / "train.parquet", [0, 1])
    write(tmp_path / "test.parquet", [0, 2])
    refuse(tmp_path, "label 2 of test image 1")


def test_a_label_that_is_missing(tmp_path):
    write(tmp_path / "train.parquet", [0, 1, None])
    write(tmp_path / "test.parquet", [0, 1])
    refuse(tmp_path, "1 rows without a label")


def test_a_file_without_rows(tmp_path):
    write(tmp_path / "train.parquet", [])
    write(tmp_path / "test.parquet", [0])
    refuse(tmp_path, "holds no labelled images")


def test_limits_that_cannot_be_met(tmp_path):
    folder(tmp_path)
    refuse(tmp_path, "data.train_limit=15 asks for 5 of class '0', it has 4", DataChoice(train_limit=15))
    refuse(tmp_path, "data.test_limit=7", DataChoice(test_limit=7))
    refuse(tmp_path, "data.train_limit cannot be -1", DataChoice(train_limit=-1))


# --- the real thing ---


@needs_shared
def test_the_shared_folder_is_known_by_its_content_and_by_its_older_fingerprint(tmp_path):
    (tmp_path / "whatever").symlink_to(SHARED, target_is_directory=True)
    source = identify(str(tmp_path / "whatever"))
    assert (source.name, source.kind, source.image_size) == ("cifar10-jpeg75", "parquet", 32)
    assert (source.sha256, source.older) == (CARDS["cifar10-jpeg75"].content, CARDS["cifar10-jpeg75"].older)
    assert source.classes[3] == "cat"


@needs_shared
def test_a_slice_of_the_shared_folder():
    dataset = load(identify(str(SHARED)), DataChoice(train_limit=1000, test_limit=200))
    assert dataset.train.images.shape == (1000, 3, 32, 32)
    assert dataset.train.labels.bincount().tolist() == [100] * 10
    assert 100 < dataset.train.images.float().mean() < 140
    table = pq.read_table(SHARED / "test-00000-of-00001.parquet")
    whole = load(identify(str(SHARED)), ALL).test
    expected = torch.from_numpy(np.array(Image.open(io.BytesIO(table["img"][123]["bytes"].as_py())))).permute(2, 0, 1)
    assert label_of(whole, expected) == table["label"][123].as_py()
