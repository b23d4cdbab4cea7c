"""Which image is looked at: a file, a place in a data set, or one that is chosen.

find_picture("photo.jpg", subject)            cut to a square, scaled to what the network reads
find_picture("cifar10:test:16", subject)      by data set, split and index
find_picture("test:cat:236", subject)         image 236 of class cat, counted from 0, of the run's own data
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from reproduce.data.dataset import Split, load
from reproduce.data.decode import to_rgb
from reproduce.data.layouts.image_files import is_image
from reproduce.data.source import identify
from reproduce.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from figures.subject import Subject
    from reproduce.recipes.recipe import Recipe

# what is chosen where no image is named; in CIFAR-10 a dog and a horse (published Figures 9 to 14), a frog and a cat
CHOSEN = (16, 17, 5, 0)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image as the network reads it: uint8 (H, W, 3), and what to call it."""

    name: str
    pixels_HW3: NDArray[np.uint8]


def find_picture(asked: str, subject: "Subject") -> Picture:
    """Return the image that ``asked`` names.

    Raises:
        UserError: no such file, data set, split, class or index; or a file that is no image.
    """
    path = Path(asked)
    if is_image(path.name) or path.is_file():
        return _read_file(path, subject.recipe.model.image_size)
    *where, last = asked.split(":")
    if not last.isdigit():
        raise UserError(
            f"'{asked}' names no image", "give a file, an index (test:16) or a data set and an index (cifar10:test:16)"
        )
    data, split, label = _read_place(asked, where)
    images, classes, name = open_split(subject, data, split)
    rows = np.arange(len(images))
    if label is not None:
        if label not in classes:
            raise UserError(f"{name} has no class '{label}'", did_you_mean(label, classes))
        rows = np.flatnonzero(images.labels.numpy() == classes.index(label))
    if int(last) >= len(rows):
        of = f" of class '{label}'" if label else ""
        raise UserError(f"{name} has no {split} image {last}{of}", f"it has {len(rows)}, counted from 0")
    pixels = images.images[int(rows[int(last)])].permute(1, 2, 0).numpy()
    place = ":".join(part for part in (name, split, label, last) if part)
    return Picture(place, _scale(pixels, subject.recipe.model.image_size))


def choose_pictures(subject: "Subject", count: int = 1) -> list[Picture]:
    """Return at most ``count`` test images of the run's data, 16 first where there are so many.

    Raises:
        UserError: the data is not here or has no test images.
    """
    images = len(open_split(subject, None, "test")[0])
    places = [place for place in CHOSEN if place < images] or [0]
    return [find_picture(f"test:{place}", subject) for place in places[:count]]


def first_images(subject: "Subject", count: int) -> Iterator["Tensor"]:
    """Yield the first ``count`` test images of the run's data, ready for the network.

    Raises:
        UserError: the data is not here, or has fewer test images.
    """
    split, _ = _check_count(subject, count)
    for index in range(count):
        yield prepare(split.images[index].permute(1, 2, 0).numpy(), subject.recipe)


def mean_picture(subject: "Subject", count: int) -> Picture:
    """Return the mean of the images that :func:`first_images` yields; raises UserError as it does."""
    split, name = _check_count(subject, count)
    mean_3HW = split.images[:count].float().mean(dim=0).round().byte()
    return Picture(f"mean over the first {count} test images of {name}", mean_3HW.permute(1, 2, 0).numpy())


def _check_count(subject: "Subject", count: int) -> tuple[Split, str]:
    split, _, name = open_split(subject, None, "test")
    if not 1 <= count <= len(split):
        raise UserError(f"{count} test images of {name} cannot be averaged", f"ask for 1 to {len(split)}")
    return split, name


def prepare(pixels_HW3: NDArray[np.uint8], recipe: "Recipe") -> "Tensor":
    """Return an image as the network reads it: float32 (3, H, W), normalised with the recipe's mean and spread."""
    import torch

    image_3HW = torch.from_numpy(np.array(pixels_HW3)).permute(2, 0, 1).float() / 255
    mean_311 = torch.tensor(recipe.data.mean)[:, None, None]
    return (image_3HW - mean_311) / torch.tensor(recipe.data.std)[:, None, None]


def open_split(subject: "Subject", data: str | None, split: str) -> tuple[Split, tuple[str, ...], str]:
    """Return a split, its classes and its data set's name; None is the data that the run was trained on.

    Raises:
        UserError: the data is not here, or has changed since the run.
    """
    source = identify(data or subject.data)
    if data is None and subject.data_sha256 and subject.data_sha256 not in (source.sha256, *source.older):
        raise UserError(
            f"{subject.data} has changed since {subject.name} was trained on it",
            "name an image of your own with --image, or train the row again",
        )
    wanted = replace(
        subject.recipe.data,
        train_limit=None if split == "train" else 0,
        test_limit=None if split == "test" else 0,
    )
    dataset = load(source, wanted)
    return (dataset.train if split == "train" else dataset.test), source.classes, source.name


def _read_place(asked: str, where: list[str]) -> tuple[str | None, str, str | None]:
    """Split what stands before the index into data set, split and class."""
    if not where:
        return None, "test", None
    found = next((i for i, part in enumerate(where) if part in ("test", "train")), None)
    if found is None or len(where) - found > 2:
        raise UserError(f"'{asked}' names no split", "write [DATA:]test:INDEX or [DATA:]train:INDEX")
    return ":".join(where[:found]) or None, where[found], where[found + 1] if found + 1 < len(where) else None


def _read_file(path: Path, size: int) -> Picture:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            rgb = to_rgb(image, lambda: str(path))
            upright: Any = ImageOps.exif_transpose(rgb if rgb is not image else image)
            pixels = np.asarray(upright)
    except FileNotFoundError:
        raise UserError(f"there is no image at {path}", "check the path, or name one: --image test:16") from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = (str(error).splitlines() or [""])[0][:100]
        raise UserError(f"{path} cannot be read as an image ({reason})", "give a PNG or JPEG file") from None
    return Picture(path.name, _scale(pixels, size))


def _scale(pixels_HW3: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Cut the middle square and resize it, antialiased, to ``size``."""
    from PIL import Image

    height, width = pixels_HW3.shape[:2]
    if (height, width) == (size, size):
        return pixels_HW3
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = Image.fromarray(pixels_HW3[top : top + short, left : left + short])
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
