"""The embedded data set: ten classes of small colour images, drawn from a seed. No torch, no download.

An image shows one large glyph (five kinds, each with its own form and, loosely, its own hue) and near it, above or
below, a small bright marker: ``class = 2 * kind + side``. What the glyph is cannot tell the class without where the
marker is, nor the other way round. Half of the images hold a second bright dot to one side, which means nothing.
Above and below, not left and right: the recipes flip images left-right, and that must not change a label.

    images_N3HW, labels_N = draw("train")     # uint8 (5000, 3, 32, 32), int64 (5000,)

Bytes are the same on every machine: random numbers are raw PCG64 words (a stream that NumPy promises to keep) and the
arithmetic is + - * / sqrt and comparisons in float32, each of which IEEE 754 fixes to the last bit.
"""

import functools
import hashlib

import numpy as np
from numpy.typing import NDArray

from reproduce.data.cards import CARDS
from reproduce.data.class_names import SHAPES_KINDS as KINDS
from reproduce.errors import UserError

IMAGE_SIZE = 32
SEED = 20_240_601
COUNTS = {"train": CARDS["shapes"].train_images, "test": CARDS["shapes"].test_images}
CLASSES = CARDS["shapes"].class_names
SHA256 = CARDS["shapes"].content or ""

Array = NDArray[np.float32]
_CHUNK = 500  # images drawn at a time: the working arrays stay in the cache


@functools.cache
def draw(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images_N3HW and labels_N of ``train`` or ``test``; label = index mod 10.

    Raises:
        UserError: the bytes drawn are not the ones that every result on `shapes` is recorded under.
    """
    digest = hashlib.sha256()
    drawn = {name: _draw_split(name) for name in COUNTS}
    for images_N3HW, labels_N in drawn.values():
        digest.update(images_N3HW.tobytes())
        digest.update(labels_N.tobytes())
    if digest.hexdigest() != SHA256:
        raise UserError(
            f"NumPy {np.__version__} draws other 'shapes' images than the ones on record ({digest.hexdigest()[:12]})",
            hint="install another NumPy release, or name a data set on disk with --data",
        )
    return drawn[split]


def _draw_split(split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    count = COUNTS[split]
    labels_N = np.arange(count, dtype=np.int64) % len(CLASSES)
    words = np.random.PCG64(SEED + (split == "test"))
    images_N3HW = np.empty((count, 3, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        images_N3HW[part] = _draw_images(labels_N[part], words)
    return images_N3HW, labels_N


def _uniform(words: np.random.PCG64, low: float, high: float, count: int) -> Array:
    """Return ``count`` draws as (count, 1, 1), from the top 24 bits of one word each."""
    unit = (words.random_raw(count) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
    return (np.float32(low) + np.float32(high - low) * unit).reshape(-1, 1, 1)


def _draw_images(labels_N: NDArray[np.int64], words: np.random.PCG64) -> NDArray[np.uint8]:
    """Paint background, distractor, glyph and marker over one another, then add noise."""
    count = len(labels_N)
    uniform = functools.partial(_uniform, words, count=count)
    kind_N = labels_N // 2
    side = (2 * (labels_N % 2) - 1).astype(np.float32).reshape(-1, 1, 1)
    axis = np.arange(IMAGE_SIZE, dtype=np.float32)
    y, x = axis[None, :, None], axis[None, None, :]

    image_N3HW = _background(uniform, x, y)
    left, top, radius = uniform(8, 23), uniform(12, 19), uniform(4.0, 6.0)

    # the distractor lies to the left or right, where there is room: never where a marker would be
    away = np.where(left < np.float32(15.5), np.float32(1), np.float32(-1))
    dot = _square_root((x - left - away * uniform(9, 13)) ** 2 + (y - top - uniform(-8, 8)) ** 2)
    shown = (uniform(0, 1) < np.float32(0.5)).astype(np.float32)
    _paint(
        image_N3HW, shown * _cover(dot - uniform(1.0, 1.6)), _colour(uniform(0, 1), uniform(0, 0.5), uniform(0.6, 1))
    )

    hue = kind_N.astype(np.float32).reshape(-1, 1, 1) * np.float32(0.2) + uniform(-0.13, 0.13)
    form = _glyph(kind_N, x - left, y - top, radius)
    _paint(image_N3HW, _cover(form), _colour(hue, uniform(0.65, 1), uniform(0.65, 1)))

    distance = radius + uniform(2.6, 3.4)
    across, along = x - left - uniform(-2, 2), y - top - side * distance
    marker = np.abs(across) + np.abs(along) - uniform(1.8, 2.4)
    _paint(image_N3HW, _cover(marker), _colour(uniform(0, 1), uniform(0, 0.25), uniform(0.85, 1)))

    noise = words.random_raw(count * 3 * IMAGE_SIZE * IMAGE_SIZE // 8).view(np.uint8).reshape(image_N3HW.shape)
    image_N3HW *= np.float32(255)
    image_N3HW += (noise.astype(np.float32) - np.float32(127.5)) * np.float32(0.18)
    return np.clip(image_N3HW, 0, 255).astype(np.uint8)


def _background(uniform: functools.partial[Array], x: Array, y: Array) -> Array:
    """Return image_N3HW: a flat dull colour with a slope of brightness across it."""
    slope = uniform(-0.15, 0.15) * (x / np.float32(31)) + uniform(-0.15, 0.15) * (y / np.float32(31))
    return _colour(uniform(0, 1), uniform(0, 0.3), uniform(0.15, 0.5)) + slope[:, None]


def _glyph(kind_N: NDArray[np.int64], x: Array, y: Array, radius: Array) -> Array:
    """Return the signed distance (pixels, negative inside) to each image's glyph."""
    form_NHW = np.empty(np.broadcast_shapes(x.shape, y.shape), np.float32)
    for kind in range(len(KINDS)):
        rows = kind_N == kind
        across, along, size = np.abs(x[rows]), y[rows], radius[rows]
        if KINDS[kind] == "disc":
            form = _square_root(across**2 + along**2) - size
        elif KINDS[kind] == "square":
            form = np.maximum(across, np.abs(along)) - size * np.float32(0.85)
        elif KINDS[kind] == "triangle":
            form = np.maximum(across * np.float32(0.875) - along * np.float32(0.5), along) - size * np.float32(0.6)
        elif KINDS[kind] == "cross":
            arm, thick = size * np.float32(1.05), size * np.float32(0.32)
            tall = np.maximum(across - thick, np.abs(along) - arm)
            form = np.minimum(tall, np.maximum(across - arm, np.abs(along) - thick))
        else:
            form = np.abs(_square_root(across**2 + along**2) - size * np.float32(0.8)) - size * np.float32(0.26)
        form_NHW[rows] = form
    return form_NHW


def _square_root(value: Array) -> Array:
    return np.sqrt(value, dtype=np.float32)


def _cover(distance: Array) -> Array:
    """Turn a signed distance into the share of the pixel that is covered: soft edges, one pixel wide."""
    return np.clip(np.float32(0.5) - distance, 0, 1)


def _paint(image_N3HW: Array, cover_NHW: Array, colour_N311: Array) -> None:
    image_N3HW += cover_NHW[:, None] * (colour_N311 - image_N3HW)


def _colour(hue: Array, saturation: Array, value: Array) -> Array:
    """Return rgb_N311 of (N, 1, 1) hue (in turns), saturation and value (in 0..1)."""
    channels = []
    for shift in (5, 3, 1):
        sector = (np.float32(shift) + hue * np.float32(6)) % np.float32(6)
        ramp = np.clip(np.minimum(sector, np.float32(4) - sector), 0, 1)
        channels.append(value - value * saturation * ramp)
    return np.stack(channels, axis=1)
