"""Histogram equalisation of luminance: grey levels spread evenly, colour differences left as they are.

equalise(images_N3HW)      # uint8 in, uint8 out
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_GREY = (19595, 38470, 7471)  # ITU-R 601 in 65536ths, as Pillow turns colour to grey


def equalise(images_N3HW: Tensor) -> Tensor:
    """Return uint8 images (N, 3, H, W) whose luminance has an even histogram, each image by its own.

    Every pixel gets the change of its luminance added to red, green and blue alike, cut off at black and white.
    """
    result = torch.empty_like(images_N3HW)
    for index, image_3HW in enumerate(images_N3HW.numpy()):
        grey_HW = luminance(image_3HW)
        change_HW = spread_evenly(np.bincount(grey_HW.ravel(), minlength=256))[grey_HW] - grey_HW
        result[index] = torch.from_numpy((image_3HW + change_HW).clip(0, 255).astype(np.uint8))
    return result


def luminance(image_3HW: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the grey levels (H, W), 0 to 255, of a uint8 colour image."""
    weights_311 = np.array(_GREY, np.int64)[:, None, None]
    levels: NDArray[np.int64] = ((image_3HW * weights_311).sum(0) + 2**15) >> 16
    return levels


def spread_evenly(counts_256: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the new level of each grey level, from how many pixels have it; Pillow's rule (ImageOps.equalize).

    One step up for every (pixels - those of the highest level) / 255 pixels below; an image of one level stays.
    """
    used = np.flatnonzero(counts_256)
    step = 0 if len(used) < 2 else int(counts_256.sum() - counts_256[used[-1]]) // 255
    if step == 0:
        return np.arange(256)
    below = np.cumsum(counts_256) - counts_256
    return np.minimum((step // 2 + below) // step, 255)
