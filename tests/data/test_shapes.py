"""The embedded data set: its bytes, its balance, its speed, and that it is neither trivial nor hopeless."""

import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reproduce.data import shapes
from reproduce.data.batches import Batches
from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import Augmentation, DataChoice

CHOICE = DataChoice(name="shapes")


def test_the_bytes_are_those_on_record_and_drawn_within_two_seconds():
    shapes.draw.cache_clear()
    start = time.process_time()
    images_N3HW, labels_N = shapes.draw("train")  # raises where the digest is another
    assert time.process_time() - start < 2
    assert images_N3HW.shape == (5000, 3, 32, 32)
    assert images_N3HW.dtype == np.uint8
    assert np.array_equal(labels_N, np.arange(5000) % 10)
    assert shapes.draw("test")[0].shape == (1000, 3, 32, 32)


def test_other_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(shapes, "SHA256", "0" * 64)
    shapes.draw.cache_clear()
    with pytest.raises(UserError, match="draws other 'shapes' images"):
        shapes.draw("train")
    shapes.draw.cache_clear()


def test_to_identify_it_draws_nothing_and_imports_neither_torch_nor_pandas():
    code = (
        "import sys; from reproduce.data.source import identify; from reproduce.data import shapes;"
        "source = identify('shapes'); assert source.sha256 == shapes.SHA256;"
        "assert shapes.draw.cache_info().currsize == 0; assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=shapes.__file__.rsplit("/", 3)[0])


def test_no_image_is_twice_there_and_none_is_in_both_splits():
    both = np.concatenate([shapes.draw("train")[0], shapes.draw("test")[0]]).reshape(6000, -1)
    assert len(np.unique(both, axis=0)) == 6000


def test_limits_cut_a_balanced_prefix():
    dataset = load(identify("shapes"), DataChoice(train_limit=200, test_limit=15))
    assert torch.equal(dataset.train.images, torch.from_numpy(shapes.draw("train")[0][:200]))
    assert dataset.test.labels.bincount().tolist() == [2] * 5 + [1] * 5
    with pytest.raises(UserError, match=r"data\.train_limit=6000"):
        load(identify("shapes"), DataChoice(train_limit=6000))


def test_colour_tells_something_of_the_kind_and_nothing_of_the_side():
    """A least-squares fit of each image's mean and spread of colour: a perfect guess of the kind would reach 0.5."""
    features, targets = [], []
    for split in ("train", "test"):
        images_N3HW, labels_N = shapes.draw(split)
        pixels = images_N3HW.astype(np.float64) / 255
        features.append(np.concatenate([pixels.mean((2, 3)), pixels.std((2, 3)), np.ones((len(labels_N), 1))], 1))
        targets.append(labels_N)
    weights = np.linalg.lstsq(features[0], np.eye(10)[targets[0]], rcond=None)[0]
    guesses = (features[1] @ weights).argmax(1)
    assert 0.2 < (guesses == targets[1]).mean() < 0.4
    assert 0.45 < (guesses % 2 == targets[1] % 2).mean() < 0.55


def test_a_small_network_learns_it_with_crops_and_flips():
    """Two epochs: far above chance (0.10) and short of all."""
    dataset = load(identify("shapes"), CHOICE)
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for narrow, wide, stride in ((3, 16, 2), (16, 32, 1), (32, 32, 1), (32, 48, 2)):
        layers += [nn.Conv2d(narrow, wide, 3, stride, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 10))
    augmentation = Augmentation(crop_padding=2, flip=True)
    training = Batches(dataset.train, 100, CHOICE.mean, CHOICE.std, augmentation=augmentation, seed=0)
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.15, total_steps=2 * len(training))
    for epoch in range(2):
        for x_B3HW, y_B in training.epoch(epoch):
            optimiser.zero_grad()
            F.cross_entropy(network(x_B3HW), y_B).backward()
            optimiser.step()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        hits = [(network(x).argmax(1) == y) for x, y in Batches(dataset.test, 500, CHOICE.mean, CHOICE.std).epoch()]
    accuracy = torch.cat(hits).float().mean().item()
    assert 0.3 < accuracy < 0.99
