"""The page of trained rows: every weight for one or a few images, in one HTML file.

write_page(subject, None, request)["figures"]
"""

from collections.abc import Sequence
from typing import Any

from figures.images import Picture, choose_pictures, find_picture, first_images, mean_picture, prepare
from figures.maps.average import DEFAULT, average_attention, find_reading
from figures.maps.layers import is_local, name_layers
from figures.maps.maps import average
from figures.maps.query import read_query
from figures.request import Request, place
from figures.subject import Subject
from figures.viewer.compose import Opening, Side, compose
from figures.viewer.packing import Layer
from reproduce.errors import UserError
from reproduce.record.whole_files import write_whole

_FEW = 500_000  # weights of a network that is shown for four images, not one


def write_page(subject: Subject, other: Subject | None, request: Request) -> dict[str, Any]:
    """Write the page; return run, title, path, bytes and levels.

    Raises:
        UserError: two networks that read images of different sizes, a bad pixel or image.
    """
    subjects = [subject] if other is None else [subject, other]
    size = subject.recipe.model.image_size
    if other is not None and other.recipe.model.image_size != size:
        wrong = (
            f"'{other.recipe.row}' reads {other.recipe.model.image_size}-pixel images, '{subject.recipe.row}' {size}"
        )
        raise UserError(wrong, "compare rows that read the same images")
    reading = find_reading(request.reading or DEFAULT).name
    opening = Opening(
        image_size=size,
        pixel=read_query(request.query or "", size),
        average=request.average,
        reading=reading,
        label=request.label,
    )
    pictures, sets = _compute(subjects, request, reading)
    sides = [Side(one.title, is_local(one.recipe), layers) for one, layers in zip(subjects, sets, strict=True)]
    page, levels = compose(sides, pictures, opening)
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


def _compute(
    sides: Sequence[Subject], request: Request, reading: str
) -> tuple[list[Picture], list[list[list[Layer]]]]:  # fmt: skip
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
        Layer.of_heads(name, map_HNN, average_HN)
        for name, map_HNN, average_HN in zip(names, both["map"], both["average"], strict=True)
    ]
