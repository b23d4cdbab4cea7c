"""Centres of Gaussian heads with the ellipses that hold 50 % and 90 % of their mass: layers x epochs (Figs 2a, 2b).

The ellipses are exact and need no window of samples: (d - mu)^T Sigma^-1 (d - mu) = -2 ln(1 - mass), as for any
Gaussian in the plane. The square is the query's own token, at the true origin (the published one is a token off, B19).

    list_ellipse(centre_2, precision_22, 0.9)        # (points, 2), rows and columns in tokens
"""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from figures.maps.quantities import measure_centres
from figures.maps.query import read_layers
from figures.request import Request, beside, place, write_csv
from figures.style import COLOURS, DASHES, INK, QUIET, new_figure, save
from figures.subject import Subject
from reproduce.errors import UserError
from reproduce.record.whole_files import write_whole
from reproduce.training.head_positions import COLUMNS, Line, list_positions, read_positions

Array = NDArray[np.float64]
MASSES = (0.5, 0.9)
REACH = 8.0  # tokens shown on each side of the query, as published
_ROWS = 7  # epochs that a still shows at most
_FRAME_MS, _LAST_MS = 450, 1600


def mass_radius(mass: float) -> float:
    """Return the squared Mahalanobis radius that holds ``mass`` of a Gaussian in the plane: 1.3863 (50 %), 4.6052."""
    return -2.0 * math.log1p(-mass)


def list_ellipse(centre_2: Array, precision_22: Array, mass: float, points: int = 181) -> Array | None:
    """Return the outline (points, 2) that holds ``mass``; None where a head is flat along an axis and none exists."""
    values_2, axes_22 = np.linalg.eigh(precision_22)
    if not np.isfinite(centre_2).all() or values_2.min() <= 1e-9:
        return None
    angle = np.linspace(0.0, 2.0 * np.pi, points)
    circle_P2 = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return centre_2 + math.sqrt(mass_radius(mass)) * (circle_P2 / np.sqrt(values_2)) @ axes_22.T


def read_epochs(subject: Subject) -> tuple[dict[int, list[Line]], bool]:
    """Return the positions by epoch and whether training kept them; else those of the weights alone.

    Raises:
        UserError: a row without Gaussian heads, or a damaged ``positions.csv``.
    """
    now = list_positions(subject.model, subject.epoch or 0)
    if not now:
        raise UserError(
            f"row '{subject.recipe.row}' has no Gaussian centres", "choose one that has: quadratic or quadratic-aniso"
        )
    kept = read_positions(subject.checkpoint.parent)
    epochs: dict[int, list[Line]] = {}
    for line in kept or now:
        epochs.setdefault(int(line["epoch"]), []).append(line)
    return epochs, bool(kept)


def choose_epochs(epochs: list[int], count: int = _ROWS) -> list[int]:
    """Return at most ``count`` of ``epochs``, the first and the last among them, evenly in between."""
    if len(epochs) <= count:
        return epochs
    return [epochs[round(index * (len(epochs) - 1) / (count - 1))] for index in range(count)]


def draw_centers(subject: Subject, request: Request, say: Callable[[str], None]) -> dict[str, Any]:
    """Draw the ellipses; return run, title and paths.

    Raises:
        UserError: no Gaussian heads, or a layer that does not exist.
    """
    epochs, kept = read_epochs(subject)
    if not kept:
        say("no positions were kept beside these weights: only their own epoch is drawn")
    count = int(max(line["layer"] for lines in epochs.values() for line in lines))
    layers = read_layers(request.layers, count)
    path = place(subject, request, "centers" if request.layers is None else f"centers-layers-{request.layers}")
    title = f"{request.label}{_title(subject, sorted(epochs), kept)}"
    subtitle = "centres of the heads; ellipses hold 50 % (solid) and 90 % (dotted) of a head's mass; square: the query"
    if request.form == "gif":
        _write_animation(path, epochs, layers, title, subtitle)
    else:
        shown = {epoch: epochs[epoch] for epoch in choose_epochs(sorted(epochs))}
        save(draw_epochs(shown, layers, title, subtitle), path)
    data = write_csv(beside(path, "data"), COLUMNS, _cells(epochs, layers))
    return {
        "run": subject.name,
        "title": title,
        "shows": subtitle,
        "figures": [str(path)],
        "data": [str(data), str(_write_quantities(path, epochs, layers))],
    }


def draw_epochs(epochs: dict[int, list[Line]], layers: list[int], title: str, subtitle: str) -> Any:
    """Return the figure: a row an epoch, a column a layer; rows of the image point down, as in every map."""
    # few layers get the width of many
    cell, gap, left, head, foot = max(1.7, 6.4 / len(layers) - 0.16) if len(layers) < 4 else 1.7, 0.16, 0.95, 1.12, 0.42
    width = max(left + len(layers) * (cell + gap) + 0.2, 7.4)
    height = head + len(epochs) * (cell + gap) + foot
    figure = new_figure(width, height)
    figure.text(left / width, 1 - 0.32 / height, title, fontsize=11, color=INK, weight="bold", va="center")
    figure.text(left / width, 1 - 0.57 / height, subtitle, fontsize=8, color=QUIET, va="center")
    for i, (epoch, lines) in enumerate(epochs.items()):
        bottom = height - head - (i + 1) * (cell + gap) + gap
        figure.text((left - 0.34) / width, (bottom + cell / 2) / height, f"Epoch {epoch}", rotation=90, ha="center",
                    va="center", fontsize=9, color=INK)  # fmt: skip
        for j, layer in enumerate(layers):
            spot = ((left + j * (cell + gap)) / width, bottom / height, cell / width, cell / height)
            axes = figure.add_axes(spot)
            _draw_heads(axes, [line for line in lines if line["layer"] == layer])
            if i == 0:
                axes.set_title(f"Layer {layer}", fontsize=9, color=INK, pad=4)
            axes.tick_params(labelsize=6, length=2, colors=QUIET, labelleft=j == 0, labelbottom=i == len(epochs) - 1)
    figure.text(left / width, 0.14 / height, "shift from the query in tokens: rows down, columns right", fontsize=7,
                color=QUIET, va="center")  # fmt: skip
    return figure


def _draw_heads(axes: Any, lines: list[Line]) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    axes.set(xlim=(-REACH, REACH), ylim=(REACH, -REACH), xticks=(-8, -4, 0, 4, 8), yticks=(-8, -4, 0, 4, 8))
    axes.grid(color="#ece9ef", linewidth=0.5)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set(color="#bdb8c2", linewidth=0.5)
    axes.add_patch(Rectangle((-0.5, -0.5), 1, 1, facecolor=INK, edgecolor="none", zorder=2))
    unseen = 0
    for index, line in enumerate(lines):
        centre, precision = _gaussian(line)
        colour = COLOURS[index % len(COLOURS)]
        outlines = [list_ellipse(centre, precision, mass) for mass in MASSES]
        seen = [outline for outline in outlines if outline is not None and (np.abs(outline) <= REACH).all(1).any()]
        unseen += not seen
        for outline, dash, wide in zip(outlines, ("-", DASHES[2]), (1.3, 1.0), strict=True):
            if outline is not None:
                axes.plot(outline[:, 1], outline[:, 0], color=colour, linestyle=dash, linewidth=wide, zorder=3)
        if np.abs(centre).max() <= REACH:
            rim = [withStroke(linewidth=1.6, foreground="white")]
            axes.text(centre[1], centre[0], str(index + 1), color=colour, fontsize=6.5, ha="center", va="center",
                      weight="bold", zorder=4, clip_on=True, path_effects=rim)  # fmt: skip
    if unseen:
        axes.text(0.97, 0.03, f"{unseen} outside", transform=axes.transAxes, fontsize=6, color=QUIET, ha="right")


def _gaussian(line: Line) -> tuple[Array, Array]:
    """Return centre (2) and Sigma^-1 (2, 2) of a line of ``positions.csv``."""
    both = line["precision_both"]
    precision = np.array([[line["precision_row"], both], [both, line["precision_column"]]])
    return np.array([line["centre_row"], line["centre_column"]]), precision


def _title(subject: Subject, epochs: list[int], kept: bool) -> str:
    """Return the title with the epochs that are kept in place of the checkpoint's own."""
    if not kept or len(epochs) == 1:
        return subject.title
    return f"{subject.title.rsplit(', ', 1)[0]}, epochs {epochs[0]} to {epochs[-1]}"


def _cells(epochs: dict[int, list[Line]], layers: list[int]) -> list[list[Any]]:
    return [
        [int(line[name]) if i < 3 else line[name] for i, name in enumerate(COLUMNS)]
        for epoch in sorted(epochs)
        for line in epochs[epoch]
        if int(line["layer"]) in layers
    ]


def _write_quantities(path: Path, epochs: dict[int, list[Line]], layers: list[int]) -> Path:
    """Write distance, sigmas, condition and the number of distinct pixels under the centres, a line a head."""
    lines, header = [], ["epoch", "layer", "head"]
    for epoch in sorted(epochs):
        for layer in layers:
            heads = [_gaussian(line) for line in epochs[epoch] if line["layer"] == layer]
            measured = measure_centres(np.array([c for c, _ in heads]), np.array([p for _, p in heads]))
            distinct = len(set(zip(measured["rounded_row"], measured["rounded_column"], strict=True)))
            header = ["epoch", "layer", "head", *measured, "layer_distinct_pixels"]
            for head in range(len(heads)):
                lines.append([epoch, layer, head + 1, *(float(v[head]) for v in measured.values()), distinct])
    return write_csv(beside(path, "quantities"), header, lines)


def _write_animation(path: Path, epochs: dict[int, list[Line]], layers: list[int], title: str, subtitle: str) -> None:
    """Write one frame an epoch as an animated GIF that repeats; the last frame stays longest."""
    from PIL import Image

    frames = []
    for epoch in sorted(epochs):
        buffer = io.BytesIO()
        draw_epochs({epoch: epochs[epoch]}, layers, title, subtitle).savefig(buffer, format="png", dpi=110)
        # one palette for all frames keeps colours still; 64 are plenty for lines on white
        frames.append(Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE))
    content = io.BytesIO()
    times = [_FRAME_MS] * (len(frames) - 1) + [_LAST_MS]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True)
    write_whole(path, content.getvalue())
