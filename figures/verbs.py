"""The verbs that draw: ``plot-attention``, ``plot-curves``, ``figure``; nothing heavy is imported before one runs."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from figures.maps.query import OPTION, QueryCommand
from figures.words import AXES, FORMS, METRICS, READINGS, SCALES, SLICES, STILLS
from reproduce.console.grouped import one_of
from reproduce.console.options import Json, Variant
from reproduce.recipes.recipe import BUDGETS

Budget = Annotated[str | None, one_of("budget", BUDGETS, "Of the run", show_default="largest run")]
Out = Annotated[Path | None, typer.Option(help="Write to this file.", show_default="beside the run")]
Form = Annotated[str | None, one_of("format", FORMS, "Form", flag="--format", show_default="png, or as --out ends")]
Still = Annotated[str | None, one_of("format", STILLS, "Form", flag="--format", show_default="png, or as --out ends")]


def add_verbs(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command(name="plot-attention", cls=QueryCommand)(plot_attention)
    app.command(name="plot-curves")(plot_curves)
    app.command(name="figure")(draw_figure)


def plot_attention(
    target: Annotated[str | None, typer.Argument(metavar="[ROW|RUN]", show_default=False)] = None,
    query: Annotated[str | None, typer.Option(OPTION, help="Bare: the published pixel; or ROW,COL.")] = None,
    average: Annotated[bool, typer.Option("--average", help="Average attention, Eq. 4.")] = False,
    centers: Annotated[bool, typer.Option("--centers", help="Centres of Gaussian heads by epoch.")] = False,
    images: Annotated[int | None, typer.Option(min=1, help="Mean over the first so many test images.")] = None,
    image: Annotated[list[str] | None, typer.Option(help="File, test:16 or cifar10:test:16; html: repeatable.")] = None,
    which: Annotated[str | None, one_of("slice", SLICES, "Of a map", flag="--slice", show_default="row")] = None,
    reading: Annotated[str | None, one_of("reading", READINGS, "Of Eq. 4", show_default="R1")] = None,
    layers: Annotated[str | None, typer.Option(help="Only these: 1,3 or 2-4.", show_default="all")] = None,
    compare: Annotated[str | None, typer.Option(help="Second row or run, side by side (html).")] = None,
    budget: Budget = None,
    variant: Variant = "described",
    scale: Annotated[str, one_of("colour scale", SCALES, "Colours")] = "shared",
    form: Form = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Draw attention: layers x heads for a query pixel, averages, centres; as a figure or a page to click through."""
    from figures.plot_attention import draw
    from figures.request import Request

    request = Request(
        target=target,
        query=query,
        average=average,
        centers=centers,
        images=images,
        image=tuple(image or ()),
        slice=which,
        reading=reading,
        layers=layers,
        compare=compare,
        budget=budget,
        variant=variant,
        scale=scale,
        form=form,
        out=out,
    )
    _tell([draw(request, _say, shlex.join(["attnrepro", *sys.argv[1:]]))], as_json)


def plot_curves(
    name: Annotated[str, typer.Argument(metavar="TABLE|ROW", show_default=False)],
    metric: Annotated[str, one_of("metric", METRICS, "By epoch")] = "top1",
    budget: Budget = None,
    variant: Variant = "described",
    axis: Annotated[str | None, one_of("axis", AXES, "Abscissa", show_default="by their lengths")] = None,
    form: Still = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Draw accuracy or loss by epoch: our runs over the published curves, bands over seeds."""
    from figures.curves import CurveRequest, draw_curves

    asked = CurveRequest(name=name, metric=metric, budget=budget, variant=variant, axis=axis, form=form, out=out)
    _tell([draw_curves(asked)], as_json)


def draw_figure(
    name: Annotated[str, typer.Argument(help="1a to 23b, ece4 or scenes6; list: ls figures.", show_default=False)],
    budget: Budget = None,
    form: Form = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Draw a published figure from our own runs."""
    from figures.by_number import draw_published

    _tell(draw_published(name, budget=budget, form=form, out=out, say=_say), as_json)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _tell(records: list[dict[str, Any]], as_json: bool) -> None:
    """Print where the figures are, and on stderr what they show; with ``--json`` one document."""
    if as_json:
        print(json.dumps({"drawn": records}, indent=2, ensure_ascii=False, default=str))
        return
    for record in records:
        for line in (record["title"], record.get("shows"), *record.get("notes", [])):
            if line:
                _say(line)
        print(*record["figures"], *record["data"], sep="\n")
