"""The verb ``bench``; nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from reproduce.console.options import Json
from reproduce.console.output import say, show, show_records
from reproduce.errors import UserError

_SUITES = "models | kernels | san | latency | input | structure | train | complexity | engine | precision | code."
_DEFAULT = "models on the CPU; kernels, san and latency on a GPU"
_ROWS = (
    "Only these rows, or cases named so, comma-separated; of train words as in vit/bf16,learned/graphed, without which "
    "a GPU measures every row in each precision and execution, for hours."
)
_REPETITIONS = "Measurements a case; of precision, seeds."


def add_verbs(app: typer.Typer) -> None:
    """Give ``app`` the verb of this module."""
    app.command()(bench)


def bench(
    cpu: Annotated[bool, typer.Option("--cpu", help="Measure on the CPU.")] = False,
    gpu: Annotated[bool, typer.Option("--gpu", help="Measure on the first CUDA device.")] = False,
    suite: Annotated[str | None, typer.Option(help=_SUITES, show_default=_DEFAULT)] = None,
    rows: Annotated[str | None, typer.Option(help=_ROWS)] = None,
    repetitions: Annotated[int | None, typer.Option(help=_REPETITIONS, show_default="5; latency 300")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a CSV file; a folder names it.", show_default="none")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it, .png or .svg.", show_default="none")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and the predicted roofs only.")] = False,
    bandwidth: Annotated[float | None, typer.Option(help="A dry run's roof, GB/s.", show_default="measured")] = None,
    flops: Annotated[float | None, typer.Option(help="A dry run's roof, GFLOP/s.", show_default="measured")] = None,
    as_json: Json = False,
) -> None:
    """Measure speed in pairs within one process: fast against naive, ours against the usual."""
    if cpu == gpu:
        raise UserError("bench measures on one kind of device", "add --cpu or --gpu")
    if (bandwidth is None) != (flops is None) or (bandwidth is not None and not dry_run) or (plot and dry_run):
        hint = "a dry run takes --bandwidth and --flops together, and draws no --plot"
        raise UserError("these options do not go together", hint)
    kind, roof = "cuda" if gpu else "cpu", None
    if bandwidth is not None and flops is not None:
        roof = 1e9 * bandwidth, 1e9 * flops
    if suite is None and (gpu or dry_run):
        if rows is not None:
            raise UserError("--rows chooses within one suite", "name it, as in --suite kernels")
        _bench_several(kind, repetitions, out, plot, dry_run, roof, as_json)
    else:
        _bench_one(suite or "models", kind, rows, repetitions, out, plot, dry_run, roof, as_json)


def _bench_one(
    suite: str, kind: str, rows: str | None, repetitions: int | None, out: Path | None, plot: Path | None,
    dry_run: bool, roof: tuple[float, float] | None, as_json: bool,
) -> None:  # fmt: skip
    from reproduce.bench.suites import check_plot, draw_result, measure_suite, plan_suite, shorten, write_result

    chosen = rows.split(",") if rows else None
    if dry_run:
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
    _show(result, shorten(result["cases"], suite), as_json)


def _bench_several(
    kind: str, repetitions: int | None, out: Path | None, plot: Path | None, dry_run: bool,
    roof: tuple[float, float] | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure, or plan, what says most about a GPU; the rooflines are drawn as roofline-SUITE.svg unless told where."""
    from reproduce.bench.overview import draw_overview, measure_overview, plan_overview, summarise, write_overview
    from reproduce.bench.plot import check_format

    path = plot or (out or Path()) / "roofline.svg"
    check_format(path)
    if out is not None and not out.is_dir():
        raise UserError(f"several suites are written to a folder, and '{out}' is none", "make it, or name one --suite")
    overview = plan_overview(kind, roof) if dry_run else measure_overview(kind, repetitions)
    written = write_overview(overview, out) if out is not None else []
    for each in written + ([] if dry_run else draw_overview(overview, path)):
        say(f"wrote {each}")
    _show(overview, summarise(overview), as_json)


def _show(result: dict[str, Any], lines: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show(result)
        return
    show_records(lines)
    for note in result["notes"]:
        print(note)
