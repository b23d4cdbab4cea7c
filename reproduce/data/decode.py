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

Fit = Literal["exact", "stretch", "crop"]

THREADED_FROM = 96  # pixels a side
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
        image = fit(_open(item.read_bytes() if isinstance(item, Path) else item))
    except _DAMAGE:
        raise UserError(f"{where()} is no readable image", "it is damaged; fetch it again") from None
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
            return image.mode not in ("1", "L", "LA", "I", "I;16", "F")
    except _DAMAGE:
        raise UserError(f"{where} is no readable image", "it is damaged; fetch it again") from None


def _open(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


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
