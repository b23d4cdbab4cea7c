"""A table as a forest plot: by row the printed accuracy, the margin around it, and ours with its interval.

Drawn for the width of a phone: each row's name and what ours are stand above its line, not beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from figures.report.chapter import Chapter
from figures.report.picture import COMMAND, Picture, digest_numbers
from figures.style import COLOURS, INK, QUIET, new_figure
from paper_tables.table import Row, Table
from paper_tables.verdict import published_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAD = (
    "Every row by its printed accuracy, with the margin around it within which ours agree, and by ours with the 95 % "
    "interval. Ours are filled where the two may be compared, hollow where budget, size of network, data or settings "
    "are others. Above each line: our budget, data and n, the number of seeds."
)
_WIDTH, _HEAD, _ROW, _FOOT, _LEGEND, _SIDE = 4.2, 0.36, 0.4, 0.38, 0.5, 0.12  # inches
_LINE = 0.2  # how far below a row's middle its marks stand, in rows; its words stand as far above
_OURS, _PRINTED = COLOURS[0], COLOURS[1]


@dataclass(frozen=True)
class Line:
    """One row: the printed accuracy with its spread, ours with its interval, and whether the two may be compared.

    ``basis`` says what ours are; ``barred`` that no run can be held against the printed number.
    """

    row: str
    printed: float | None
    spread: float | None
    barred: bool
    mean: float | None
    low: float | None
    high: float | None
    basis: str
    comparable: bool

    def say(self) -> str:
        """Return the line in words, for those who cannot see it."""
        spread = "" if self.spread is None else f" (sd {self.spread:.3f})"
        interval = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        if self.mean is None:
            return f"{self.row}: printed {_say(self.printed)}{spread}, {self.basis}"
        return f"{self.row}: printed {_say(self.printed)}{spread}, ours {_say(self.mean)}{interval} ({self.basis})"


def draw_forests(chapter: Chapter) -> Iterable[Picture]:
    """Yield a picture of every table of a study that prints accuracies, in every variant that is shown."""
    for table in (shown.table for shown in chapter.tables):
        if isinstance(table, Table) and any(published_value(table.variant, row.published) for row in table.rows):
            yield draw_forest(table)


def draw_forest(table: Table) -> Picture:
    """Return the picture of a table's accuracies, not yet drawn."""
    lines = [_line(table, row) for row in table.rows]
    name = table.name.capitalize() if table.number is None else f"Table {table.number}, {table.name}"
    title = name if table.variant == "described" else f"{name} ({table.variant})"
    margin = table.paper.margin
    return Picture(
        name=f"accuracy-{table.name}-{table.variant}.svg",
        caption=f"{title}. {table.title}. {_count(lines)}",
        alt=f"{title}: " + "; ".join(line.say() for line in lines),
        command=COMMAND,
        digest=digest_numbers([title, margin, [vars(line) for line in lines]]),
        make=lambda: _draw(title, lines, margin),
        narrow=True,
    )


def _line(table: Table, row: Row) -> Line:
    value = published_value(table.variant, row.published)
    printed = None if value is None else value.value
    spread = None if value is None else value.deviation
    barred = value is not None and bool(value.not_comparable)
    found, identity = (row.committed or {}).get("top1"), row.committed_identity
    if found is None or identity is None:
        return Line(row.row, printed, spread, barred, None, None, None, "not run", False)
    parts = [identity.budget, identity.dataset, *(["mini"] if identity.scale == "mini" else []), f"n={found.n}"]
    basis = ", ".join([*parts, *([f"{row.committed_diverged} diverged"] if row.committed_diverged else [])])
    comparable = row.committed_verdict is not None and row.committed_verdict.word != "not comparable"
    return Line(row.row, printed, spread, barred, found.mean, found.low, found.high, basis, comparable)


def _count(lines: list[Line]) -> str:
    ran = [line for line in lines if line.mean is not None]
    if not ran:
        return f"None of its {len(lines)} rows was run."
    like = sum(line.comparable for line in ran)
    return f"{len(ran)} of {len(lines)} rows were run, {like or 'none'} of them so that the two may be compared."


def _draw(title: str, lines: list[Line], margin: float) -> "Figure":
    height = _HEAD + _ROW * len(lines) + _FOOT + _LEGEND
    figure = new_figure(_WIDTH, height)
    tall = _ROW * len(lines) / height
    axes = figure.add_axes((_SIDE / _WIDTH, (_FOOT + _LEGEND) / height, 1 - 2 * _SIDE / _WIDTH, tall))
    for place, line in enumerate(lines):
        _draw_line(axes, place, line, margin)
    low, high = _reach(lines, margin)
    axes.set_xlim(low, high)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("test accuracy", fontsize=7.5, color=QUIET, labelpad=2)
    axes.grid(axis="x", color="#ece9ef", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7.5, colors=QUIET, length=0)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    figure.text(_SIDE / _WIDTH, 1 - 0.2 / height, title, fontsize=9.5, weight="bold", color=INK, va="center")
    _add_legend(figure, height, lines, margin)
    return figure


def _draw_line(axes: "Axes", place: int, line: Line, margin: float) -> None:
    """Draw one row: its words above, band, printed accuracy and ours below them on one line."""
    from matplotlib.patches import Rectangle

    wide, y = axes.get_yaxis_transform(), place + _LINE
    if place:
        axes.axhline(place - 0.5, color="#ece9ef", linewidth=0.6, zorder=0)
    axes.text(0, place - _LINE, line.row, transform=wide, fontsize=8.5, color=INK, va="center")
    axes.text(1, place - _LINE, line.basis, transform=wide, fontsize=7, color=QUIET, va="center", ha="right")
    if line.printed is not None and not line.barred:
        left = (line.printed - margin, y - 0.17)
        axes.add_patch(Rectangle(left, 2 * margin, 0.34, color=_PRINTED, alpha=0.25, linewidth=0, zorder=1))
    if line.printed is not None:
        if line.spread is not None:
            ends = [line.printed - line.spread, line.printed + line.spread]
            axes.plot(ends, [y, y], color=_PRINTED, linewidth=1.2, zorder=2)
        axes.plot([line.printed], [y], zorder=3, **_diamond(hollow=line.barred))
    if line.low is not None and line.high is not None:
        axes.plot([line.low, line.high], [y, y], color=_OURS, linewidth=1.8, solid_capstyle="round", zorder=4)
    if line.mean is not None:
        axes.plot([line.mean], [y], zorder=5, **_dot(hollow=not line.comparable))


def _reach(lines: list[Line], margin: float) -> tuple[float, float]:
    """Return the ends of the axis: all that is drawn, with a little room."""
    printed = [line for line in lines if line.printed is not None]
    around = [(line.printed or 0.0) + side * max(margin, line.spread or 0.0) for line in printed for side in (-1, 1)]
    ours = [value for line in lines for value in (line.mean, line.low, line.high) if value is not None]
    low, high = min([*around, *ours]), max([*around, *ours])
    room = 0.05 * (high - low)
    return low - room, high + room


def _add_legend(figure: "Figure", height: float, lines: list[Line], margin: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def key(label: str, **look: Any) -> Line2D:
        return Line2D([], [], label=label, linestyle="none", **look)

    spread = any(line.spread is not None for line in lines)
    points = f"{100 * margin:g} point{'s' * (margin != 0.01)}"
    keys: list[Any] = [
        key("printed, with its deviation" if spread else "printed", **_diamond(False)),
        Patch(color=_PRINTED, alpha=0.25, linewidth=0, label=f"margin, {points} either side"),
        key("ours with 95 % interval", **_dot(False)),
        key("ours, not comparable", **_dot(True)),
    ]
    if any(line.barred for line in lines):
        keys.insert(1, key("printed, of another network", **_diamond(True)))
    figure.legend(
        handles=keys, loc="lower center", ncols=2, fontsize=7, labelcolor=INK, frameon=False,
        handletextpad=0.5, columnspacing=1.4, borderaxespad=0.2, bbox_to_anchor=(0.5, 0.02 / height),
    )  # fmt: skip


def _diamond(hollow: bool) -> dict[str, Any]:
    face = "white" if hollow else _PRINTED
    return {"marker": "D", "markersize": 5, "color": _PRINTED, "markerfacecolor": face}


def _dot(hollow: bool) -> dict[str, Any]:
    return {"marker": "o", "markersize": 5.6, "color": _OURS, "markerfacecolor": "white" if hollow else _OURS}


def _say(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
