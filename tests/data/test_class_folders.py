"""Class folders in the layouts people have, CIFAR's batch files, named data sets, and what can be wrong with them."""

from dataclasses import replace

import pytest
import torch
from PIL import Image
from torchvision import transforms

from reproduce.data import file_sums
from reproduce.data import source as identity
from reproduce.data.cards import CARDS
from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice
from tests.data.folders import ALL, fill, holds, labels, pixels, refuse, save

# --- layouts ---


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("train", "val"),
        ("training", "validation"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("seg_train", "seg_test"),
        ("archive/train", "archive/test"),
        ("train/train", "val"),
    ],
)
def test_train_and_test_folders(tmp_path, train, test):
    fill(tmp_path / train)
    fill(tmp_path / test, count=2)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    assert labels(tmp_path) == ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1])
    assert identify(str(tmp_path)).classes == ("ant", "bee")


def test_the_fingerprint_is_of_names_and_content_not_of_depth(tmp_path):
    fill(tmp_path / "a/seg_train")
    fill(tmp_path / "a/seg_test")
    fill(tmp_path / "b/seg_train/seg_train")
    fill(tmp_path / "b/seg_test/seg_test")
    first, second = identify(str(tmp_path / "a")), identify(str(tmp_path / "b"))
    assert first.sha256 == second.sha256
    save(tmp_path / "b/seg_train/seg_train/ant/0.png", seed=999)
    assert identify(str(tmp_path / "b")).sha256 != first.sha256


def test_above_the_limit_a_fingerprint_is_of_names_and_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(file_sums, "HASH_CONTENT_UP_TO", 10)
    path = fill(fill(tmp_path / "d/train").parent / "test").parent / "train/ant/0.png"
    before = identify(str(tmp_path / "d")).sha256
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert identify(str(tmp_path / "d")).sha256 == before
    path.write_bytes(data + b"more")
    assert identify(str(tmp_path / "d")).sha256 != before


def test_class_folders_alone_are_split_four_to_one_wherever_they_lie(tmp_path):
    for name in ("one", "two"):
        fill(tmp_path / name, count=20)
    first, second = load(identify(str(tmp_path / "one")), ALL), load(identify(str(tmp_path / "two")), ALL)
    assert first.train.labels.bincount().tolist() == [16, 16]
    assert first.test.labels.bincount().tolist() == [4, 4]
    assert torch.equal(first.test.images, second.test.images)
    assert len(torch.cat([first.train.images, first.test.images]).flatten(1).unique(dim=0)) == 40


def test_tiny_imagenet_with_its_annotations(tmp_path):
    for label, name in enumerate(("n01443537", "n01629819")):
        for number in range(2):
            save(tmp_path / f"t/train/{name}/images/{name}_{number}.JPEG", 10 * label + number)
    save(tmp_path / "t/val/images/val_0.JPEG", 50, mode="L")
    save(tmp_path / "t/val/images/val_1.JPEG", 51)
    save(tmp_path / "t/test/images/test_0.JPEG", 60)
    (tmp_path / "t/val/val_annotations.txt").write_text(
        "val_0.JPEG\tn01629819\t0\t0\t7\t7\nval_1.JPEG\tn01443537\t0\t0\t7\t7\n"
    )
    assert labels(tmp_path / "t") == ([0, 0, 1, 1], [0, 1])
    assert labels(tmp_path) == ([0, 0, 1, 1], [0, 1])  # one folder above it
    test = load(identify(str(tmp_path / "t")), ALL).test
    grey_3HW = test.images[test.labels == 1][0]
    assert torch.equal(grey_3HW[0], grey_3HW[2])
    assert torch.equal(grey_3HW, pixels(tmp_path / "t/val/images/val_0.JPEG"))


def test_tiny_imagenet_sorted_into_class_folders(tmp_path):
    for split in ("train", "val"):
        save(tmp_path / split / "n01443537/images/0.JPEG")
        save(tmp_path / split / "n01629819/images/0.JPEG")
    assert labels(tmp_path) == ([0, 1], [0, 1])


def test_intel_scenes_are_brought_to_150_pixels_as_torchvision_does(tmp_path, monkeypatch):
    fill(tmp_path / "intel-scenes/seg_train/seg_train", size=(150, 150))
    odd = save(tmp_path / "intel-scenes/seg_train/seg_train/ant/9.png", 5, size=(150, 136))
    fill(tmp_path / "intel-scenes/seg_test/seg_test", size=(20, 20))
    save(tmp_path / "intel-scenes/seg_pred/seg_pred/0.png")
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    source = identify("intel-scenes")
    assert (source.name, source.image_size) == ("local-intel-scenes", 150)
    assert source.differs.startswith("it has 7 training images, intel-scenes has 14,034; it has 6 test images")
    read = load(source, ALL)
    expected = transforms.PILToTensor()(transforms.Resize((150, 150))(Image.open(odd)))
    assert holds(read.train, expected)
    assert read.test.images.shape == (6, 3, 150, 150)


@pytest.mark.parametrize("size", [(300, 200), (200, 301), (64, 500), (256, 256), (257, 255), (200, 303)])
def test_imagenet_is_resized_and_cropped_as_torchvision_does(tmp_path, monkeypatch, size):
    path = save(tmp_path / "imagenet/val/n01440764/0.png", size=size)
    save(tmp_path / "imagenet/val/n01443537/0.png", size=(240, 240), mode="L")
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    read = load(identify("imagenet"), DataChoice(train_limit=0))
    change = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.PILToTensor()])
    assert torch.equal(read.test.images[read.test.labels == 0][0], change(Image.open(path)))
    assert len(read.train) == 0
    refuse("imagenet", "has no training split")


def test_a_limit_takes_the_first_of_each_class_in_canonical_order(tmp_path):
    fill(fill(tmp_path / "train", count=4).parent / "test")
    source = identify(str(tmp_path))
    part, whole = load(source, DataChoice(train_limit=5, test_limit=3)), load(source, ALL)
    assert part.train.labels.bincount().tolist() == [3, 2]
    for split, most in (("train", (3, 2)), ("test", (2, 1))):
        of_part, of_whole = getattr(part, split), getattr(whole, split)
        for label, count in enumerate(most):
            first = of_whole.images[of_whole.labels == label][:count]
            assert torch.equal(of_part.images[of_part.labels == label], first)


# --- CIFAR ---


# --- names and paths ---


def test_a_typing_slip_is_offered_the_nearest_name():
    with pytest.raises(UserError, match="'cifar1O'") as caught:
        identify("cifar1O")
    assert "cifar10" in caught.value.hint


def test_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    refuse(tmp_path / "none", "no file or folder at")
    for name in identity.KNOWN_NAMES[1:]:
        refuse(name, f"{name} is not in {tmp_path}")


def test_a_users_folder_is_named_after_itself_but_never_takes_a_known_name(tmp_path):
    for name, label in (
        ("My Photos (2)", "my-photos-2"),
        ("cifar10", "local-cifar10"),
        ("cifar10-jpeg75", "local-cifar10-jpeg75"),
    ):
        fill(fill(tmp_path / name / "train").parent / "test")
        assert identify(str(tmp_path / name)).name == label


def test_what_could_be_a_known_data_set_without_a_sum_is_unverified(tmp_path, monkeypatch):
    card = replace(CARDS["tiny-imagenet"], train_images=6, test_images=6)
    monkeypatch.setattr("reproduce.data.naming.CARDS", {**CARDS, "tiny-imagenet": card})
    fill(fill(tmp_path / "tiny-imagenet/train").parent / "test")
    source = identify(str(tmp_path / "tiny-imagenet"))
    assert source.name == "tiny-imagenet-unverified"
    assert "unknown content" in source.differs
    (tmp_path / "tiny-imagenet").rename(tmp_path / "tiny-imagenet-unverified")
    assert identify(str(tmp_path / "tiny-imagenet-unverified")).name == "tiny-imagenet-unverified"
    save(tmp_path / "tiny-imagenet-unverified/train/ant/9.png", seed=9)
    source = identify(str(tmp_path / "tiny-imagenet-unverified"))
    assert (source.name, source.differs) == ("local-tiny-imagenet", "it has 7 training images, tiny-imagenet has 6")


def test_a_known_name_wins_over_a_folder(tmp_path, monkeypatch):
    fill(fill(tmp_path / "shapes/train").parent / "test")
    monkeypatch.chdir(tmp_path)
    assert identify("shapes").kind == "shapes"
    assert identify("./shapes").name == "local-shapes"


# --- what can be wrong ---


def test_folders_that_are_no_data_set(tmp_path):
    (tmp_path / "empty").mkdir()
    refuse(tmp_path / "empty", "is empty")
    (tmp_path / "foreign/deep").mkdir(parents=True)
    (tmp_path / "foreign/deep/notes.txt").write_text("hello")
    refuse(tmp_path / "foreign", "holds no data set that is known")
    save(tmp_path / "flat/0.png")
    refuse(tmp_path / "flat", "not sorted into class folders")
    save(tmp_path / "unsorted/val/ILSVRC2012_val_00000001.JPEG")
    refuse(tmp_path / "unsorted", "not sorted into class folders")
    (tmp_path / "images.zip").write_bytes(b"PK")
    refuse(tmp_path / "images.zip", "is a file, not a data set")
    (tmp_path / "hollow/train/ant").mkdir(parents=True)
    (tmp_path / "hollow/test/ant").mkdir(parents=True)
    refuse(tmp_path / "hollow", "holds no data set that is known")


def test_a_missing_split(tmp_path):
    fill(tmp_path / "a/train")
    refuse(tmp_path / "a", "no test split")
    fill(tmp_path / "b/test")
    refuse(tmp_path / "b", "no training split")


def test_classes_that_do_not_fit(tmp_path):
    fill(tmp_path / "a/train")
    fill(tmp_path / "a/test", ("ant", "cow"))
    refuse(tmp_path / "a", "class 'cow' is in .* but not in")
    fill(tmp_path / "b/train")
    fill(tmp_path / "b/test")
    (tmp_path / "b/train/cow").mkdir()
    refuse(tmp_path / "b", "class folder .*cow holds no images")
    save(tmp_path / "c/ant/0.png")
    save(tmp_path / "c/bee/0.png")
    refuse(tmp_path / "c", "holds one image, too few")


def test_annotations_that_do_not_fit(tmp_path):
    save(tmp_path / "train/n01443537/images/0.JPEG")
    save(tmp_path / "train/n01443538/images/0.JPEG")
    save(tmp_path / "val/images/val_0.JPEG")
    for text, words in (
        ("val_0.JPEG\tn09999999\t0\n", "line 1 of .* names no class"),
        ("val_0.JPEG\n", "line 1 of .* names no class"),
        ("val_1.JPEG\tn01443537\t0\n", "val_1.JPEG which is not there"),
        ("", "which is not there"),
    ):
        (tmp_path / "val/val_annotations.txt").write_text(text)
        refuse(tmp_path, words)


# --- the held-out part ---
