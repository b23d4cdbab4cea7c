"""Data as people have them: names of splits, sub-folders, suffixes, lists of labels; what is left out is told."""

import csv
import unicodedata

import pytest
from PIL import Image

from reproduce.data.catalogue import act
from reproduce.data.dataset import load
from reproduce.data.layouts.image_files import SUFFIXES
from reproduce.data.source import identify
from tests.data.folders import ALL, fill, labels, refuse, save


def notes(path) -> str:
    return "; ".join(identify(str(path)).notes)


@pytest.mark.parametrize("train", ["Train", "TRAINING", "train_set", "Training Set"])
@pytest.mark.parametrize("test", ["Val", "TESTING", "dev", "valid", "test_set", "Evaluation"])
def test_splits_are_known_in_any_case(tmp_path, train, test):
    fill(tmp_path / train)
    fill(tmp_path / test, count=2)
    assert labels(tmp_path) == ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1])
    assert not identify(str(tmp_path)).notes


def test_a_second_test_split_and_other_folders_are_told(tmp_path):
    for name in ("train", "val", "test", "extra"):
        fill(tmp_path / name)
    assert "left out val: test is measured" in notes(tmp_path)
    assert "left out extra" in notes(tmp_path)
    assert act("show", str(tmp_path))["notes"] == list(identify(str(tmp_path)).notes)


def test_two_training_splits_are_refused(tmp_path):
    for name in ("train", "Training", "test"):
        fill(tmp_path / name)
    refuse(tmp_path, "several training splits")


def test_sub_folders_count_to_their_class(tmp_path):
    fill(fill(tmp_path / "train").parent / "test")
    before = identify(str(tmp_path)).sha256
    save(tmp_path / "train/ant/part2/deeper/9.png", 9)
    assert labels(tmp_path)[0] == [0, 0, 0, 0, 1, 1, 1]
    assert identify(str(tmp_path)).sha256 != before
    assert "ant/part2/deeper" in notes(tmp_path)
    (tmp_path / "train/ant/part2/loop").symlink_to(tmp_path / "train/ant", target_is_directory=True)
    assert labels(tmp_path)[0] == [0, 0, 0, 0, 1, 1, 1]


def test_every_suffix_is_one_that_pillow_opens():
    Image.init()
    opened = {suffix for suffix, form in Image.registered_extensions().items() if form in Image.OPEN}
    assert set(SUFFIXES) <= opened | {".avif", ".avifs"}  # those need a build with AVIF


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "pgm", "pnm", "jp2", "tga", "PGM"])
def test_other_suffixes_are_read(tmp_path, suffix):
    fill(fill(tmp_path / "train").parent / "test")
    mode = "L" if suffix.lower() in ("pgm", "pnm") else "RGB"
    save(tmp_path / f"train/bee/9.{suffix}", 9, mode=mode)
    assert labels(tmp_path)[0] == [0, 0, 0, 1, 1, 1, 1]


def test_what_is_no_image_is_told_by_suffix(tmp_path):
    fill(fill(tmp_path / "train").parent / "test")
    for name in ("a.heic", "b.HEIC", "c"):
        (tmp_path / "train/ant" / name).write_bytes(b"x")
    assert "left out 3 files that are no images known here (1 without suffix, 2 .heic)" in notes(tmp_path)


def test_a_test_folder_without_labels_gives_way(tmp_path):
    fill(fill(tmp_path / "train").parent / "val", count=1)
    save(tmp_path / "test/images/0.png")
    (tmp_path / "val/images").mkdir()
    assert labels(tmp_path)[1] == [0, 1]
    assert "left out test" in notes(tmp_path)
    (tmp_path / "val/val_annotations.txt").write_text("0.png\tant\t0\n")  # the images were sorted, the list was kept
    assert labels(tmp_path)[1] == [0, 1]


def test_a_test_split_that_lacks_a_class_is_told(tmp_path):
    fill(fill(tmp_path / "train", ("ant", "bee", "cat")).parent / "test", ("ant", "cat"))
    assert "test has no images of 1 classes: bee" in notes(tmp_path)


def test_one_class_and_several_data_sets(tmp_path):
    fill(fill(tmp_path / "one/train", ("ant",)).parent / "test", ("ant",))
    refuse(tmp_path / "one", r"holds one class folder \(ant\)")
    for name in ("a", "b"):
        fill(fill(tmp_path / "several" / name / "train").parent / "test")
    refuse(tmp_path / "several", r"holds several data sets \(a, b\)")
    refuse("", "names no data set")
    refuse(" ", "names no data set")


def test_class_names_are_composed(tmp_path):
    fill(tmp_path / "train", (unicodedata.normalize("NFD", "café"), "thé"))
    fill(tmp_path / "test", ("café", unicodedata.normalize("NFD", "thé")))
    source = identify(str(tmp_path))
    assert source.classes == ("café", "thé")
    assert labels(tmp_path)[1] == [0, 0, 0, 1, 1, 1]


# --- lists of labels ---


def write_list(path, rows, header=("id", "label")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.mark.parametrize("suffix", ["", ".png"])
def test_labels_in_a_list_beside_the_images(tmp_path, suffix):
    for number in range(10):
        save(tmp_path / f"train/{number}.png", number)
    save(tmp_path / "train/99.png", 99)
    save(tmp_path / "test/1.png", 50)
    rows = [(f"{number}{suffix}", "cat" if number < 5 else "dog") for number in range(10)]
    write_list(tmp_path / "trainLabels.csv", rows)
    assert labels(tmp_path) == ([0] * 4 + [1] * 4, [0, 1])
    for words in ("left out 1 images of train", "left out test: no list", "a fifth of each class"):
        assert words in notes(tmp_path)
    write_list(tmp_path / "testLabels.csv", [("1", "dog")])
    assert labels(tmp_path) == ([0] * 5 + [1] * 5, [1])
    write_list(tmp_path / "testLabels.csv", [("1", "cow")])
    refuse(tmp_path, "class 'cow' of the test labels")
    write_list(tmp_path / "trainLabels.csv", [*rows, ("77", "cat")])
    refuse(tmp_path, "lists '77', which has no image")


def test_labels_in_the_folder_of_their_images(tmp_path):
    for split in ("train", "test"):
        for number in range(4):
            save(tmp_path / split / f"{number}.png", number)
        rows = [(f"{number}.png", str(9 + number % 2)) for number in range(4)]
        write_list(tmp_path / split / "metadata.csv", rows, ("file_name", "label"))
    assert identify(str(tmp_path)).classes == ("9", "10")
    assert labels(tmp_path) == ([0, 0, 1, 1], [0, 0, 1, 1])
    assert load(identify(str(tmp_path)), ALL).test.images.shape == (4, 3, 8, 8)
