"""The figures of the report: every table as a forest plot, curves, and committed attention figures.

``list_pictures`` says which there are and what they show, without drawing.
"""

import csv
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from figures.curves import Curve, CurveRequest, Point, choose_axis, compose, mean_curves, read_points
from figures.report import picture
from figures.report.chapter import Chapter
from figures.report.content import Content
from figures.report.forest import draw_forests
from figures.report.picture import COMMAND, Picture, digest_numbers
from figures.report.seal import digest
from paper_tables.claims.measured_files import read_curve
from paper_tables.measured import committed_runs
from paper_tables.selection import by_content
from paper_tables.table import Table
from reproduce.errors import UserError
from reproduce.recipes.recipe import BUDGETS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def list_pictures(content: Content, runs: "pd.DataFrame | None" = None) -> dict[str, list[Picture]]:
    """Return the curves of every study, by its name; under ``forest`` every table, under ``maps`` attention figures."""
    ours = by_content(committed_runs() if runs is None else runs)
    found = {"forest": [drawn for chapter in content.studies for drawn in draw_forests(chapter)]}
    return (
        found
        | {chapter.study.name: list(_curves(chapter, ours)) for chapter in content.studies}
        | {"maps": list(_committed())}
    )


def _committed() -> Iterable[Picture]:
    """Yield the figures that ``captions.csv`` names, drawn from weights that are not here."""
    path = picture.FOLDER / "captions.csv"
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8", newline="") as source:
            lines = list(csv.DictReader(source))
        for line in lines:
            found = digest((picture.FOLDER / line["file"]).read_bytes())
            stated = (line.get("sha256") or "")[: len(found)]
            yield Picture(line["file"], line["caption"], line["caption"], line["command"], found, None, stated)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        raise UserError(
            f"{path} cannot be read ({error})", "it needs the columns file, caption, command, sha256"
        ) from None


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
        numbers = digest_numbers([title, [vars(point) for point in points], [vars(curve) for curve in curves]])
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
        digest=digest_numbers([drawn, [vars(point) for point in points]]),
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
