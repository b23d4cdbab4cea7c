"""Tables of images as people have them: several splits, columns, names of classes, caches, Arrow folders."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reproduce.data.dataset import load
from reproduce.data.source import identify
from tests.data.folders import ALL, labels, refuse
from tests.data.test_parquet import picture, write


def notes(path) -> str:
    return "; ".join(identify(str(path)).notes)


def put(path, values, image=None, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = image or pa.array([picture(number) for number in range(len(values))], pa.binary())
    pq.write_table(pa.table({"img": images, "label": values, **columns}), path)


def test_plain_bytes_and_names_as_labels(tmp_path):
    put(tmp_path / "train.parquet", ["dog", "cat", "dog"])
    put(tmp_path / "test.parquet", ["cat"])
    assert identify(str(tmp_path)).classes == ("cat", "dog")
    assert labels(tmp_path) == ([0, 1, 1], [0])
    put(tmp_path / "test.parquet", ["cow"])
    refuse(tmp_path, "label 'cow' in .* is no class of training")


def test_labels_that_do_not_count_from_0_are_numbered_and_told(tmp_path):
    put(tmp_path / "train.parquet", [1.0, 2.0, 7.0])
    put(tmp_path / "test.parquet", [7.0, 1.0])
    assert identify(str(tmp_path)).classes == ("1", "2", "7")
    assert labels(tmp_path) == ([0, 1, 2], [0, 2])
    assert "labels 1 to 7 do not count from 0" in notes(tmp_path)
    put(tmp_path / "train.parquet", [1.0, 2.5])
    refuse(tmp_path, "is no whole number")


def test_a_class_without_images_is_told(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", [0, 2], names=["a", "b", "c"])
    assert "training has no images of 1 of 3 classes: b" in notes(tmp_path)


def test_names_that_differ_between_splits_are_refused(tmp_path):
    write(tmp_path / "train.parquet", [0, 1], names=["a", "b"])
    write(tmp_path / "test.parquet", [0, 1], names=["b", "a"])
    refuse(tmp_path, "numbers its classes otherwise .* 'b' where that has 'a'")


@pytest.mark.parametrize(("image", "label"), [("pixel_values", "labels"), ("image", "fine_label")])
def test_other_columns(tmp_path, image, label):
    for split in ("train", "test"):
        write(tmp_path / f"{split}.parquet", [0, 1], image=image, label=label)
    assert labels(tmp_path) == ([0, 1], [0, 1])


def test_a_test_split_without_labels_gives_way_to_validation(tmp_path):
    write(tmp_path / "train-00000-of-00001.parquet", [0, 1])
    write(tmp_path / "test-00000-of-00001.parquet", [-1, -1, -1])
    write(tmp_path / "validation-00000-of-00001.parquet", [1, 0])
    assert labels(tmp_path)[1] == [0, 1]
    assert "left out test: it has no labels, validation is measured" in notes(tmp_path)


def test_the_whole_word_before_the_number_is_the_split(tmp_path):
    for name in ("train", "train_extra", "train-small", "test", "unsupervised"):
        write(tmp_path / f"{name}-00000-of-00001.parquet", [0, 1])
    assert labels(tmp_path) == ([0, 1], [0, 1])
    assert "left out 3 files of no split known here: train-small" in notes(tmp_path)


def test_missing_shards_and_several_versions_are_refused(tmp_path):
    write(tmp_path / "test.parquet", [0, 1])
    write(tmp_path / "train-00001-of-00003.parquet", [0, 1])
    write(tmp_path / "train-00002-of-00003.parquet", [0, 1])
    refuse(tmp_path, "lacks shard 0 of 3 of its train split")
    write(tmp_path / "train-00000-of-00003.parquet", [0, 1])
    assert len(load(identify(str(tmp_path)), ALL).train) == 6
    write(tmp_path / "train-00000-of-00001.parquet", [0, 1])
    refuse(tmp_path, "several versions")


def test_several_configurations_are_refused(tmp_path):
    for name in ("plain", "augmented"):
        for split in ("train", "test"):
            write(tmp_path / name / f"{split}-00000-of-00001.parquet", [0, 1])
    refuse(tmp_path, r"holds several data sets \(augmented, plain\)")
    assert labels(tmp_path / "plain") == ([0, 1], [0, 1])


def test_a_folder_of_the_hubs_cache(tmp_path):
    root, commit = tmp_path / "datasets--someone--flowers", "0a1b"
    (root / "blobs").mkdir(parents=True)
    for number, split in enumerate(("train", "test")):
        write(root / "blobs" / f"sum{number}", [0, 1])
        link = root / "snapshots" / commit / "data" / f"{split}-00000-of-00001.parquet"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root / "blobs" / f"sum{number}")
    assert labels(root) == ([0, 1], [0, 1])
    assert identify(str(root)).name == "someone-flowers"
    (root / "snapshots/ffff").mkdir()
    refuse(root, "holds 2 snapshots")
    (root / "refs").mkdir()
    (root / "refs/main").write_text(commit)
    assert labels(root) == ([0, 1], [0, 1])


def test_a_folder_that_datasets_has_saved(tmp_path):
    names = {"info": {"features": {"label": {"names": ["bee", "ant"], "_type": "ClassLabel"}}}}
    for split, values in (("train", [0, 1, 1]), ("test", [1])):
        folder = tmp_path / split
        folder.mkdir()
        images = [{"bytes": picture(number), "path": None} for number in range(len(values))]
        table = pa.table({"image": images, "label": values}).replace_schema_metadata({"huggingface": json.dumps(names)})
        with pa.ipc.new_stream(folder / "data-00000-of-00001.arrow", table.schema) as writer:
            writer.write_table(table)
        (folder / "cache-12ab.arrow").write_bytes(b"of an earlier map")
        (folder / "state.json").write_text("{}")
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    source = identify(str(tmp_path))
    assert (source.classes, source.counts) == (("bee", "ant"), {"train": 3, "test": 1})
    assert labels(tmp_path) == ([0, 1, 1], [1])
    path = tmp_path / "train/data-00000-of-00001.arrow"
    path.write_bytes(path.read_bytes()[:100])
    refuse(tmp_path, "is no readable Arrow file")
