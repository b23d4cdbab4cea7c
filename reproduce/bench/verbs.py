"""The verb ``bench``; nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from reproduce.console.options import Json
from reproduce.console.output import say, show, show_records
from reproduce.errors import UserError


def add_verbs(app: typer.Typer) -> None:
    """Give ``app`` the verb of this module."""
    app.command()(bench)


def bench(
    cpu: Annotated[bool, typer.Option("--cpu", help="Measure on the CPU.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Measure on the first CUDA device.")] = False,
    suite: Annotated[
        str,
        typer.Option(
            help="models | kernels | san | latency | input | structure | train | complexity | engine | precision."
        ),
    ] = "models",
    rows: Annotated[
        str | None,
        typer.Option(
            help="Only these rows, or cases named so, comma-separated; of train words as in vit/bf16,learned/graphed,"
            " without which a GPU measures every row in each precision and execution, for hours."
        ),
    ] = None,
    repetitions: Annotated[
        int | None,
        typer.Option(help="Measurements a case; of precision, seeds.", show_default="5; latency 300"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a CSV file; a folder names it.", show_default="none")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it, .png or .svg.", show_default="none")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and the predicted roofs only.")] = False,
    bandwidth: Annotated[float | None, typer.Option(help="A dry run's roof, GB/s.", show_default="measured")] = None,
    flops: Annotated[float | None, typer.Option(help="A dry run's roof, GFLOP/s.", show_default="measured")] = None,
    as_json: Json = False,
) -> None:
    """Measure speed in pairs within one process: fast against naive, ours against the usual."""
    from reproduce.bench.suites import check_plot, draw_result, measure_suite, plan_suite, shorten, write_result

    if cpu == gpu:
        raise UserError("bench measures on one kind of device", "add --cpu or --gpu")
    if (bandwidth is None) != (flops is None) or (bandwidth is not None and not dry_run) or (plot and dry_run):
        hint = "a dry run takes --bandwidth and --flops together, and draws no --plot"
        raise UserError("these options do not go together", hint)
    kind, chosen = "cuda" if gpu else "cpu", rows.split(",") if rows else None
    if dry_run:
        roof = None if bandwidth is None or flops is None else (1e9 * bandwidth, 1e9 * flops)
        result = plan_suite(suite, kind, chosen, roof)
    else:
        if plot is not None:
            check_plot(suite, plot)
        result = measure_suite(suite, kind, chosen, repetitions)
    if out is not None:
        say(f"wrote {write_result(result, out)}")
    if plot is not None:
        draw_result(result, plot)
        say(f"wrote {plot}")
    if as_json:
        show(result)
        return
    show_records(shorten(result["cases"], suite), as_json)
    for note in result["notes"]:
        print(note)
