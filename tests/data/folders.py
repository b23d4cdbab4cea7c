"""What the tests of this room share: made files and folders."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from reproduce.data.dataset import Split, load
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
