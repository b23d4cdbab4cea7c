"""The figures of the report: published and measured accuracy by row, curves, and committed attention figures.

``list_pictures`` says which there are and what they show, without drawing; ``draw`` makes one. The digest of a picture
is of the numbers in it, so that a report can be checked without drawing anything.
"""

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures.curves import Curve, CurveRequest, Point, choose_axis, compose, mean_curves, read_points
from figures.report.content import Chapter, Content
from figures.report.seal import digest, find_damage, seal
from figures.report.tables import Shown
from figures.style import COLOURS, INK, QUIET, new_figure, render
from paper_tables.claims.measured_files import read_curve
from paper_tables.measured import MEASURED, committed_runs
from paper_tables.table import Table
from reproduce.errors import UserError
from reproduce.recipes.recipe import BUDGETS
from reproduce.record.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

FOLDER = MEASURED / "figures"
COMMAND = "make report"  # `table` and `plot-curves` show the runs of whoever calls them, these the committed ones


@dataclass(frozen=True)
class Picture:
    """One figure: file name, caption, a description for those who cannot see it, and how it is made.

    ``digest`` is of the numbers in a figure that is drawn here, of the file itself where it is a committed one.
    """

    name: str
    caption: str
    alt: str
    command: str
    digest: str
    make: "Callable[[], Figure] | None"  # None: a committed file
    stated: str = ""  # of a committed file: the digest that captions.csv gives

    def draw(self, folder: Path) -> Path:
        """Put the figure into ``folder``, sealed, and return its path; a committed one stays where it is."""
        if self.make is None:
            return FOLDER / self.name
        path = folder / self.name
        write_whole(path, seal(render(self.make(), "svg"), self.digest))
        return path

    def find_damage(self) -> str | None:
        """Return what is wrong with the file of this figure in the checkout; None where it is the one to show."""
        path = FOLDER / self.name
        if not path.is_file():
            return "it is missing"
        if self.make is not None:
            return find_damage(path.read_bytes(), self.digest)
        if not self.stated:
            return f"captions.csv does not state its sha256 ({self.digest})"
        return None if self.stated == self.digest else "it is not the file that captions.csv describes"


def list_pictures(content: Content, runs: "pd.DataFrame | None" = None) -> dict[str, list[Picture]]:
    """Return the pictures of every study, by its name, and under ``""`` the committed attention figures."""
    ours = committed_runs() if runs is None else runs
    found: dict[str, list[Picture]] = {"": list(_committed())}
    for chapter in content.studies:
        dots = [picture for shown in chapter.tables if (picture := _dots(shown)) is not None]
        found[chapter.study.name] = [*dots, *_curves(chapter, ours)]
    return found


def _committed() -> Iterable[Picture]:
    """Yield the figures that ``captions.csv`` names, drawn from weights that are not here."""
    path = FOLDER / "captions.csv"
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8", newline="") as source:
            lines = list(csv.DictReader(source))
        for line in lines:
            found = digest((FOLDER / line["file"]).read_bytes())
            stated = (line.get("sha256") or "")[: len(found)]
            yield Picture(line["file"], line["caption"], line["caption"], line["command"], found, None, stated)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise UserError(
            f"{path} cannot be read ({error})", "it needs the columns file, caption, command, sha256"
        ) from None


def _dots(shown: Shown) -> Picture | None:
    """Return the picture of a table's accuracies; None for one without runs or without printed accuracies."""
    table = shown.table
    if not isinstance(table, Table):
        return None
    points = [
        (
            row.row,
            row.published["top1"].value if "top1" in row.published else None,
            *_best(table, row),
        )
        for row in table.rows
    ]
    if not any(point[2] is not None for point in points):
        return None
    title = table.title if table.number is None else f"Table {table.number}. {table.title}"
    name = f"accuracy-{table.name}-{table.variant}.svg"
    return Picture(
        name=name,
        caption=f"{title}: printed accuracy (diamonds) and ours (dots with 95 % intervals; hollow where another "
        "budget, scale or data forbids to compare). Beside each: our budget, data and n, the number of seeds.",
        alt="; ".join(f"{p[0]}: printed {_say(p[1])}, ours {_say(p[2])} ({p[5]})" for p in points),
        command=COMMAND,
        digest=_digest(points),
        make=lambda: _draw_dots(points),
    )


def _best(table: Table, row: Any) -> tuple[float | None, float | None, float | None, str, bool]:
    """Return mean, low, high and basis of a row's best committed runs, and whether they compare with the paper's."""
    found, identity = (row.committed or {}).get("top1"), row.committed_identity
    if found is None or identity is None:
        return None, None, None, "not run", False
    parts = [identity.budget, identity.dataset, *(["mini"] if identity.scale == "mini" else []), f"n={found.n}"]
    basis = ", ".join([*parts, *([f"{row.committed_diverged} diverged"] if row.committed_diverged else [])])
    comparable = row.committed_verdict is not None and row.committed_verdict.word != "not comparable"
    return found.mean, found.low, found.high, basis, comparable


def _draw_dots(points: list[tuple[Any, ...]]) -> Any:
    height = 0.62 + 0.27 * len(points)
    figure = new_figure(7.4, height)
    axes = figure.add_axes((0.27, 0.42 / height, 0.46, 1 - 0.54 / height))
    for place, (_, printed, mean, low, high, basis, comparable) in enumerate(points):
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=1.6, solid_capstyle="round", zorder=2)
        if mean is not None:
            face = COLOURS[0] if comparable else "white"
            axes.plot([mean], [place], "o", markersize=5.2, color=COLOURS[0], markerfacecolor=face, zorder=3)
        if printed is not None:
            axes.plot([printed], [place], "D", markersize=5, color=COLOURS[1], zorder=3)
        axes.text(1.02, place, basis, transform=axes.get_yaxis_transform(), fontsize=6.5, color=QUIET, va="center")
    axes.set_yticks(range(len(points)), [point[0] for point in points], fontsize=7.5, color=INK)
    axes.set_ylim(len(points) - 0.5, -0.5)
    axes.set_xlabel("test accuracy", fontsize=7.5, color=INK, labelpad=2)
    axes.grid(axis="x", color="#ece9ef", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7, colors=QUIET, length=0)
    for label in axes.get_yticklabels():
        label.set_color(INK)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    return figure


def _curves(chapter: Chapter, runs: "pd.DataFrame") -> Iterable[Picture]:
    """Yield the curves of every table that has published ones or committed histories."""
    published = read_points("top1")
    for name in dict.fromkeys(shown.table.name for shown in chapter.tables if isinstance(shown.table, Table)):
        shown = next(shown for shown in chapter.tables if shown.table.name == name)
        rows = [row.row for row in shown.table.rows if hasattr(row, "row")]
        points = [point for point in published if point.row in rows]
        curves = [curve for row in rows for curve in _committed_curves(row, runs)]
        losses = [point for point in read_points("train-loss") if point.row in rows]
        if losses:
            yield _losses(name, rows, losses)
        if not points and not curves:
            continue
        request = CurveRequest(name=name, axis=choose_axis(curves, points))
        ours = f", ours at {_tell_ours(curves)}" if curves else ", published only"
        title = f"{name}: test accuracy by epoch{ours}"
        numbers = _digest([title, [vars(point) for point in points], [vars(curve) for curve in curves]])
        yield Picture(
            name=f"curves-{name}.svg",
            caption=f"Test accuracy while training, rows of '{name}'{ours}. {_tell_points(points)}",
            alt=f"Curves of {', '.join(dict.fromkeys([p.row for p in points] + [c.row for c in curves]))}",
            command=COMMAND,
            digest=numbers,
            make=_plot(rows, curves, points, request, title),
        )


def _losses(name: str, rows: list[str], points: list[Point]) -> Picture:
    """Return the picture of published training losses."""
    request = CurveRequest(name=name, metric="train-loss", axis="epochs")
    drawn = f"{name}: training loss by epoch, published only"
    return Picture(
        name=f"curves-{name}-loss.svg",
        caption=f"Training loss, rows of '{name}', published only. {_tell_points(points)}",
        alt=f"Loss curves of {', '.join(dict.fromkeys(point.row for point in points))}",
        command=COMMAND,
        digest=_digest([drawn, [vars(point) for point in points]]),
        make=_plot(rows, [], points, request, drawn),
    )


def _tell_ours(curves: list[Curve]) -> str:
    """Return budget, data and number of seeds of our curves: ``paper (cifar10, n=3)``."""
    counts: dict[tuple[str, str], set[int]] = {}
    for curve in curves:
        counts.setdefault((curve.budget, curve.dataset), set()).add(curve.seeds)
    return " and ".join(
        f"{budget} ({dataset}, n={' or '.join(map(str, sorted(seeds)))} a curve)"
        for (budget, dataset), seeds in sorted(counts.items())
    )


def _tell_points(points: list[Point]) -> str:
    """Return a sentence on what the published points are; read-offs have an error, saved numbers have none."""
    if not points:
        return "No curve is published for these rows."
    errors = sorted({point.error for point in points if point.error})
    read = f"were read off the plots; the band is the error of reading, {' or '.join(f'{e:g}' for e in errors)}"
    parts = ([read] if errors else []) + (
        ["are the authors' saved numbers, as they are"] if any(not point.error for point in points) else []
    )
    return f"Published points, one run a curve, {', others '.join(parts)}."


def _plot(
    rows: list[str], curves: list[Curve], points: list[Point], request: CurveRequest, title: str
) -> "Callable[[], Figure]":
    return lambda: compose(rows, curves, points, request, title)


def _committed_curves(row: str, runs: "pd.DataFrame") -> list[Curve]:
    """Return the mean curves of the committed histories of ``row``, of the largest budget that has any."""
    done = runs[(runs["row"] == row) & (runs["status"] == "done") & (runs["variant"] == "described")]
    for budget in reversed(BUDGETS):
        lines = [
            {str(name): value for name, value in line.items()}
            for line in done[done["budget"] == budget].to_dict("records")
            if read_curve(str(line["run_id"]), None, "test_top1")
        ]
        if lines:
            return mean_curves(row, lines, lambda line: read_curve(str(line["run_id"]), None, "test_top1"), share=True)
    return []


def _digest(numbers: Any) -> str:
    """Return the digest of what is drawn; numbers to nine digits, as libraries may differ in the last."""

    def plain(value: Any) -> Any:
        return f"{value:.9g}" if isinstance(value, float) else str(value)

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: walk(child) for key, child in node.items()}
        return [walk(child) for child in node] if isinstance(node, list | tuple) else plain(node)

    return digest(json.dumps(walk(numbers), sort_keys=True).encode())


def _say(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
