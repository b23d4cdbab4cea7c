"""Histogram equalisation: an image, the image equalised, and the luminance histograms of both (SAN review, Figure 6).

draw_histograms(form="png", out=None)["figures"]

Shown are test images of the Intel scenes, or where they are not here of the embedded set, named in the title.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from figures.request import beside, write_csv
from figures.style import COLOURS, INK, QUIET, check_format, new_figure, save
from figures.words import STILLS
from reproduce.data.dataset import load
from reproduce.data.equalise import equalise, luminance
from reproduce.data.source import Source, identify
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice
from reproduce.record.ledger import results_path

_IMAGES = 2  # of different classes


def draw_histograms(form: str | None, out: Path | None, label: str = "", data: str | None = None) -> dict[str, Any]:
    """Draw the figure from ``data`` (by default what is here); return title and paths.

    Raises:
        UserError: no such format or data.
    """
    suffix = out.suffix[1:].lower() if out else ""
    form = check_format(form or suffix or "png", STILLS)
    source = identify(data) if data else _find_source()
    choice = DataChoice(train_limit=0, test_limit=_IMAGES)
    pairs = [
        (before.numpy(), after.numpy())
        for before, after in zip(*(_images(source, choice, even) for even in (False, True)), strict=True)
    ]
    counts = [tuple(np.bincount(luminance(image).ravel(), minlength=256) for image in pair) for pair in pairs]
    title = f"{label}histogram equalisation of luminance, test images of {source.name}"
    path = out or results_path() / "figures" / f"histograms-{source.name}.{form}"
    save(_compose(pairs, counts, title), path)
    lines = [
        (number, level, int(before[level]), int(after[level]))
        for number, (before, after) in enumerate(counts)
        for level in range(256)
    ]
    written = write_csv(beside(path, "data"), ("image", "level", "pixels", "pixels_equalised"), lines)
    return {"title": title, "notes": [], "figures": [str(path)], "data": [str(written)]}


def _find_source() -> Source:
    try:
        return identify("intel-scenes")
    except UserError:
        return identify("shapes")


def _images(source: Source, choice: DataChoice, even: bool) -> Any:
    images_N3HW = load(source, choice).test.images
    return equalise(images_N3HW) if even else images_N3HW


def _compose(
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]], counts: list[tuple[Any, ...]], title: str
) -> Any:
    height = 0.7 + 2.3 * len(pairs)
    figure = new_figure(8.2, height)
    for row, (pair, of_pair) in enumerate(zip(pairs, counts, strict=True)):
        bottom = (height - 0.7 - 2.3 * (row + 1) + 0.35) / height
        for column, (image_3HW, name) in enumerate(zip(pair, ("image", "equalised"), strict=True)):
            axes = figure.add_axes((0.03 + 0.25 * column, bottom, 0.23, 1.85 / height))
            axes.imshow(image_3HW.transpose(1, 2, 0), interpolation="nearest")
            axes.set_axis_off()
            if row == 0:
                axes.set_title(name, fontsize=8, color=INK)
        axes = figure.add_axes((0.58, bottom, 0.38, 1.75 / height))
        for levels_256, colour, name in zip(of_pair, COLOURS, ("image", "equalised"), strict=False):
            axes.stairs(levels_256, np.arange(257), color=colour, linewidth=0.9, label=name)
        axes.tick_params(labelsize=7, colors=QUIET, length=2)
        axes.spines[["top", "right"]].set_visible(False)
        if row == 0:
            axes.legend(fontsize=7, frameon=False)
        if row + 1 == len(pairs):
            axes.set_xlabel("luminance", fontsize=8, color=INK)
        axes.set_ylabel("pixels", fontsize=8, color=INK)
    figure.text(0.03, 1 - 0.28 / height, title, fontsize=11, weight="bold", color=INK, va="center")
    return figure
