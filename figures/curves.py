"""Curves of training: accuracy or loss against epochs, ours over the published ones (Figs 1a, 1b).

Ours come from each finished run's ``history.csv``; runs that differ in anything but the seed never share a curve. The
published points were read off a plot and carry their error; a pale band of that width lies behind them.

    draw_curves(CurveRequest(name="accuracy"))["figures"]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from figures.request import beside, write_csv
from figures.style import COLOURS, DASHES, INK, QUIET, check_format, new_figure, save
from figures.subject import list_lines, train_command
from figures.words import AXES, STILLS
from paper_tables.published import read_curves, read_losses
from reproduce.errors import UserError, did_you_mean
from reproduce.recipes.registry import ENTRIES, TABLES, find_table
from reproduce.record.ledger import results_path

METRICS = {
    "top1": ("test_top1", "test accuracy"),
    "loss": ("test_loss", "test loss"),
    "train-loss": ("train_loss", "training loss"),
    "train-top1": ("train_top1", "training accuracy, as trained"),
}


@dataclass(frozen=True, kw_only=True)
class CurveRequest:
    """What ``plot-curves`` is asked for; ``name`` is a table or a row; ``axis`` None chooses by the epochs."""

    name: str
    metric: str = "top1"
    budget: str | None = None
    variant: str = "described"
    axis: str | None = None
    form: str | None = None
    out: Path | None = None
    rows: Sequence[str] = ()  # of a published figure, in place of a table's
    label: str = ""


@dataclass(frozen=True)
class Curve:
    """One curve of ours: mean and 95 % interval over ``seeds`` runs that differ in nothing else."""

    row: str
    label: str
    budget: str
    dataset: str
    epochs: list[int]
    mean: list[float]
    low: list[float | None]
    high: list[float | None]
    seeds: int
    total: int  # epochs of the run


@dataclass(frozen=True)
class Point:
    """One published point, right to within ``error``; 0 where it is the authors' saved number, not read off a plot."""

    row: str
    epoch: int
    value: float
    error: float
    source: str = ""


def draw_curves(request: CurveRequest) -> dict[str, Any]:
    """Draw the curves; return title and paths.

    Raises:
        UserError: no such table, row, metric or format; no run and no published curve to draw.
    """
    rows = list(request.rows) or find_rows(request.name)
    if request.metric not in METRICS:
        raise UserError(f"no metric is called '{request.metric}'", did_you_mean(request.metric, METRICS))
    if request.axis is not None and request.axis not in AXES:
        raise UserError(f"no axis is called '{request.axis}'", did_you_mean(request.axis, AXES))
    suffix = request.out.suffix[1:].lower() if request.out else ""
    form = check_format(request.form or suffix or "png", STILLS)
    if suffix and suffix != form:
        raise UserError(f"--out ends in .{suffix}, --format is {form}", "let them agree, or leave one out")
    curves = [curve for row in rows for curve in read_runs(row, request)]
    points = [point for point in read_points(request.metric) if point.row in rows]
    if not curves and not points:
        raise UserError(
            f"no row of '{request.name}' has a finished run here", f"make one: {train_command(rows[0], request.budget)}"
        )
    axis = request.axis or choose_axis(curves, points)
    title, notes = _title(request, curves), _notes(rows, curves, request)
    path = request.out or results_path() / "figures" / f"curves-{name_of(request.name)}-{request.metric}.{form}"
    save(compose(rows, curves, points, replace(request, axis=axis), title), path)
    data = write_csv(
        beside(path, "data"), ("row", "of", "budget", "epoch", METRICS[request.metric][0], "low", "high", "seeds"),
        _lines(curves, points),
    )  # fmt: skip
    return {"title": title, "axis": axis, "notes": notes, "figures": [str(path)], "data": [str(data)]}


def read_points(metric: str) -> list[Point]:
    """Return the published points of ``metric``: test accuracy or training loss; none of anything else."""
    if metric == "top1":
        return [Point(point.row, point.epoch, point.top1, point.error, point.source) for point in read_curves()]
    if metric == "train-loss":
        return [Point(point.row, point.epoch, point.loss, point.error, point.source) for point in read_losses()]
    return []


def name_published(row: str, points: Sequence[Point]) -> str:
    """Return the legend of published ``points``: of which data, once, and whether read off a plot or saved numbers."""
    recipe = ENTRIES[row].recipe
    label = recipe.label.removesuffix(" (isotropic)")  # which of the report's runs were is not certain (D14, D15)
    plain = label.replace("-", "").replace(" ", "").lower()
    data = [] if recipe.data.name.replace("-", "") in plain else [recipe.data.name]
    kinds = " and ".join(sorted({"digitised" if point.error else "saved numbers" for point in points}))
    return f"{label}: {', '.join(['published', *data, kinds])}"


def name_of(name: str) -> str:
    """Return the name of the table that ``name`` may be the number of; names stay."""
    return find_table(name).name if name.isdigit() else name


def find_rows(name: str) -> list[str]:
    """Return the rows of a table, or the row itself; raises UserError with the nearest name."""
    for table in TABLES.values():
        if name in (table.name, str(table.number)) and table.train:
            return list(table.rows)
    if name in ENTRIES:
        return [name]
    known = [*(table.name for table in TABLES.values() if table.train), *ENTRIES]
    raise UserError(f"no table or row with curves is called '{name}'", did_you_mean(name, known))


def read_runs(row: str, request: CurveRequest) -> list[Curve]:
    """Return the curves of ``row``, one for every identity: data, recipe and precision."""
    from reproduce.runs.show import read_run

    column = METRICS[request.metric][0]

    def read(line: dict[str, Any]) -> list[tuple[int, float]]:
        history = read_run(str(line["run_id"]))["history"]
        return [(int(p["epoch"]), p[column]) for p in history if p["epoch"] is not None and p.get(column) is not None]

    return mean_curves(row, list_lines(row, request.budget, request.variant), read, share=column.endswith("top1"))


def mean_curves(
    row: str,
    lines: Sequence[dict[str, Any]],
    read: Callable[[dict[str, Any]], Sequence[tuple[int, float]]],
    *,
    share: bool,
) -> list[Curve]:
    """Return the mean curve of every identity among ``lines`` of the ledger; ``read`` gives a run's (epoch, value).

    An epoch counts where all runs of the identity have it. Where the value is a ``share``, so are the interval's ends.
    """
    from reproduce.stats.intervals import summarise

    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for line in lines:
        key = tuple(str(line[name]) for name in ("dataset", "data_sha256", "recipe_sha256", "precision"))
        groups.setdefault(key, []).append(line)
    curves = []
    for key, of_key in groups.items():
        by_epoch: dict[int, list[float]] = {}
        for line in of_key:
            for epoch, value in read(line):
                by_epoch.setdefault(epoch, []).append(value)
        whole = {epoch: values for epoch, values in sorted(by_epoch.items()) if len(values) == len(of_key)}
        marks = [summarise(values, share=share) for values in whole.values()]
        precision = "" if key[3] == "fp32" else f", {key[3]}"
        curves.append(
            Curve(
                row,
                f"{ENTRIES[row].recipe.label}: ours, {of_key[0]['budget']}, {key[0]}{precision}",
                str(of_key[0]["budget"]),
                key[0],
                list(whole),
                [mark.mean for mark in marks],
                [mark.low for mark in marks],
                [mark.high for mark in marks],
                len(of_key),
                int(of_key[0]["epochs"]),
            )
        )
    return curves


def choose_axis(curves: list[Curve], points: list[Point]) -> str:
    """Return ``progress`` where lengths differ so much that the shorter curve would be a dot, else ``epochs``."""
    totals = [curve.total for curve in curves] + ([max(point.epoch for point in points)] if points else [])
    return "progress" if max(totals) > 4 * min(totals) else "epochs"


def _title(request: CurveRequest, curves: list[Curve]) -> str:
    shown = sorted({f"{curve.budget}, {curve.dataset}" for curve in curves}) or ["published only"]
    variant = "" if request.variant == "described" else f", {request.variant}"
    return (
        f"{request.label or name_of(request.name) + ': '}{METRICS[request.metric][1]}, {' and '.join(shown)}{variant}"
    )


def _notes(rows: list[str], curves: list[Curve], request: CurveRequest) -> list[str]:
    """Return the commands of the rows that have no run."""
    run = {curve.row for curve in curves}
    return [f"{row}: no run here; {train_command(row, request.budget)}" for row in rows if row not in run]


def compose(rows: Sequence[str], curves: list[Curve], points: list[Point], request: CurveRequest, title: str) -> Any:
    """Return the figure of ``curves`` over published ``points``, a colour and a dash a row; ``request.axis`` is set."""
    lines = len(curves) + len({point.row for point in points})
    figure = new_figure(8.2, 4.35 + 0.16 * -(-lines // 2))
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((0.09, (height - 3.75) / height, 0.87, 3.2 / height))
    for index, row in enumerate(rows):
        colour, dash = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)]
        of_row = [point for point in points if point.row == row]
        if of_row:
            last = max(point.epoch for point in of_row)
            x = [_place(point.epoch, last, request) for point in of_row]
            y = [point.value for point in of_row]
            low, high = [p.value - p.error for p in of_row], [p.value + p.error for p in of_row]
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(
                x,
                y,
                color=colour,
                alpha=0.45,
                linewidth=0.9,
                linestyle=dash,
                marker=".",
                markersize=3,
                label=name_published(row, of_row),
            )
        for curve in (curve for curve in curves if curve.row == row):
            x = [_place(epoch, curve.total, request) for epoch in curve.epochs]
            if None not in curve.low:
                axes.fill_between(
                    x, np.array(curve.low, float), np.array(curve.high, float), color=colour, alpha=0.25, linewidth=0
                )
            seeds = f", mean of {curve.seeds} seeds" if curve.seeds > 1 else ", one seed"
            axes.plot(x, curve.mean, color=colour, linewidth=1.9, linestyle=dash, marker="o", markersize=3.2,
                      label=curve.label + seeds)  # fmt: skip
    progress = request.axis == "progress"
    axes.set_xlabel("share of the run's epochs" if progress else "epoch", fontsize=8, color=INK)
    axes.set_ylabel(METRICS[request.metric][1], fontsize=8, color=INK)
    axes.grid(color="#ece9ef", linewidth=0.6)
    axes.tick_params(labelsize=7, colors=QUIET, length=2)
    axes.spines[["top", "right"]].set_visible(False)
    figure.text(0.09, 1 - 0.28 / height, title, fontsize=11, weight="bold", color=INK, va="center")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.08, (height - 4.2) / height), ncols=2,
                  fontsize=6.6, frameon=False, handlelength=2.6, columnspacing=1.4)  # fmt: skip
    return figure


def _place(epoch: int, total: int, request: CurveRequest) -> float:
    return epoch / total if request.axis == "progress" else float(epoch)


def _lines(curves: list[Curve], points: list[Point]) -> list[tuple[Any, ...]]:
    published = [
        (p.row, "published", "paper", p.epoch, p.value, p.value - p.error, p.value + p.error, None) for p in points
    ]
    ours = [
        (curve.row, "ours", curve.budget, *values, curve.seeds)
        for curve in curves
        for values in zip(curve.epochs, curve.mean, curve.low, curve.high, strict=True)
    ]
    return published + ours
