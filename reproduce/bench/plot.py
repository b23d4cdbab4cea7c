"""The roofline as a picture: attainable FLOPs over FLOPs a byte, and where each case lies.

draw(cases, roof, "NVIDIA H200", Path("roofline.svg"))
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reproduce.bench.roofline import Roof
from reproduce.errors import UserError
from reproduce.record.whole_files import write_whole

FORMATS = ("png", "svg")
# Okabe and Ito's colours, told apart by every kind of colour vision; markers say the same once more.
_STYLES = [("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P")]


def check_format(path: Path) -> str:
    """Return the format that the path's ending names; raises UserError for one that cannot be drawn."""
    kind = path.suffix.lstrip(".").lower()
    if kind not in FORMATS:
        raise UserError(f"a plot cannot be written as '{path.name}'", "end its name with .png or .svg")
    return kind


def draw(cases: Sequence[dict[str, Any]], roof: Roof, title: str, path: Path) -> None:
    """Write the roofline of measured ``cases`` to ``path``: filled marks are training, hollow ones evaluation."""
    kind = check_format(path)
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    points = [(case["flop_per_byte"], case["gflop_per_s"]) for case in cases]
    _draw_roof(axes, roof, [x for x, _ in points])
    groups = list(dict.fromkeys(_group(case) for case in cases))
    for case, point in zip(cases, points, strict=True):
        colour, marker = _STYLES[groups.index(_group(case)) % len(_STYLES)]
        fill = colour if case["case"].endswith("/train") else "none"
        axes.plot(*point, marker=marker, color=colour, markerfacecolor=fill, linestyle="none", markersize=6)
    handles = [
        Line2D([], [], color=c, marker=m, linestyle="none", label=name)
        for name, (c, m) in zip(groups, _STYLES * (1 + len(groups) // len(_STYLES)), strict=False)
    ]
    axes.legend(handles=handles, frameon=False, fontsize=8, title="filled: train   hollow: eval", title_fontsize=8)
    axes.set(xscale="log", yscale="log", xlabel="FLOPs a byte (counted)", ylabel="GFLOP/s", title=title)
    axes.grid(which="major", color="0.9")
    image = io.BytesIO()
    with rc_context({"svg.hashsalt": "attnrepro", "svg.fonttype": "none"}):
        figure.savefig(image, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    write_whole(path, image.getvalue())


def _draw_roof(axes: Axes, roof: Roof, intensities: Sequence[float]) -> None:
    ridge = roof.rate / roof.bandwidth
    x = [min([ridge, *intensities]) / 2, ridge, max([ridge, *intensities]) * 2]
    y = [min(roof.rate, roof.bandwidth * value) / 1e9 for value in x]
    axes.plot(x, y, color="0.2", linewidth=1.5)
    label = f"copy {roof.bandwidth / 1e9:.3g} GB/s, matrix product {roof.rate / 1e9:.3g} GFLOP/s"
    axes.annotate(label, (x[2], y[2]), textcoords="offset points", xytext=(0, 4), ha="right", fontsize=8)


def _group(case: dict[str, Any]) -> str:
    """Return what shares a colour: the operator of a layer, the network otherwise."""
    return str(case["case"]).split("/", 1)[0]
