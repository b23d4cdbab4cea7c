"""Limits, held-out images, and images that do not fit."""

import pytest
import torch

from reproduce.data import dataset as dataset_module
from reproduce.data.dataset import hold_out, load
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice
from tests.data.folders import fill, refuse, save


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
