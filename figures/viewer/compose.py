"""The page itself, of whatever maps: one HTML file to click through that needs no network.

page, levels = compose([Side("my ViT", False, [layers])], [Picture("cat", pixels_HW3)], Opening(image_size=224))
"""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from figures.images import Picture
from figures.maps.average import DEFAULT, find_reading
from figures.report.template import fill
from figures.style import SQUARE
from figures.viewer.packing import LEVELS, Layer, pack, quantise, size_limit, specify, write_base64
from reproduce.errors import UserError

FOLDER = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Side:
    """A network on the page: its title, whether it attends to footprints, and its layers for every picture."""

    title: str
    local: bool
    sets: Sequence[Sequence[Layer]]


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What the page shows when it is opened: the query (row, column), or the average in a reading of Eq. 4."""

    image_size: int
    pixel: tuple[int, int] | None = None  # the centre where none is named
    average: bool = False
    reading: str = DEFAULT
    label: str = ""  # in front of the title


def compose(sides: Sequence[Side], pictures: Sequence[Picture], opening: Opening) -> tuple[bytes, int]:
    """Return the page with the most levels of weights that its size limit allows, and how many.

    Raises:
        UserError: 15 levels do not fit.
    """
    limit = sum(size_limit(sum(layer.weight_RN.size for layer in one)) for side in sides for one in side.sets)
    return fit(sides, pictures, opening, limit)


def fit(sides: Sequence[Side], pictures: Sequence[Picture], opening: Opening, limit: int) -> tuple[bytes, int]:
    """Return the page with the most levels that fit ``limit`` bytes, and how many; UserError where 15 do not fit."""
    for levels in LEVELS:
        page = fill_page(sides, pictures, opening, levels)
        if len(page) <= limit:
            return page, levels
    raise UserError(
        f"the page would take {len(page) / 1e6:.1f} MB, more than {limit / 1e6:.0f}",
        "name fewer images, or compare smaller networks",
    )


def fill_page(sides: Sequence[Side], pictures: Sequence[Picture], opening: Opening, levels: int) -> bytes:
    """Return the page with weights in ``levels`` steps."""
    weights: list[str] = []
    described = []
    for s, side in enumerate(sides):
        specs = []
        for p, layers in enumerate(side.sets):
            packed = [quantise(layer.weight_RN, levels) for layer in layers]
            specs.append([specify(layer, one) for layer, one in zip(layers, packed, strict=True)])
            weights += [
                f'<script type="text/plain" id="w-{s}-{p}-{i}">{pack(one)}</script>' for i, one in enumerate(packed)
            ]
        described.append(_describe(side) | {"sets": specs})
    title = opening.label + " | ".join(side.title for side in sides)
    footer = (
        f"Weights are stored in {levels} levels: none is off by more than 1/{2 * levels} of the largest of its map. "
        "Square-root colour scale. This file needs no network."
    )
    facts = _list_facts(sides, pictures, opening, levels) | {"sides": described}
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
    sides: Sequence[Side], pictures: Sequence[Picture], opening: Opening, levels: int
) -> dict[str, Any]:  # fmt: skip
    """Return what the script must know besides the weights."""
    reading, size = find_reading(opening.reading), opening.image_size
    local = all(side.local for side in sides)
    return {
        "image_size": size,
        "pixel": opening.pixel or (size // 2, size // 2),
        "levels": levels,
        "view": "average" if opening.average and not local else "query",
        "mark": SQUARE,
        "pictures": [
            {"name": p.name, "rgb": write_base64(np.ascontiguousarray(p.pixels_HW3).tobytes())} for p in pictures
        ],
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


def _describe(side: Side) -> dict[str, Any]:
    listed = []
    for layer in side.sets[0]:
        reach = round(layer.heads**0.5) // 2
        offsets = range(-reach, reach + 1)
        taps = [f"({row}, {column})" for row in offsets for column in offsets] if side.local else None
        listed.append({"name": layer.name, "side": layer.side, "heads": layer.heads, "columns": taps})
    return {"title": side.title, "local": side.local, "layers": listed}
