"""CIFAR as its batch files: by name and by path, damaged, incomplete, in the place of the other."""

import hashlib
import pickle
import sys

import numpy as np
import pytest
import torch
import torchvision.datasets
from PIL import Image

from reproduce.data import download
from reproduce.data.dataset import load
from reproduce.data.fetch import fetch
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice
from tests.data.folders import ALL, fill, holds, refuse


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
