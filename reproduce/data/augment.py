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
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from reproduce.errors import UserError
from reproduce.recipes.recipe import Augmentation

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
_GREY_WEIGHTS = (0.2989, 0.587, 0.114)  # ITU-R 601, as torchvision's rgb_to_grayscale has them

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


def view_crops(images_N3HW: Tensor, padding: int) -> Tensor:
    """Return a view (N, 3, 2P+1, 2P+1, H, W) of the zero-padded images: every crop there is, none copied."""
    height, width = images_N3HW.shape[-2:]
    padded = F.pad(images_N3HW, (padding,) * 4)
    return padded.unfold(2, height, 1).unfold(3, width, 1)


def crop(crops_N3PPHW: Tensor, rows_B: Tensor, top_B: Tensor, left_B: Tensor) -> Tensor:
    """Return images_B3HW: of each image of ``rows_B`` the crop that begins at (top, left)."""
    return crops_N3PPHW[rows_B, :, top_B, left_B]


def resized_crop(images_B3HW: Tensor, top_B: Tensor, left_B: Tensor, height_B: Tensor, width_B: Tensor) -> Tensor:
    """Cut a rectangle (pixels) out of each uint8 image and enlarge it to the image's size, bilinear, to whole bytes.

    Enlarging needs no filter against aliasing, so this is Pillow's resize to within a byte.
    """
    size = images_B3HW.shape[-1]
    whole_W = torch.arange(size, device=images_B3HW.device) + 0.5

    def weigh(start_B: Tensor, side_B: Tensor) -> Tensor:
        """Return (B, size, size): what each source pixel gives to each pixel of the result, along one axis."""
        last_B1 = (side_B - 1).unsqueeze(1)
        place_BW = (whole_W * (side_B / size).unsqueeze(1) - 0.5).clamp_min_(0).minimum(last_B1) + start_B.unsqueeze(1)
        return (1 - (place_BW.unsqueeze(2) - (whole_W - 0.5)).abs()).clamp_min_(0)

    rows_BHH, columns_BWW = weigh(top_B, height_B), weigh(left_B, width_B)
    with _exact_products():
        resized_B3HW = rows_BHH.unsqueeze(1) @ images_B3HW.float() @ columns_BWW.mT.unsqueeze(1)
    return resized_B3HW.add_(0.5).to(torch.uint8)


@contextmanager
def _exact_products() -> Iterator[None]:
    """Multiply in float32 whatever the run's precision: TF32 keeps 10 bits of a weight, and images would show it."""
    products = torch.backends.cuda.matmul
    kept, products.allow_tf32 = products.allow_tf32, False
    try:
        yield
    finally:
        products.allow_tf32 = kept


def flip(images_B3HW: Tensor, flip_B: Tensor) -> Tensor:
    """Mirror uint8 images left-right where ``flip_B``.

    A select by bits: 5.6 times the speed of ``torch.where`` on bytes, which is not vectorised (332 to 1,878 thousand
    images a second, one core).
    """
    mask_B111 = flip_B.to(torch.uint8).neg_().view(-1, 1, 1, 1)  # 0 or 255
    mirrored = images_B3HW.flip(-1)
    return mirrored.bitwise_xor_(images_B3HW).bitwise_and_(mask_B111).bitwise_xor_(images_B3HW)


def rotate(images_B3HW: Tensor, degrees_B: Tensor) -> Tensor:
    """Turn each image counter-clockwise about its centre, nearest pixel, black outside."""
    still_B2 = degrees_B.new_zeros(len(degrees_B), 2)
    return affine(images_B3HW, -degrees_B, still_B2, torch.ones_like(degrees_B))


def affine(images_B3HW: Tensor, degrees_B: Tensor, shift_B2: Tensor, scale_B: Tensor) -> Tensor:
    """Turn clockwise, scale about the centre and shift (pixels right, down); nearest pixel, black outside."""
    batch, channels, height, width = images_B3HW.shape
    device = images_B3HW.device
    radians_B11 = (degrees_B * (math.pi / 180)).view(-1, 1, 1)
    cosine, sine = radians_B11.cos(), radians_B11.sin()
    scale_B11 = scale_B.view(-1, 1, 1)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x_B1W = torch.arange(width, device=device) - middle_x - shift_B2[:, 0].view(-1, 1, 1)
    y_BH1 = (torch.arange(height, device=device) - middle_y).view(1, -1, 1) - shift_B2[:, 1].view(-1, 1, 1)
    from_x_BHW = ((cosine * x_B1W + sine * y_BH1) / scale_B11 + middle_x).round_()
    from_y_BHW = ((cosine * y_BH1 - sine * x_B1W) / scale_B11 + middle_y).round_()
    inside_BHW = (from_x_BHW >= 0) & (from_x_BHW < width) & (from_y_BHW >= 0) & (from_y_BHW < height)
    from_x_BHW.clamp_(0, width - 1)
    index_BHW = from_y_BHW.clamp_(0, height - 1).mul_(width).add_(from_x_BHW).long()
    index_BCL = index_BHW.view(batch, 1, -1).expand(-1, channels, -1)
    moved = images_B3HW.reshape(batch, channels, -1).gather(2, index_BCL).view(images_B3HW.shape)
    return moved.mul_(inside_BHW.unsqueeze(1))


def jitter(images_B3HW: Tensor, jittered_B: Tensor, factors_B4: Tensor, steps_BS: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue of float images in 0..1, each image in its own order.

    Brightness, contrast and saturation are one formula, a blend with black, with the image's mean grey or with its
    grey image, so a step is computed once for a batch that mixes them.
    """
    image_B3HW = images_B3HW
    for step_B in steps_BS.unbind(1):
        factor_B = factors_B4.gather(1, step_B.unsqueeze(1)).squeeze(1)
        turned_B = step_B == HUE
        blend_B111 = torch.where(turned_B, 1.0, factor_B).view(-1, 1, 1, 1)
        grey_B1HW = _grey(image_B3HW)
        mean_B111 = grey_B1HW.mean(dim=(1, 2, 3), keepdim=True)
        with_mean_B111 = (step_B == CONTRAST).view(-1, 1, 1, 1)
        with_grey_B111 = (step_B == SATURATION).view(-1, 1, 1, 1)
        other_B1HW = with_mean_B111 * mean_B111 + with_grey_B111 * grey_B1HW
        blended_B3HW = (image_B3HW * blend_B111 + other_B1HW * (1 - blend_B111)).clamp_(0, 1)
        image_B3HW = _turn_hue_where(blended_B3HW, turned_B, factor_B)
    return torch.where(jittered_B.view(-1, 1, 1, 1), image_B3HW, images_B3HW)


def _turn_hue_where(image_B3HW: Tensor, turned_B: Tensor, turns_B: Tensor) -> Tensor:
    if image_B3HW.is_cuda:  # picking rows would make the host wait for their number
        return turn_hue_of_all(image_B3HW, turned_B, turns_B)
    rows = turned_B.nonzero().squeeze(1)
    if len(rows):
        image_B3HW[rows] = turn_hue(image_B3HW[rows], turns_B[rows])
    return image_B3HW


def turn_hue_of_all(image_B3HW: Tensor, turned_B: Tensor, turns_B: Tensor) -> Tensor:
    """Turn the hue of every image and keep the result where ``turned_B``: more work, but of a size known beforehand."""
    return torch.where(turned_B.view(-1, 1, 1, 1), turn_hue(image_B3HW, turns_B), image_B3HW)


def _grey(image_B3HW: Tensor) -> Tensor:
    red, green, blue = image_B3HW.split(1, dim=1)
    return red * _GREY_WEIGHTS[0] + green * _GREY_WEIGHTS[1] + blue * _GREY_WEIGHTS[2]


def turn_hue(image_B3HW: Tensor, turns_B: Tensor) -> Tensor:
    """Turn the hue of float images in 0..1 by ``turns_B`` (1: all the way round); saturation and value stay."""
    red, green, blue = image_B3HW.unbind(1)
    value_BHW = image_B3HW.amax(1)
    chroma_BHW = value_BHW - image_B3HW.amin(1)
    divisor = torch.where(chroma_BHW == 0, 1.0, chroma_BHW)  # a grey pixel has no hue: any will do
    from_red, from_green = (green - blue) / divisor, 2 + (blue - red) / divisor
    from_blue = 4 + (red - green) / divisor
    sextant = torch.where(value_BHW == red, from_red, torch.where(value_BHW == green, from_green, from_blue))
    sextant = sextant + 6 * turns_B.view(-1, 1, 1)
    channels = []
    for shift in (5, 3, 1):
        sector = torch.remainder(sextant + shift, 6)
        ramp = torch.minimum(sector, 4 - sector).clamp_(0, 1)
        channels.append(value_BHW - chroma_BHW * ramp)
    return torch.stack(channels, dim=1)
