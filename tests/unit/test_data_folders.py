"""Class folders in the layouts people have, CIFAR's batch files, named data sets, and what can be wrong with them."""

import hashlib
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from PIL import Image
from torchvision import transforms

from reproduce.data import dataset as dataset_module
from reproduce.data import download
from reproduce.data import source as identity
from reproduce.data.cards import CARDS
from reproduce.data.dataset import Split, hold_out, load
from reproduce.data.fetch import fetch
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice

ALL = DataChoice()


def save(path: Path, seed: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def fill(root: Path, classes: tuple[str, ...] = ("ant", "bee"), count: int = 3, **form) -> Path:
    for label, name in enumerate(classes):
        for number in range(count):
            save(root / name / f"{number}.png", 100 * label + number, **form)
    return root


def refuse(data: Path | str, words: str, choice: DataChoice = ALL) -> None:
    with pytest.raises(UserError, match=words) as caught:
        load(identify(str(data)), choice)
    assert caught.value.hint
    assert "\n" not in caught.value.message


def labels(data: Path | str, choice: DataChoice = ALL) -> tuple[list[int], list[int]]:
    read = load(identify(str(data)), choice)
    return sorted(read.train.labels.tolist()), sorted(read.test.labels.tolist())


def pixels(path: Path) -> torch.Tensor:
    return transforms.PILToTensor()(Image.open(path).convert("RGB"))


def holds(split: Split, image: torch.Tensor) -> bool:
    return any(torch.equal(image, other) for other in split.images)


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
    monkeypatch.setattr(identity, "_HASH_CONTENT_UP_TO", 10)
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


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Write batch files in the official layout; their checksums are taken for the official ones."""
    folder = tmp_path / "cifar10/cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch", "batches.meta"]
    sums = {}
    for seed, name in enumerate(names):
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 3072), np.uint8)
        content = {"data": pixels, "labels": [number % 10 for number in range(20)], "label_names": list("abcdefghij")}
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        sums[name] = hashlib.md5(data).hexdigest()
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [[name, sums[name]] for name in names[:5]])
    monkeypatch.setattr(kind, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": sums["batches.meta"]})
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    return folder


def test_cifar10_by_name_and_by_path(cifar):
    by_name = identify("cifar10")
    assert (by_name.name, by_name.image_size, by_name.classes[0]) == ("local-cifar10", 32, "airplane")
    assert by_name.differs == (
        "it has 100 training images, cifar10 has 50,000; it has 20 test images, cifar10 has 10,000"
    )
    assert identify(str(cifar)) == identify(str(cifar.parent)) == by_name
    read = load(by_name, DataChoice(train_limit=50))
    assert read.train.labels.bincount().tolist() == [5] * 10
    assert read.test.images.shape == (20, 3, 32, 32)
    expected = np.random.default_rng(5).integers(0, 256, (20, 3072), np.uint8)[7].reshape(3, 32, 32)
    assert holds(read.test, torch.from_numpy(expected))


def test_batch_files_and_class_folders_of_the_same_images_are_the_same_data(cifar, tmp_path):
    batches = load(identify("cifar10"), ALL)
    for split in ("train", "test"):
        part = getattr(batches, split)
        for number, (image, label) in enumerate(zip(part.images, part.labels.tolist(), strict=True)):
            path = tmp_path / "pictures" / split / str(label) / f"{number * 37 % 101}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    source = identify(str(tmp_path / "pictures"))
    assert source.sha256 == batches.source.sha256
    folders = load(source, ALL)
    for split in ("train", "test"):
        assert torch.equal(getattr(folders, split).images, getattr(batches, split).images)
        assert torch.equal(getattr(folders, split).labels, getattr(batches, split).labels)


def test_cifar100_has_no_sum_and_is_known_by_its_official_files(tmp_path, monkeypatch):
    folder = tmp_path / "cifar100/cifar-100-python"
    folder.mkdir(parents=True)
    kind, sums = torchvision.datasets.CIFAR100, {}
    for name in ("train", "test", "meta"):
        images = np.random.default_rng(len(name)).integers(0, 256, (10, 3072), np.uint8)
        content = {"data": images, "fine_labels": list(range(10)), "fine_label_names": list("abcdefghij")}
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        sums[name] = hashlib.md5(data).hexdigest()
    monkeypatch.setattr(kind, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(kind, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": sums["meta"]})
    assert identify(str(tmp_path / "cifar100")).name == "cifar100"
    fill(fill(tmp_path / "copy/cifar100/train").parent / "test")
    assert identify(str(tmp_path / "copy/cifar100")).name == "local-cifar100"


def test_cifar10_right_under_the_data_root(cifar, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_DATA", str(cifar.parent))
    assert identify("cifar10").root == cifar.parent


def test_damaged_cifar10_is_never_unpickled(cifar):
    class Trap:
        def __reduce__(self):
            return (sys.exit, ("unpickled",))

    (cifar / "data_batch_3").write_bytes(pickle.dumps(Trap()))
    refuse("cifar10", "damaged or not the official ones")


def test_cifar10_with_a_file_missing(cifar):
    (cifar / "test_batch").unlink()
    refuse("cifar10", "lacks the file test_batch")


def test_cifar100_in_the_place_of_cifar10(cifar):
    cifar.rename(cifar.parent / "cifar-100-python")
    for name in ("train", "test", "meta"):
        (cifar.parent / "cifar-100-python" / name).touch()
    refuse("cifar10", "holds cifar100, not cifar10")


def test_fetch_says_what_it_cannot_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))

    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(download, "_open", fail)
    for name, words in (
        ("cifar100", "no route to host"),
        ("imagenet", "cannot be downloaded"),
        ("cifar1", "no data set"),
    ):
        with pytest.raises(UserError, match=words):
            fetch(name)
    assert fetch("shapes").name == "shapes"


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
    save(tmp_path / "val/images/val_0.JPEG")
    for text, words in (
        ("val_0.JPEG\tn09999999\t0\n", "line 1 of .* names no class"),
        ("val_0.JPEG\n", "line 1 of .* names no class"),
        ("val_1.JPEG\tn01443537\t0\n", "val_1.JPEG which is not there"),
        ("", "which is not there"),
    ):
        (tmp_path / "val/val_annotations.txt").write_text(text)
        refuse(tmp_path, words)


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_image_that_cannot_be_decoded_is_named(tmp_path, split):
    fill(fill(tmp_path / "train").parent / "test")
    path = tmp_path / split / "bee/1.png"
    path.write_bytes(path.read_bytes()[:60])
    refuse(tmp_path, f"{split}/bee/1.png is no readable image")


def test_images_of_several_sizes(tmp_path):
    fill(fill(tmp_path / "train").parent / "test")
    save(tmp_path / "train/bee/1.png", size=(9, 8))
    refuse(tmp_path, "bee/1.png is 9x8, the first image is 8x8")


def test_limits_that_cannot_be_met(tmp_path):
    fill(fill(tmp_path / "train").parent / "test")
    refuse(tmp_path, "data.train_limit=7 asks for 4 of class 'ant', it has 3", DataChoice(train_limit=7))


def test_more_than_fits_into_memory_is_refused_before_decoding(tmp_path, monkeypatch):
    fill(fill(tmp_path / "train").parent / "test")
    monkeypatch.setattr(dataset_module, "_available_memory", lambda: 6 * 8 * 8 * 3)
    refuse(tmp_path, "6 images of .* GiB of memory")


# --- the held-out part ---


def test_hold_out_is_balanced_disjoint_complete_and_repeatable(tmp_path):
    split = load(identify("shapes"), DataChoice(train_limit=400)).train
    train, validation = hold_out(split, 0.1)
    assert train.labels.bincount().tolist() == [36] * 10
    assert validation.labels.bincount().tolist() == [4] * 10
    both = torch.cat([train.images, validation.images]).flatten(1)
    assert torch.equal(both.unique(dim=0), split.images.flatten(1).unique(dim=0))
    assert torch.equal(hold_out(split, 0.1)[1].images, validation.images)
    assert not torch.equal(hold_out(split, 0.1, seed=1)[1].images, validation.images)


def test_hold_out_of_nothing_of_little_and_of_too_much():
    split = load(identify("shapes"), DataChoice(train_limit=20)).train
    train, validation = hold_out(split, 0)
    assert train is split
    assert validation is None
    assert len(hold_out(split, 0.001)[1]) == 10  # at least one of each class
    for fraction in (-0.1, 1, 0.9):
        with pytest.raises(UserError):
            hold_out(split, fraction)
