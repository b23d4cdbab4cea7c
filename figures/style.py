"""How figures look: colours that survive grey and colour blindness, a grid of maps, files that are the same twice.

figure = draw_grid(Grid(...))
save(figure, Path("maps.svg"))
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from figures.words import SCALES
from reproduce.errors import UserError, did_you_mean
from reproduce.record.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#23202b"
QUIET = "#6d6875"
SQUARE = "#0077bb"
# Okabe and Ito's colours and two more of Tol's; heads also carry their number, rows their line style
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#44aa99", "#5b5b5b")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
# one hue path from paper white to ink whose lightness falls all the way: it reads the same in grey
_SEQUENTIAL = ("#fdfbf7", "#f8dfc4", "#f1ae84", "#df6f5e", "#b23a5d", "#722060", "#30123b")
_CELL, _GAP, _LEFT, _HEAD, _FOOT, _BAR = 0.74, 0.07, 1.02, 1.62, 0.62, 0.5  # inches


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A figure of maps: ``panels[row][column]`` is (n, n) or None for an empty cell.

    ``square`` is the query token of each row's maps, (row, column) or None; ``notes[row][column]`` stands in a
    cell's corner. ``image_square`` is (top, left, side) in pixels.
    """

    panels: Sequence[Sequence[NDArray[np.float64] | None]]
    rows: Sequence[str]
    columns: Sequence[str]
    title: str
    subtitle: str
    bar: str
    footer: str = ""
    image_HW3: NDArray[np.uint8] | None = None
    image_square: tuple[float, float, float] | None = None
    squares: Sequence[tuple[int, int] | None] = field(default_factory=list)
    notes: Sequence[Sequence[str]] = field(default_factory=list)
    scale: str = "shared"


def check_format(name: str, known: Sequence[str]) -> str:
    """Return ``name`` as a file format; raises UserError where it is not one of ``known``."""
    if name not in known:
        raise UserError(f"no format is called '{name}' here", did_you_mean(name, known))
    return name


def check_scale(name: str) -> str:
    """Return ``name`` as a colour scale; raises UserError where it is none."""
    if name not in SCALES:
        raise UserError(f"no colour scale is called '{name}'", did_you_mean(name, SCALES))
    return name


def colour_map(signed: bool) -> Any:
    """Return the colours of weights: white to ink, or two hues around white where weights can be negative."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap

    if signed:
        return matplotlib.colormaps["PuOr_r"]
    return LinearSegmentedColormap.from_list("weights", _SEQUENTIAL)


def scale_colours(arrays: Sequence[NDArray[np.float64]]) -> Any:
    """Return the norm that ``arrays`` share: from 0 to the largest on a square-root scale, or around 0 if signed.

    Heads that look at one pixel and heads that look everywhere differ by a factor of the number of pixels: on a
    linear shared scale the latter would be blank.
    """
    from matplotlib.colors import Normalize, PowerNorm

    finite = [array[np.isfinite(array)] for array in arrays]
    high = max((float(values.max()) for values in finite if values.size), default=1.0)
    low = min((float(values.min()) for values in finite if values.size), default=0.0)
    if low < 0:
        reach = max(high, -low)
        return Normalize(-reach, reach)
    return PowerNorm(0.5, 0.0, high or 1.0)


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of so many inches, on white."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def draw_grid(grid: Grid) -> "Figure":
    """Return the figure of ``grid``: image and title on top, one row of maps a layer, a colour bar, a formula."""
    count, columns = len(grid.panels), max(len(grid.columns), 1)
    width = max(_LEFT + columns * (_CELL + _GAP) + _BAR + 0.55, 6.6)
    height = _HEAD + count * (_CELL + _GAP) + _FOOT
    figure = new_figure(width, height)
    shown = [panel for row in grid.panels for panel in row if panel is not None]
    signed = any(float(np.nanmin(panel)) < 0 for panel in shown)
    shared = scale_colours(shown)
    colours = colour_map(signed)
    for i, row in enumerate(grid.panels):
        bottom = height - _HEAD - (i + 1) * (_CELL + _GAP) + _GAP
        figure.text((_LEFT - 0.1) / width, (bottom + _CELL / 2) / height, grid.rows[i].replace(", ", "\n"),
                    ha="right", va="center", fontsize=8, color=INK)  # fmt: skip
        for j, panel in enumerate(row):
            axes = _place(figure, _LEFT + j * (_CELL + _GAP), bottom, _CELL, _CELL)
            if i == 0:
                axes.set_title(grid.columns[j], fontsize=8, color=QUIET, pad=3)
            if panel is None:
                axes.set_axis_off()
                continue
            norm = shared if grid.scale == "shared" else scale_colours([panel])
            axes.imshow(panel, cmap=colours, norm=norm, interpolation="nearest")
            square = grid.squares[i] if i < len(grid.squares) else None
            if square is not None:
                _outline(axes, *square, 1.0)
            if i < len(grid.notes) and grid.notes[i]:
                axes.text(0.97, 0.03, grid.notes[i][j], transform=axes.transAxes, ha="right", va="bottom", fontsize=5.5,
                          color=INK, bbox={"fc": "white", "ec": "none", "alpha": 0.75, "pad": 0.6})  # fmt: skip
    _head(figure, grid, width, height)
    if grid.scale == "shared" and shown:
        bottom = height - _HEAD - count * (_CELL + _GAP) + _GAP
        tall = count * (_CELL + _GAP) - _GAP
        _bar(figure, grid, shared, colours, width, bottom, tall)
    if grid.footer:
        figure.text(_LEFT / width, 0.32 / height, grid.footer, ha="left", va="center", fontsize=8, color=INK)
    return figure


def _place(figure: "Figure", left: float, bottom: float, width: float, height: float) -> "Axes":
    """Add axes at a place in inches, without ticks, in a hairline frame."""
    wide, tall = figure.get_size_inches()
    axes = figure.add_axes((left / wide, bottom / tall, width / wide, height / tall))
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="#bdb8c2", linewidth=0.5)
    return axes


def _outline(axes: "Axes", row: float, column: float, side: float) -> None:
    """Draw the query square: blue on a white rim, seen on any colour."""
    from matplotlib.patches import Rectangle

    for colour, line in (("white", 2.4), (SQUARE, 1.2)):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), side, side, fill=False, edgecolor=colour, linewidth=line))


def _head(figure: "Figure", grid: Grid, width: float, height: float) -> None:
    left = _LEFT
    if grid.image_HW3 is not None:
        axes = _place(figure, _LEFT, height - 1.3, 1.05, 1.05)
        axes.imshow(grid.image_HW3, interpolation="nearest")
        if grid.image_square is not None:
            _outline(axes, *grid.image_square)
        left += 1.2
    figure.text(left / width, (height - 0.42) / height, grid.title, fontsize=11, color=INK, weight="bold", va="center")
    figure.text(
        left / width, (height - 0.62) / height, grid.subtitle, fontsize=8, color=QUIET, va="top", linespacing=1.4
    )


def _bar(figure: "Figure", grid: Grid, norm: Any, colours: Any, width: float, bottom: float, tall: float) -> None:
    from matplotlib.cm import ScalarMappable

    left = _LEFT + len(grid.columns) * (_CELL + _GAP) + 0.12
    used = min(tall, 3.2)
    axes = _place(figure, left, bottom + tall - used, 0.13, used)
    bar = figure.colorbar(ScalarMappable(norm, colours), cax=axes)
    ticks = np.linspace(norm.vmin, norm.vmax, 5) if norm.vmin < 0 else norm.vmax * np.linspace(0, 1, 5) ** 2
    bar.set_ticks(list(ticks), labels=[f"{tick:.2g}" for tick in ticks])
    bar.outline.set(edgecolor="#bdb8c2", linewidth=0.5)
    axes.tick_params(labelsize=6.5, length=2, colors=QUIET)
    axes.set_ylabel(grid.bar, fontsize=6.5, color=QUIET, labelpad=4)


def save(figure: "Figure", path: Path) -> Path:
    """Write ``figure`` in the format of the path's suffix, in one step, the same bytes for the same figure.

    Raises:
        UserError: the folder cannot be written.
    """
    write_whole(path, render(figure, path.suffix[1:]))
    return path


def render(figure: "Figure", form: str) -> bytes:
    """Return ``figure`` as a file of the format ``form``; the same bytes for the same figure."""
    import matplotlib

    dates: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "attnrepro", "pdf.fonttype": 42, "svg.fonttype": "path"}):
        figure.savefig(buffer, format=form, dpi=160, metadata=dates.get(form))
    return buffer.getvalue()
