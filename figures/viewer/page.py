"""The page: every weight of a network for one or a few images, quantised, packed and put into one HTML file.

A weight is stored as a byte relative to the largest of its query's row (of a SAN: between the smallest and largest of
its neighbour's), deflated a layer at a time and written as base64; the browser unpacks a layer when it is first shown.
Where 255 levels do not fit the size limit, fewer are used; the page and the printed record say how many.

    write_page(subject, None, request)["figures"]
"""

import base64
import html
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from figures.images import Picture, choose_pictures, find_picture, first_images, mean_picture, prepare
from figures.maps.average import DEFAULT, average_attention, find_reading
from figures.maps.layers import is_local, name_layers
from figures.maps.maps import Array, average
from figures.maps.query import read_query
from figures.report.template import fill
from figures.request import Request, place
from figures.style import SQUARE
from figures.subject import Subject
from reproduce.errors import UserError
from reproduce.record.whole_files import write_whole

FOLDER = Path(__file__).parent
LEVELS = (255, 191, 127, 95, 63, 47, 31, 23, 15)
_NINE, _SIXTEEN = 6 * 9 * 256**2, 6 * 16 * 256**2  # weights of the published models
_FEW = 500_000  # weights of a network that is shown for four images, not one


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer for one image: rows of weights (rows, places), average attention (heads, N) where it has a meaning."""

    name: str
    side: int
    heads: int
    weight_RN: Array
    average_HN: Array | None


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


def write_page(subject: Subject, other: Subject | None, request: Request) -> dict[str, Any]:
    """Write the page; return run, title, path, bytes and levels.

    Raises:
        UserError: two networks that read images of different sizes, a bad pixel or image.
    """
    sides = [subject] if other is None else [subject, other]
    size = subject.recipe.model.image_size
    if other is not None and other.recipe.model.image_size != size:
        wrong = (
            f"'{other.recipe.row}' reads {other.recipe.model.image_size}-pixel images, '{subject.recipe.row}' {size}"
        )
        raise UserError(wrong, "compare rows that read the same images")
    reading = find_reading(request.reading or DEFAULT)
    pictures, sets = _compute(sides, request, reading.name)
    limit = sum(size_limit(sum(layer.weight_RN.size for layer in one)) for one_side in sets for one in one_side)
    page, levels = fit_page(sides, pictures, sets, request, limit)
    path = place(subject, request, "viewer" if other is None else f"viewer-{other.recipe.row}")
    write_whole(path, page)
    return {
        "run": subject.name,
        "title": " | ".join(side.title for side in sides),
        "shows": f"{len(pictures)} image(s), weights in {levels} levels, {len(page) / 1e6:.2f} MB",
        "bytes": len(page),
        "levels": levels,
        "figures": [str(path)],
        "data": [],
    }


def fit_page(
    sides: Sequence[Subject], pictures: Sequence[Picture], sets: list[list[list[Layer]]], request: Request, limit: int
) -> tuple[bytes, int]:
    """Return the page with the most levels that fit ``limit`` bytes, and how many; UserError where 15 do not fit."""
    for levels in LEVELS:
        page = fill_template(sides, pictures, sets, request, levels)
        if len(page) <= limit:
            return page, levels
    raise UserError(
        f"the page would take {len(page) / 1e6:.1f} MB, more than {limit / 1e6:.0f}",
        "name fewer images, or compare smaller networks",
    )


def _compute(sides: Sequence[Subject], request: Request, reading: str) -> tuple[list[Picture], list[list[list[Layer]]]]:
    """Return the pictures and, for every side and picture, its layers."""
    subject = sides[0]
    if request.images is not None:
        picture = choose_pictures(subject)[0]
        mean = mean_picture(subject, request.images)
        return [picture, mean], [
            [
                list_layers(side, [prepare(picture.pixels_HW3, side.recipe)], reading),
                list_layers(side, first_images(side, request.images), reading),
            ]
            for side in sides
        ]
    pictures = [find_picture(name, subject) for name in request.image] or choose_pictures(subject, _count(sides))
    return pictures, [
        [list_layers(side, [prepare(picture.pixels_HW3, side.recipe)], reading) for picture in pictures]
        for side in sides
    ]


def _count(sides: Sequence[Subject]) -> int:
    """Return how many images a page shows that names none: four of a small network, one of a large one."""
    weights = 0
    for side in sides:
        model: Any = side.recipe.model
        weights += 0 if is_local(side.recipe) else model.depth * model.heads * (model.image_size // model.patch) ** 4
    return 4 if weights <= _FEW else 1


def list_layers(subject: Subject, images: Any, reading: str) -> list[Layer]:
    """Return the layers of a network, mean over ``images`` (3, H, W)."""
    names = name_layers(subject.recipe)
    if is_local(subject.recipe):
        means = average(subject.model, subject.recipe, images, {"map": lambda layer: layer})["map"]
        return [
            Layer(name, round(weight_TL.shape[1] ** 0.5), len(weight_TL), weight_TL, None)
            for name, weight_TL in zip(names, means, strict=True)
        ]
    views = {"map": lambda layer: layer, "average": lambda layer: average_attention(layer, reading)}
    both = average(subject.model, subject.recipe, images, views)
    return [
        Layer(name, round(len(map_HNN[0]) ** 0.5), len(map_HNN), map_HNN.reshape(-1, map_HNN.shape[-1]), average_HN)
        for name, map_HNN, average_HN in zip(names, both["map"], both["average"], strict=True)
    ]


def fill_template(
    sides: Sequence[Subject], pictures: Sequence[Picture], sets: list[list[list[Layer]]], request: Request, levels: int
) -> bytes:
    """Return the page with weights in ``levels`` steps."""
    weights: list[str] = []
    described = []
    for s, (subject, of_side) in enumerate(zip(sides, sets, strict=True)):
        specs = []
        for p, layers in enumerate(of_side):
            packed = [quantise(layer.weight_RN, levels) for layer in layers]
            specs.append([_spec(layer, pack) for layer, pack in zip(layers, packed, strict=True)])
            weights += [
                f'<script type="text/plain" id="w-{s}-{p}-{i}">{_pack(pack)}</script>' for i, pack in enumerate(packed)
            ]
        described.append(_describe(subject, of_side[0]) | {"sets": specs})
    facts = _list_facts(sides, pictures, described, request, levels)
    title = request.label + " | ".join(side.title for side in sides)
    footer = (
        f"Weights are stored in {levels} levels: none is off by more than 1/{2 * levels} of the largest of its map. "
        "Square-root colour scale. This file needs no network."
    )
    return fill(
        FOLDER / "template.html",
        title=html.escape(title),
        footer=html.escape(footer),
        # inside a script element only "</" could end it early
        facts=json.dumps(facts, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/"),
        weights="\n".join(weights),
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
        script=(FOLDER / "viewer.js").read_text(encoding="utf-8"),
    )


def _list_facts(
    sides: Sequence[Subject],
    pictures: Sequence[Picture],
    described: list[dict[str, Any]],
    request: Request,
    levels: int,
) -> dict[str, Any]:
    """Return what the script must know besides the weights."""
    reading = find_reading(request.reading or DEFAULT)
    local = all(is_local(side.recipe) for side in sides)
    size = sides[0].recipe.model.image_size
    return {
        "image_size": size,
        "pixel": read_query(request.query or "", size),
        "levels": levels,
        "view": "average" if request.average and not local else "query",
        "mark": SQUARE,
        "pictures": [{"name": p.name, "rgb": _base64(np.ascontiguousarray(p.pixels_HW3).tobytes())} for p in pictures],
        "sides": described,
        "query_meaning": "Each map: the weight of one neighbour at every pixel; the number is the weight at the query."
        if local
        else "Each map: what the query pixel attends to in one head.",
        "average": None
        if local
        else {
            "name": f"average attention, reading {reading.name}",
            "meaning": f"Eq. 4, {reading.name}: {reading.plain}, the {reading.meaning}.",
        },
    }


def _describe(subject: Subject, layers: list[Layer]) -> dict[str, Any]:
    local = is_local(subject.recipe)
    listed = []
    for layer in layers:
        reach = round(layer.heads**0.5) // 2
        taps = [f"({r}, {c})" for r in range(-reach, reach + 1) for c in range(-reach, reach + 1)] if local else None
        listed.append({"name": layer.name, "side": layer.side, "heads": layer.heads, "columns": taps})
    return {"title": subject.title, "local": local, "layers": listed}


def _spec(layer: Layer, packed: Packed) -> dict[str, Any]:
    return {
        "low": _base64(packed.low_R.tobytes()),
        "span": _base64(packed.span_R.tobytes()),
        "average": None if layer.average_HN is None else _base64(layer.average_HN.astype(np.float32).tobytes()),
    }


def _pack(packed: Packed) -> str:
    return _base64(zlib.compress(packed.bytes_RN.tobytes(), 9))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
