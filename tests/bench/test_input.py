"""The paired benchmark of the input pipelines: its fields, and that both pipelines do the same work."""

import torch

from reproduce.bench.input import PillowImages, measure
from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.recipes.recipe import DataChoice


def test_it_measures_in_pairs():
    split = load(identify("shapes"), DataChoice(train_limit=500, test_limit=0)).train
    result = measure(rounds=2, split=split)
    assert (result["suite"], result["images"], result["n"], result["batch_size"]) == ("input", 500, 2, 100)
    assert len(result["samples"]["ours"]) == 2
    assert result["torchvision"]["num_workers"] in (0, 2)
    ratio = result["ratio"]
    assert ratio["low"] <= ratio["quartile_low"] <= ratio["median"] <= ratio["quartile_high"] <= ratio["high"]
    assert ratio["low"] > 0


def test_the_pipeline_serves_what_ours_does():
    split = load(identify("shapes"), DataChoice(train_limit=20, test_limit=0)).train
    x_3HW, label = PillowImages(split, 4)[13]
    assert (x_3HW.shape, x_3HW.dtype, label) == ((3, 32, 32), torch.float32, 3)
