"""Random changes of training images, for a whole batch at once, on the device the batch is on.

Each change is a plain function of the images and of one parameter an image; :func:`draw` draws the parameters of a
whole epoch on the CPU, so that an image gets the same ones on every device, in every batch size and after a resume.
Ranges and distributions are torchvision's (RandomCrop, RandomHorizontalFlip, RandomRotation, ColorJitter inside
RandomApply, RandomAffine, RandomResizedCrop), pixels those of its tensor functions; where they differ:

* jitter computes in float and does not round to 8 bits between its steps;
* each image has its own jitter and its own order of the jitter's steps (as torchvision has on single images).

Shapes: N images of an epoch, B of a batch, 3 channels, H x W pixels, P padding.
"""

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from reproduce.data.pixels import HUE, affine, flip, jitter, resized_crop, rotate
from reproduce.errors import UserError
from reproduce.recipes.recipe import Augmentation

GeneratorFor = Callable[[str], torch.Generator]
# an epoch's parameters: the arguments of each change that is on, every tensor with one row an image
Draws = dict[str, tuple[Tensor, ...]]


def check(augmentation: Augmentation) -> None:
    """Raise UserError where a setting is outside its range."""
    low, high = 0.0, 0.0
    if len(augmentation.affine_scale) == 2:
        low, high = augmentation.affine_scale
    rules = (
        ("crop_padding", augmentation.crop_padding >= 0, "0 or more pixels"),
        (
            "resized_crop",
            _is_range(augmentation.resized_crop or (1.0, 1.0), 1.0),
            "two shares up to 1, the smaller first",
        ),
        ("resized_ratio", _is_range(augmentation.resized_ratio, 100.0), "two ratios above 0, the smaller first"),
        ("rotation", 0 <= augmentation.rotation <= 180, "0 to 180 degrees"),
        ("jitter", len(augmentation.jitter) == 4, "four numbers: brightness,contrast,saturation,hue"),
        ("jitter", all(value >= 0 for value in augmentation.jitter), "numbers from 0"),
        ("jitter", augmentation.jitter[HUE:] <= (0.5,), "a hue of at most 0.5"),
        ("jitter_probability", 0 <= augmentation.jitter_probability <= 1, "0 to 1"),
        ("affine_degrees", 0 <= augmentation.affine_degrees <= 180, "0 to 180 degrees"),
        ("affine_translate", 0 <= augmentation.affine_translate <= 1, "a share of the side, 0 to 1"),
        ("affine_scale", 0 < low <= high, "two numbers above 0, the smaller first"),
    )
    for name, holds, range_words in rules:
        if not holds:
            value = getattr(augmentation, name)
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
            raise UserError(f"augmentation.{name} cannot be {shown}", hint=f"give {range_words}")


def _is_range(pair: tuple[float, ...], highest: float) -> bool:
    return len(pair) == 2 and 0 < pair[0] <= pair[1] <= highest


def is_affine(augmentation: Augmentation) -> bool:
    """Say whether any part of the affine change is on."""
    still = augmentation.affine_degrees == 0 and augmentation.affine_translate == 0
    return not (still and augmentation.affine_scale == (1.0, 1.0))


def draw(augmentation: Augmentation, count: int, size: int, generator_for: GeneratorFor) -> Draws:
    """Draw the parameters of ``count`` images of ``size`` pixels a side.

    Every change draws from a generator of its own (``generator_for("crop")`` and so on), so that turning one on
    leaves the draws of the others as they were. What is off has no entry.
    """
    draws: Draws = {}
    uniform = functools.partial(_draw_uniform, count)
    if augmentation.crop_padding:
        crop_draws, places = generator_for("crop"), 2 * augmentation.crop_padding + 1
        draws["crop"] = tuple(torch.randint(places, (count,), generator=crop_draws) for _ in range(2))
    if augmentation.resized_crop:
        draws["resized"] = _draw_resized(augmentation, count, size, generator_for("resized"))
    if augmentation.flip:
        draws["flip"] = (uniform(generator_for("flip"), 0, 1) < 0.5,)
    if augmentation.rotation:
        draws["rotation"] = (uniform(generator_for("rotation"), -augmentation.rotation, augmentation.rotation),)
    if any(augmentation.jitter) and augmentation.jitter_probability:
        draws["jitter"] = _draw_jitter(augmentation, count, generator_for("jitter"))
    if is_affine(augmentation):
        affine_draws = generator_for("affine")
        degrees, reach = augmentation.affine_degrees, augmentation.affine_translate * size
        low, high = augmentation.affine_scale
        draws["affine"] = (
            uniform(affine_draws, -degrees, degrees),
            uniform(affine_draws, -reach, reach, 2).round(),
            uniform(affine_draws, low, high),
        )
    return draws


def _draw_uniform(count: int, generator: torch.Generator, low: float, high: float, *shape: int) -> Tensor:
    return torch.empty(count, *shape).uniform_(low, high, generator=generator)


_ATTEMPTS = 10  # at a rectangle that fits into the image; then the whole image, as torchvision has it


def _draw_resized(
    augmentation: Augmentation, count: int, size: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return top, left, height and width of what is cut out of each image, in pixels."""
    uniform = functools.partial(_draw_uniform, count, generator)
    (smallest, largest), (narrow, broad) = augmentation.resized_crop, augmentation.resized_ratio
    area_NA = uniform(smallest, largest, _ATTEMPTS) * size**2
    ratio_NA = uniform(math.log(narrow), math.log(broad), _ATTEMPTS).exp()
    width_NA, height_NA = (area_NA * ratio_NA).sqrt().round(), (area_NA / ratio_NA).sqrt().round()
    fits_NA = (width_NA > 0) & (width_NA <= size) & (height_NA > 0) & (height_NA <= size)
    first_N1 = fits_NA.int().argmax(1, keepdim=True)
    found_N = fits_NA.any(1)
    height_N, width_N = (torch.where(found_N, side.gather(1, first_N1)[:, 0], size) for side in (height_NA, width_NA))
    top_N, left_N = ((uniform(0, 1) * (size - side + 1)).floor() for side in (height_N, width_N))
    return top_N, left_N, height_N, width_N


def _draw_jitter(augmentation: Augmentation, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Return (jittered_N, factors_N4, steps_NS); a step that is off is left out of the order."""
    uniform = functools.partial(_draw_uniform, count, generator)
    amounts = augmentation.jitter
    ranges = [(max(0.0, 1 - amount), 1 + amount) for amount in amounts[:HUE]] + [(-amounts[HUE], amounts[HUE])]
    active = torch.tensor([step for step, amount in enumerate(amounts) if amount])
    jittered_N = uniform(0, 1) < augmentation.jitter_probability
    factors_N4 = torch.stack([uniform(low, high) for low, high in ranges], dim=1)
    return jittered_N, factors_N4, active[uniform(0, 1, len(active)).argsort(dim=1)]


def select(draws: Draws, start: int, stop: int) -> Draws:
    """Return the parameters of images ``start`` up to ``stop``."""
    return {change: tuple(value[start:stop] for value in values) for change, values in draws.items()}


def pick(draws: Draws, rows: Tensor) -> Draws:
    """Return the parameters of the images at ``rows``."""
    return {change: tuple(value[rows] for value in values) for change, values in draws.items()}


def send(draws: Draws, device: torch.device) -> Draws:
    """Return the draws on ``device``."""
    return {change: tuple(send_tensor(value, device) for value in values) for change, values in draws.items()}


def send_tensor(value: Tensor, device: torch.device) -> Tensor:
    """Copy a host tensor to ``device``; by way of pinned memory, so that the host does not wait for it."""
    return value.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else value.to(device)


def apply(images_B3HW: Tensor, draws: Draws) -> Tensor:
    """Apply every change but the crop, in the order of the fields of ``Augmentation``.

    Takes uint8; returns uint8, or float32 in 0..1 where there was a jitter.
    """
    if "resized" in draws:
        images_B3HW = resized_crop(images_B3HW, *draws["resized"])
    if "flip" in draws:
        images_B3HW = flip(images_B3HW, *draws["flip"])
    if "rotation" in draws:
        images_B3HW = rotate(images_B3HW, *draws["rotation"])
    if "jitter" in draws:
        images_B3HW = jitter(images_B3HW.float().mul_(1 / 255), *draws["jitter"])
    if "affine" in draws:
        images_B3HW = affine(images_B3HW, *draws["affine"])
    return images_B3HW
