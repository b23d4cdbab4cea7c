"""What training costs here, found by rehearsing a recipe's own steps on random images; nothing is written anywhere.

trainer = make_trainer(recipe, "fp32", torch.device("cpu"), steps=2)      # as the trainer of a run, step by step
seconds = estimate_seconds(run, torch.device("cpu"))
"""

import time
from dataclasses import replace

import torch

from reproduce.data.cards import CARDS
from reproduce.data.dataset import Dataset, Split, count
from reproduce.data.source import Source
from reproduce.errors import UserError
from reproduce.models.networks import build, count_macs
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.settings import override
from reproduce.training.run import Run
from reproduce.training.train import Trainer

_STEP_SECONDS = 0.5  # what a step rehearsed on a CPU should take at most, were it nothing but products
_MOST = 32  # images in such a step; more are not faster
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


def estimate_seconds(run: Run, device: torch.device, world: int = 1) -> float:
    """Return about how long ``run`` takes on ``device``, or on ``world`` such devices: a step of a share is timed.

    All images of all epochs are counted, those of evaluation as forward passes. The step is eager: to compile it would
    take longer than the rehearsal is worth. On a CPU it is of a few images only, which costs a little more an image.

    Raises:
        UserError: the step does not fit into memory.
    """
    recipe, data = run.recipe, run.recipe.data
    batch = -(-recipe.batch_size // world)
    if device.type != "cuda":
        macs = count_macs(build(recipe.model), recipe.model.image_size)
        few = _STEP_SECONDS * measure_rate(device, run.precision) / (6 * macs)
        batch = min(batch, _MOST, max(2, int(few)))
    an_image = _time_step(override(recipe, {"batch_size": batch}), run.precision, device) / batch
    if run.source.name in CARDS:
        train, test = CARDS[run.source.name].count(drop_grey=data.drop_grey)
        train, test = data.train_limit or train, data.test_limit or test
    else:
        train, test = (count(run.source, split, data) for split in ("train", "test"))
    held_out = train * data.holdout
    evaluations = -(-recipe.total_epochs // recipe.evaluate_every)
    trained = (train - held_out) * recipe.total_epochs / world
    return float(an_image * (trained + _FORWARD * (test + held_out) * evaluations))


def _time_step(recipe: Recipe, precision: str, device: torch.device) -> float:
    try:
        trainer = make_trainer(recipe, precision, device, 1)
        trainer.step_through(1)  # buffers are made, kernels compiled
        start = time.perf_counter()
        trainer.step_through(2)
    except RuntimeError as error:
        if "memory" not in str(error).lower():
            raise
        raise UserError(
            f"a step of '{recipe.row}' with {recipe.batch_size} images does not fit into memory ({device})",
            "try a smaller --set batch_size, which is another recipe, or another device",
        ) from None
    return time.perf_counter() - start


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
