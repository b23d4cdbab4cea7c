"""Layers x heads of attention: of one query pixel (Figs 3, 4, 8-17, 20-23) or averaged (Fig 5), SAN included (18, 19).

Legend: H heads, n side, N = n * n tokens, T taps of a footprint.
``compute`` gives the numbers, ``draw_attention`` the figure and the CSV files beside it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from figures.images import Picture, choose_pictures, find_picture, first_images, mean_picture, prepare
from figures.maps import quantities
from figures.maps.average import DEFAULT, Reading, average_attention, find_reading
from figures.maps.layers import check_slice, is_local, name_layers
from figures.maps.maps import Array, View, average, pick_query
from figures.maps.query import Pixel, find_token, read_layers, read_query
from figures.request import Request, beside, place, write_csv
from figures.style import Grid, draw_grid, save
from figures.subject import Subject
from reproduce.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Shown:
    """The numbers of a figure: ``shown[layer]`` (columns, N), and the mean maps that the quantities are of.

    ``square[layer]`` (columns, N) is the mean square over images of what is shown; ``whole[layer]`` is (H, N, N), or
    (T, L) of a SAN.
    """

    shown: list[Array]
    square: list[Array]
    whole: list[Array]
    local: bool


def compute(subject: Subject, images: "Iterable[Tensor]", view: View) -> Shown:
    """Return the mean of ``view`` over ``images`` for every layer of the network; a SAN's layers are shown whole."""
    local = is_local(subject.recipe)
    seen: View = (lambda layer: layer) if local else view
    views: dict[str, View] = {"shown": seen, "square": lambda layer: seen(layer) ** 2, "whole": lambda layer: layer}
    means = average(subject.model, subject.recipe, images, views)
    return Shown(means["shown"], means["square"], means["whole"], local)


def choose_view(request: Request, pixel: Pixel, image_size: int) -> View:
    """Return what a layer of an encoder is reduced to: a query's row or column, or a reading of Eq. 4."""
    if request.average:
        name = find_reading(request.reading or DEFAULT).name
        return lambda layer: average_attention(layer, name)
    which = check_slice(request.slice or "row")

    def view(layer: "Tensor") -> "Tensor":
        side = round(layer.shape[1] ** 0.5)
        row, column = find_token(pixel, image_size, side)
        return pick_query(layer, row * side + column, which)

    return view


def draw_attention(subject: Subject, request: Request) -> dict[str, Any]:
    """Draw the grid; return run, title and paths.

    Raises:
        UserError: a bad pixel, image, layer, slice or reading.
    """
    size = subject.recipe.model.image_size
    pixel = read_query(request.query or "", size)
    names = name_layers(subject.recipe)
    layers = read_layers(request.layers, len(names))
    if is_local(subject.recipe) and (request.reading or request.slice == "column"):
        raise UserError(
            f"row '{subject.recipe.row}' attends to footprints, where rows, columns and Eq. 4 mean nothing",
            "leave out --reading and --slice: every column is one neighbour of the pixel",
        )
    view = choose_view(request, pixel, size)
    picture = _picture(subject, request)
    result = compute(subject, _images(subject, request, picture), view)
    what, stem = _describe(subject, request, pixel, picture, result)
    path = place(subject, request, stem)
    grid = _lay_out(result, request, layers, names, pixel, size, picture)
    title = f"{request.label}{subject.title}"
    save(draw_grid(Grid(**grid, title=title, subtitle=what)), path)
    data = [_write_shown(path, result, layers), _write_quantities(path, result, layers, request.images or 1)]
    return {
        "run": subject.name,
        "title": title,
        "shows": what.replace("\n", "; "),
        "figures": [str(path)],
        "data": [str(file) for file in data],
    }


def _picture(subject: Subject, request: Request) -> Picture:
    if request.images is not None:
        return mean_picture(subject, request.images)
    if len(request.image) > 1:
        raise UserError("a figure shows one image", "name one --image, or write a page: --format html")
    return find_picture(request.image[0], subject) if request.image else choose_pictures(subject)[0]


def _images(subject: Subject, request: Request, picture: Picture) -> "Iterator[Tensor]":
    if request.images is not None:
        yield from first_images(subject, request.images)
    else:
        yield prepare(picture.pixels_HW3, subject.recipe)


def _describe(subject: Subject, request: Request, pixel: Pixel, picture: Picture, result: Shown) -> tuple[str, str]:
    """Return the subtitle and the stem of the file's name."""
    of = picture.name
    of_stem = f"mean-{request.images}" if request.images else of.replace(":", "-").replace(".", "-")
    where = f"pixel ({pixel[0]}, {pixel[1]})"
    only = "" if request.layers is None else f"-layers-{request.layers.replace(',', '_')}"
    if result.local:
        square = "" if request.average else f"\nsquare and number: at {where}"
        stem = "offsets" if request.average else f"query-{pixel[0]}-{pixel[1]}"
        return f"weight of each neighbour, mean over weight groups · {of}{square}", f"{stem}-{of_stem}{only}"
    if request.average:
        reading: Reading = find_reading(request.reading or DEFAULT)
        return (
            f"average attention, reading {reading.name} of Eq. 4 · {of}\n{reading.meaning}",
            f"average-{reading.name}-{of_stem}{only}",
        )
    column = request.slice == "column"
    what = f"what each pixel gives to {where}" if column else f"what {where} attends to"
    return f"{what} · {of}", f"query-{pixel[0]}-{pixel[1]}{'-column' if column else ''}-{of_stem}{only}"


def _lay_out(
    result: Shown,
    request: Request,
    layers: list[int],
    names: list[str],
    pixel: Pixel,
    size: int,
    picture: Picture,
) -> dict[str, Any]:
    """Return the fields of the grid but its title."""
    count = max(len(result.shown[layer - 1]) for layer in layers)
    panels, squares, notes = [], [], []
    for layer in layers:
        shown = result.shown[layer - 1]
        side = round(shown.shape[1] ** 0.5)
        token = find_token(pixel, size, side)
        cells: list[Any] = [row.reshape(side, side) for row in shown]
        panels.append(cells + [None] * (count - len(cells)))
        squares.append(None if request.average else token)
        local_notes = [f"{cell[token]:.2f}" for cell in cells] + [""] * (count - len(cells))
        notes.append(local_notes if result.local and not request.average else [])
    side = round(result.shown[layers[0] - 1].shape[1] ** 0.5)
    row, column = find_token(pixel, size, side)
    patch = size // side
    footer = find_reading(request.reading or DEFAULT).formula if request.average and not result.local else ""
    return {
        "panels": panels,
        "rows": [names[layer - 1] for layer in layers],
        "columns": _columns(result, count),
        "bar": "weight" if result.local else "average attention" if request.average else "attention weight",
        "footer": footer,
        "image_HW3": picture.pixels_HW3,
        # pixel centres lie on whole numbers: the square starts half a pixel before the token's first one
        "image_square": None if request.average else (row * patch, column * patch, patch),
        "squares": squares,
        "notes": notes,
        "scale": request.scale,
    }


def _columns(result: Shown, count: int) -> list[str]:
    if not result.local:
        return [f"Head {head + 1}" for head in range(count)]
    reach = round(count**0.5) // 2
    return [f"({row}, {column})" for row in range(-reach, reach + 1) for column in range(-reach, reach + 1)]


def _write_shown(path: Path, result: Shown, layers: list[int]) -> Path:
    lines = (
        (layer, head + 1, *divmod(place_, round(values.size**0.5)), float(value))
        for layer in layers
        for head, values in enumerate(result.shown[layer - 1])
        for place_, value in enumerate(values)
    )
    head = "tap" if result.local else "head"
    return write_csv(beside(path, "data"), ("layer", head, "row", "column", "weight"), lines)


def _write_quantities(path: Path, result: Shown, layers: list[int], images: int) -> Path:
    """Write the quantities behind the claims: one line a head of the mean map over ``images``; of a SAN one a layer."""
    if result.local:
        records = []
        for layer in layers:
            weight_TL = result.whole[layer - 1]
            signed = bool((weight_TL < 0).any() or np.abs(weight_TL.sum(0) - 1).max() > 1e-3)
            records.append({"layer": layer, "images": images, **quantities.measure_footprints(weight_TL, signed)})
    else:
        between = quantities.between_layers(result.whole)
        records = [record for layer in layers for record in _head_records(result, layer, images, between)]
    header = list(dict.fromkeys(name for record in records for name in record))
    return write_csv(beside(path, "quantities"), header, ([r.get(name) for name in header] for r in records))


def _head_records(result: Shown, layer: int, images: int, between: Array) -> list[dict[str, Any]]:
    measured = quantities.measure_heads(result.whole[layer - 1])
    offsets = quantities.count_offsets(measured)
    # of the layer's maps to those of the same heads in the other layers: what C18 compares
    apart = float(between[layer - 1].sum() / (len(between) - 1)) if len(between) > 1 else None
    variance_H = quantities.image_variance(result.shown[layer - 1], result.square[layer - 1])
    return [
        {"layer": layer, "head": head + 1, "images": images}
        | {name: float(values[head]) for name, values in measured.items()}
        | {"layer_distinct_offsets": offsets, "layer_divergence": apart}
        | {"image_variance": float(variance_H[head]) if images > 1 else None}
        for head in range(len(variance_H))
    ]
