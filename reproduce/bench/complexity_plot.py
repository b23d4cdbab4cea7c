"""Suite ``complexity`` as a picture: time and memory over tokens, a line a form, the crossovers marked."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reproduce.bench.complexity import LAYERS, find_crossover, list_series
from reproduce.bench.plot import check_format
from reproduce.record.whole_files import write_whole

_FORMS = {"full": ("#D55E00", "o", "-"), "fused": ("#E69F00", "s", "--"), "linear": ("#0072B2", "^", "-")}
_METRICS = {"ms": "milliseconds, forward and backward", "peak_mb": "peak memory, MB"}


def draw(cases: Sequence[dict[str, Any]], title: str, path: Path) -> None:
    """Write a panel a layer and metric to ``path`` (.png or .svg)."""
    kind = check_format(path)
    layers = list(dict.fromkeys(case["layer"] for case in cases))
    figure = Figure(figsize=(3.6 * len(_METRICS), 2.9 * len(layers)), layout="constrained")
    panels = figure.subplots(len(layers), len(_METRICS), squeeze=False)
    for line, layer in zip(panels, layers, strict=True):
        for axes, metric in zip(line, _METRICS, strict=True):
            _draw_panel(axes, list_series(cases, layer, metric), layer, metric)
    panels[0][0].legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    image = io.BytesIO()
    with rc_context({"svg.hashsalt": "attnrepro", "svg.fonttype": "none"}):
        figure.savefig(image, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    write_whole(path, image.getvalue())


def _draw_panel(axes: Axes, series: dict[str, dict[int, float]], layer: str, metric: str) -> None:
    for form, points in series.items():
        colour, marker, dashes = _FORMS[form]
        axes.plot(
            list(points), list(points.values()), color=colour, marker=marker, linestyle=dashes, markersize=4, label=form
        )
    if metric == "ms":  # what is counted is work, not memory
        crossing = LAYERS[layer].crossover
        axes.axvline(crossing, color="0.6", linewidth=1, linestyle=":")
        axes.annotate(f"counted n* = {crossing:.4g}", (crossing, 0.02), xycoords=("data", "axes fraction"), fontsize=7)
    measured = find_crossover(series.get("full", {}), series.get("linear", {}))
    if measured:
        axes.axvline(measured, color="0.3", linewidth=1)
        axes.annotate(f"measured {measured:.3g}", (measured, 0.12), xycoords=("data", "axes fraction"), fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel="tokens", ylabel=_METRICS[metric], title=layer)
    axes.grid(which="major", color="0.9")
