"""Weights of a page: quantised, deflated a layer at a time, written as base64.

A weight is stored as a byte relative to the largest of its query's row (of a SAN: between the smallest and largest of
its neighbour's); the browser unpacks a layer when it is first shown. Where 255 levels do not fit the size limit, fewer
are used; the page and the printed record say how many.
"""

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from figures.maps.maps import Array

LEVELS = (255, 191, 127, 95, 63, 47, 31, 23, 15)

_NINE, _SIXTEEN = 6 * 9 * 256**2, 6 * 16 * 256**2  # weights of the published models


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer for one image: rows of weights (rows, places), average attention (heads, N) where it has a meaning."""

    name: str
    side: int
    heads: int
    weight_RN: Array
    average_HN: Array | None

    @classmethod
    def of_heads(cls, name: str, map_HNN: Array, average_HN: Array) -> "Layer":
        """Return the layer of maps between the N places of a square grid."""
        rows_RN = map_HNN.reshape(-1, map_HNN.shape[-1])
        return cls(name, round(map_HNN.shape[-1] ** 0.5), len(map_HNN), rows_RN, average_HN)


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows of weights as bytes: weight = low + byte / levels * span of the row."""

    bytes_RN: NDArray[np.uint8]
    low_R: NDArray[np.float32]
    span_R: NDArray[np.float32]


def quantise(weight_RN: Array, levels: int) -> Packed:
    """Return ``weight_RN`` in ``levels`` steps of each row's range; from 0 where nothing is negative.

    No weight is off by more than half a step: span / (2 levels).
    """
    low_R = np.minimum(weight_RN.min(axis=1), 0.0) if weight_RN.min() >= 0 else weight_RN.min(axis=1)
    span_R = weight_RN.max(axis=1) - low_R
    safe_R = np.where(span_R > 0, span_R, 1.0)
    bytes_RN = np.rint((weight_RN - low_R[:, None]) / safe_R[:, None] * levels).astype(np.uint8)
    return Packed(bytes_RN, low_R.astype(np.float32), span_R.astype(np.float32))


def size_limit(weights: int) -> int:
    """Return the bytes that one image's ``weights`` may take: 3 MB up to 6 x 9 heads at 16x16, 6 MB up to 6 x 16."""
    if weights <= _NINE:
        return 3_000_000
    return 6_000_000 * max(1, -(-weights // _SIXTEEN))


def specify(layer: Layer, packed: Packed) -> dict[str, Any]:
    """Return what the script needs to unpack a layer: least and range of each row, and the average."""
    return {
        "low": write_base64(packed.low_R.tobytes()),
        "span": write_base64(packed.span_R.tobytes()),
        "average": None if layer.average_HN is None else write_base64(layer.average_HN.astype(np.float32).tobytes()),
    }


def pack(packed: Packed) -> str:
    """Return the bytes of a layer deflated, as text."""
    return write_base64(zlib.compress(packed.bytes_RN.tobytes(), 9))


def write_base64(content: bytes) -> str:
    """Return bytes as text."""
    return base64.b64encode(content).decode()
