"""Images a second that reach a model: our batches against torchvision on Pillow images, with the same crop and flip.

measure()["ratio"]["median"]     # how many times the images a second of the pipeline

Paired: in every round each pipeline goes once through the same images, one after another in this process, and a
ratio is of one round. The pipeline is given the better of no and two worker processes, already started. Both end in
shuffled, normalised float batches with labels on the CPU.
"""

import platform
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torchvision
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms

from reproduce.data.batches import Batches
from reproduce.data.dataset import Split, load
from reproduce.data.source import identify
from reproduce.recipes.recipe import Augmentation, DataChoice

WORKERS = (0, 2)
_CHOICE = DataChoice(name="shapes")


class PillowImages(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """A split as torchvision's own CIFAR class serves it: an array, a Pillow image and transforms for each item."""

    def __init__(self, split: Split, padding: int) -> None:
        self.images_NHW3 = split.images.permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = split.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(split.images.shape[-1], padding=padding),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(_CHOICE.mean, _CHOICE.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images_NHW3[index])), self.labels[index]


def measure(rounds: int = 7, batch_size: int = 100, split: Split | None = None, padding: int = 4) -> dict[str, Any]:
    """Time both pipelines and return what was measured, rates in images a second.

    Args:
        rounds: repetitions, after one that is not counted.
        batch_size: images a batch.
        split: what to go through; the 5,000 training images of `shapes` where it is None.
        padding: zero pixels around an image before its crop.
    """
    split = split if split is not None else load(identify("shapes"), _CHOICE).train
    augmentation = Augmentation(crop_padding=padding, flip=True)
    ours = Batches(split, batch_size, _CHOICE.mean, _CHOICE.std, augmentation=augmentation, seed=0)
    pillow = PillowImages(split, padding)
    pipelines: dict[str, Callable[[int], Iterable[Any]]] = {"ours": ours.epoch}
    for workers in WORKERS:
        pipelines[f"torchvision-{workers}"] = _serve(pillow, batch_size, workers)
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for round_number in range(rounds + 1):
        for name, epoch in pipelines.items():
            rate = len(split) / _time(epoch, round_number)
            if round_number:  # the first starts the workers
                rates[name].append(rate)
    best = max((f"torchvision-{workers}" for workers in WORKERS), key=lambda name: statistics.median(rates[name]))
    ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates[best], strict=True)]
    return {
        "suite": "input",
        "images": len(split),
        "image_size": split.images.shape[-1],
        "batch_size": batch_size,
        "n": rounds,
        "ours": _summarise(rates["ours"]),
        "torchvision": {**_summarise(rates[best]), "num_workers": int(best.rsplit("-", 1)[1])},
        "ratio": _summarise(ratios),
        "samples": rates,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "torchvision_version": torchvision.__version__,
    }


def _serve(pillow: PillowImages, batch_size: int, workers: int) -> Callable[[int], Iterable[Any]]:
    loader = DataLoader(pillow, batch_size, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
    return lambda _: loader


def _time(epoch: Callable[[int], Iterable[Any]], number: int) -> float:
    """Return the seconds that one epoch takes; each batch's last value is read, so that none is left undone."""
    start = time.perf_counter()
    for x_B3HW, _ in epoch(number):
        float(x_B3HW[-1, -1, -1, -1])
    return time.perf_counter() - start


def _summarise(values: list[float]) -> dict[str, float]:
    """Return median and quartiles; ``low`` and ``high`` are the whole range."""
    quartiles = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {
        "median": statistics.median(values),
        "quartile_low": quartiles[0],
        "quartile_high": quartiles[2],
        "low": min(values),
        "high": max(values),
    }
