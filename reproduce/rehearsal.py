"""What training costs here, found by rehearsing a recipe's own steps on random images; nothing is written anywhere.

trainer = make_trainer(recipe, "fp32", torch.device("cpu"), steps=2)      # as the trainer of a run, step by step
seconds = estimate_seconds(run, torch.device("cpu"))
"""

import time
from dataclasses import replace

import torch

from reproduce.data.dataset import Dataset, Split
from reproduce.data.identity import Source
from reproduce.models import build, count_macs
from reproduce.recipe import Recipe, override
from reproduce.run import Run
from reproduce.train import Trainer

_STEP_SECONDS = 0.5  # how long a rehearsed step should take; a paper batch takes a CPU half a minute
_MOST = 32  # images in a step rehearsed on a CPU; more are not faster
_IMAGES = {"shapes": 5_000, "imagenet": 1_281_167, "intel-scenes": 14_034, "tiny-imagenet": 100_000}
_FORWARD = 1 / 3  # of a training step's passes


def make_trainer(recipe: Recipe, precision: str, device: torch.device, steps: int, execution: str = "eager") -> Trainer:
    """Return a trainer of ``steps`` batches of random images."""
    size, classes = recipe.model.image_size, recipe.model.classes
    count = steps * recipe.batch_size
    drawn = torch.Generator().manual_seed(0)
    images_N3HW = torch.randint(0, 256, (count, 3, size, size), generator=drawn, dtype=torch.uint8)
    split = Split(images_N3HW, torch.arange(count) % classes)
    source = Source("random", "shapes", "0" * 64, None, size, tuple(map(str, range(classes))))
    whole = replace(recipe, data=replace(recipe.data, holdout=0.0))
    run = Run(recipe=whole, source=source, precision=precision)
    return Trainer(run, Dataset(source, split, split), device, execution=execution)


def estimate_seconds(run: Run, device: torch.device) -> float:
    """Return about how long ``run`` takes on ``device``: a step of it is timed, all its images are counted.

    A CPU's step is of as many images as should take half a second. Evaluation counts as forward passes. The step is
    eager: to compile it would take longer than the rehearsal is worth.
    """
    recipe, data = run.recipe, run.recipe.data
    batch = recipe.batch_size
    if device.type != "cuda":
        macs = count_macs(build(recipe.model), recipe.model.image_size)
        few = _STEP_SECONDS * measure_rate(device, run.precision) / (6 * macs)
        batch = max(2, min(batch, _MOST, int(few)))
    trainer = make_trainer(override(recipe, {"batch_size": batch}), run.precision, device, 1)
    trainer.step_through(1)  # buffers are made, kernels compiled
    start = time.perf_counter()
    trainer.step_through(2)
    an_image = (time.perf_counter() - start) / batch
    trained = data.train_limit or _IMAGES.get(run.source.name, 50_000)
    tested = data.test_limit or 10_000
    evaluations = -(-recipe.total_epochs // recipe.evaluate_every)
    return an_image * (trained * recipe.total_epochs + _FORWARD * tested * evaluations)


def measure_rate(device: torch.device, precision: str, side: int = 1024) -> float:
    """Return the FLOP/s of a product of two ``side`` x ``side`` matrices on ``device``, the best of a few."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=device).to(dtype)
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best
