"""Encoded images to one uint8 array, by Pillow: 57 microseconds for a JPEG of 32 pixels (one core). No torch.

torchvision's own decoder took 28, but it warns on every image since 0.29 that it will be removed. Small images are
decoded one after another, because two threads that wait for the interpreter lock took longer than one (measured);
large ones are shared among threads.
"""

import io
import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reproduce.data.stored import Item
from reproduce.errors import UserError
from reproduce.record.git_lfs import HEAD, HINT, is_pointer

Fit = Literal["exact", "stretch", "crop"]

THREADED_FROM = 96  # pixels a side
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_KNOWN_RANGE = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
_BITS_PER_SAMPLE = 258  # TIFF 6.0, section 8
_BLOCK = 64  # images one thread takes at a time
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)


def decode_all(encoded: Sequence[Item], size: int, fit: Fit, describe: Callable[[int], str]) -> NDArray[np.uint8]:
    """Decode every image to RGB.

    Args:
        encoded: the images' bytes, the files that hold them, or their pixels.
        size: pixels a side of the result.
        fit: ``exact`` wants images of that size; ``stretch`` resizes to it; ``crop`` resizes the shorter side to 8/7 of
            it and cuts out the centre.
        describe: names image ``i`` in an error.

    Returns:
        uint8 (N, size, size, 3).

    Raises:
        UserError: an image that cannot be decoded, or (``exact``) one of another size.
    """
    images_NHW3 = np.empty((len(encoded), size, size, 3), np.uint8)

    def decode_one(index: int) -> None:
        pixels_HW3 = decode(encoded[index], lambda: describe(index), lambda image: _fit(image, size, fit))
        if pixels_HW3.shape[:2] != (size, size):
            raise UserError(
                f"{describe(index)} is {pixels_HW3.shape[1]}x{pixels_HW3.shape[0]}, the first image is {size}x{size}",
                hint="resize all images to one square size first",
            )
        images_NHW3[index] = pixels_HW3

    for_each(len(encoded), decode_one, threads=size >= THREADED_FROM)
    return images_NHW3


def decode(
    item: Item, where: Callable[[], str], fit: Callable[[Image.Image], Image.Image] = lambda image: image
) -> NDArray[np.uint8]:
    """Return one image in RGB, uint8 (H, W, 3), after ``fit``; raises UserError, naming ``where``, if it is damaged."""
    if isinstance(item, np.ndarray):
        return item
    try:
        content = item.read_bytes() if isinstance(item, Path) else item
    except OSError as error:
        raise UserError(f"{where()} cannot be read ({error.strerror})", "check the disk and the permissions") from None
    try:
        image = fit(_open(content, where))
    except _DAMAGE:
        raise explain_damage(content, where()) from None
    return np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, 3)


def for_each(count: int, act: Callable[[int], None], *, threads: bool) -> None:
    """Call ``act`` with 0 up to ``count``, shared among ``threads`` in blocks or one after another."""

    def act_on_block(start: int) -> None:
        for index in range(start, min(start + _BLOCK, count)):
            act(index)

    blocks = range(0, count, _BLOCK)
    if not threads:
        for start in blocks:
            act_on_block(start)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(act_on_block, blocks):
            pass


def is_coloured(encoded: Item, where: str) -> bool:
    """Return whether an image is stored with colour, from its header alone.

    Raises:
        UserError: ``where``, the image, cannot be read.
    """
    if isinstance(encoded, np.ndarray):
        return True
    try:
        with Image.open(encoded if isinstance(encoded, Path) else io.BytesIO(encoded)) as image:
            return image.mode not in ("1", "L", "LA", "I", *SIXTEEN_BITS, "F")
    except _DAMAGE:
        content = encoded.read_bytes() if isinstance(encoded, Path) else encoded
        raise explain_damage(content, where) from None


def explain_damage(content: bytes, where: str) -> UserError:
    """Return what is wrong with an image that cannot be decoded."""
    if is_pointer(content[:HEAD]):
        return UserError(f"{where} is a git-lfs pointer", HINT)
    return UserError(f"{where} is no readable image", "it is damaged; fetch it again")


def _open(data: bytes, where: Callable[[], str]) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image if image.mode == "RGB" else to_rgb(image, where)


def to_rgb(image: Image.Image, where: Callable[[], str]) -> Image.Image:
    """Return an image of any mode in RGB, 8 bits a channel; 16 bits give their high byte.

    Pillow's own conversion cuts values above 255 off instead: a photograph of 16 bits would come out white.

    Raises:
        UserError: values whose range the file does not say (32-bit and floating numbers), or no way to RGB.
    """
    if image.mode in _KNOWN_RANGE:
        return image.convert("RGB")
    bits = 16
    if image.mode in SIXTEEN_BITS and image.format == "TIFF":
        declared = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))
        bits = int(declared[0] if isinstance(declared, tuple) else declared)  # cameras write 10, 12 and 14
    # Pillow reads a PGM file of more than 8 bits as 32, scaled to 16
    if image.mode in SIXTEEN_BITS or (image.mode == "I" and image.format in ("PPM", "PNG")):
        high_HW = (np.asarray(image).astype(np.int64) >> (bits - 8)).clip(0, 255).astype(np.uint8)
        return Image.fromarray(high_HW).convert("RGB")
    raise UserError(
        f"{where()} is of mode {image.mode}, whose values have no known range in 8 bits",
        "save the images as RGB or grey, 8 or 16 bits a channel",
    )


def _fit(image: Image.Image, size: int, fit: Fit) -> Image.Image:
    """Resize as torchvision's Resize does on Pillow images (bilinear, antialiased), which the studies used."""
    if fit == "exact":
        return image
    if fit == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    short, (width, height) = size * 8 // 7, image.size
    scaled = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
    return image.resize(scaled, Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))
