"""Encoded images to one uint8 tensor: JPEG, PNG, WebP and GIF by torchvision, whatever else by Pillow.

Small images are decoded one after another: at 32 pixels two threads took twice as long as one (measured), because
they wait for the interpreter lock. Large ones are shared among threads.
"""

import io
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from reproduce.data.identity import Fit
from reproduce.errors import UserError

_THREADED_FROM = 96  # pixels a side
_BLOCK = 64  # images one thread takes at a time


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
    images_N3HW = torch.empty(len(encoded), 3, size, size, dtype=torch.uint8)

    def decode_block(start: int) -> None:
        for index in range(start, min(start + _BLOCK, len(encoded))):
            item = encoded[index]
            try:
                data = item.read_bytes() if isinstance(item, Path) else item
                image_3HW = _decode(data) if fit == "exact" else _decode_resized(data, size, fit)
            except (OSError, ValueError, SyntaxError, RuntimeError, Image.DecompressionBombError):
                raise UserError(f"{describe(index)} is no readable image", "it is damaged; fetch it again") from None
            if image_3HW.shape[1:] != (size, size):
                height, width = image_3HW.shape[1:]
                raise UserError(
                    f"{describe(index)} is {width}x{height}, the first image is {size}x{size}",
                    hint="resize all images to one square size first",
                )
            images_N3HW[index] = image_3HW

    blocks = range(0, len(encoded), _BLOCK)
    if size < _THREADED_FROM:
        for start in blocks:
            decode_block(start)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(decode_block, blocks):
                pass
    return images_N3HW


def _decode(data: bytes) -> Tensor:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "buffer is not writable": it is only read
            return decode_image(torch.frombuffer(data, dtype=torch.uint8), mode=ImageReadMode.RGB)
    except RuntimeError:  # a form that torchvision does not read (BMP, TIFF, CMYK JPEG), or damage: Pillow says which
        return _as_tensor(_open(data))


def _open(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def _decode_resized(data: bytes, size: int, fit: Fit) -> Tensor:
    """Resize as torchvision's Resize does on Pillow images (bilinear, antialiased), which the studies used."""
    image = _open(data)
    if fit == "stretch":
        return _as_tensor(image.resize((size, size), Image.Resampling.BILINEAR))
    short, (width, height) = size * 8 // 7, image.size
    scaled = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    image = image.resize(scaled, Image.Resampling.BILINEAR)
    left, top = round((scaled[0] - size) / 2), round((scaled[1] - size) / 2)
    return _as_tensor(image.crop((left, top, left + size, top + size)))


def _as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)
