"""The command line: one thin function per verb. Nothing heavy is imported before a verb needs it.

attnrepro table hierarchical
python cli.py table hierarchical        the same from a bare clone
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from figures.report.verbs import add_verbs as add_report
from figures.verbs import add_verbs as add_figures
from paper_tables.claims.verbs import add_verbs as add_claims
from paper_tables.verbs import add_verbs as add_tables
from reproduce.bench.verbs import add_verbs as add_bench
from reproduce.console.group import Verbs, command_line
from reproduce.console.grouped import one_of, with_options
from reproduce.console.options import (
    Data,
    Device,
    Json,
    OutputOptions,
    Precision,
    RecipeOptions,
    RowName,
    RunOptions,
    Settings,
)
from reproduce.console.output import ask_first, print_rendered, show, show_plan, show_records
from reproduce.data.verbs import add_verbs as add_data
from reproduce.recipes.recipe import EVAL_MODES

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"attnrepro {version('attnrepro')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Reproduce published studies of attention for image classification: published | ours | interval | verdict."""


@app.command()
@with_options
def train(row: RowName, asked: RecipeOptions, options: RunOptions, as_json: Json = False) -> None:
    """Train one row, with one seed or several; every finished run adds a row to the ledger."""
    from reproduce.recipes.registry import resolve
    from reproduce.recipes.settings import read_settings
    from reproduce.runs.complete import complete
    from reproduce.runs.show import report_runs

    changes = read_settings(asked.settings or ())
    plan = {row: resolve(row, variant=asked.variant, budget=asked.budget or "smoke", changes=changes)}
    state = complete(plan, asked, options, agree=ask_first(options.yes), command=command_line())
    if options.dry_run:
        show_plan(state.list_missing(), state.plan.explain_left_out(), as_json)
    elif as_json:
        show({"runs": report_runs(state.runs, state.ledger)})
    else:
        for record in report_runs(state.runs, state.ledger):
            print(record["says"])


@app.command(name="eval")
def evaluate(
    checkpoint: Annotated[str, typer.Argument(metavar="RUN|CHECKPOINT", show_default=False)],
    data: Data = None,
    settings: Settings = None,
    eval_mode: Annotated[
        str | None, one_of("evaluation mode", EVAL_MODES, "Statistics and dropout", show_default="the recipe's")
    ] = None,
    row: Annotated[
        str | None, typer.Option(help="Which row another trainer's file is of.", show_default="by its weights")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Settings that such a file does not say.", show_default="its trainer's")
    ] = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    as_json: Json = False,
) -> None:
    """Measure a trained network on a test set; what published weights reach is kept for `claims`."""
    from paper_tables.evaluation import describe, evaluate_and_record
    from reproduce.recipes.settings import read_settings
    from reproduce.runs.session import choose_device
    from reproduce.runs.show import find_checkpoint

    changes = read_settings(settings or ()) | ({"eval_mode": eval_mode} if eval_mode else {})
    path, where = find_checkpoint(checkpoint), choose_device(device)
    result = evaluate_and_record(path, data, changes, where, precision, row, variant)
    if as_json:
        show(result)
    else:
        print("\n".join(describe(result)))


@app.command()
@with_options
def table(
    name: Annotated[str, typer.Argument(metavar="NAME|NUMBER", show_default=False)],
    asked: RecipeOptions,
    options: RunOptions,
    output: OutputOptions,
    no_run: Annotated[bool, typer.Option("--no-run", help="Render what the ledger has; train nothing.")] = False,
) -> None:
    """Reproduce a published table: train what is missing, then show published | ours | interval | verdict."""
    from paper_tables.formats.render import render
    from paper_tables.reproduction import build_settings_table, build_trained_table
    from reproduce.recipes.registry import find_table

    paper, _ = find_table(name), output.settled  # a wrong form is refused before anything is trained
    if not paper.train:
        print_rendered(partial(render, build_settings_table(paper, asked)), output)
        return
    doing = None if no_run else options
    built, state = build_trained_table(paper, asked, doing, agree=ask_first(options.yes), command=command_line())
    if options.dry_run:
        show_plan(state.list_missing(), state.plan.explain_left_out(), output.as_json)
    else:
        print_rendered(partial(render, built), output)


@app.command(name="ls")
def list_things(
    what: Annotated[str, typer.Argument(help="rows | tables | figures | runs.")] = "tables",
    as_json: Json = False,
) -> None:
    """List rows, tables, published figures, or the runs of this machine."""
    if what == "figures":
        from figures.by_number import list_figures

        records = list_figures()
    else:
        from reproduce.runs.show import list_records

        records = list_records(what)
    show_records(records, as_json)


@app.command(name="show")
def show_run(
    run: Annotated[str, typer.Argument(metavar="RUN|FILE", help="run_id, or the start of one.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show one run: its manifest, its curve and the command that repeats it."""
    from reproduce.runs.show import describe_run, read_run

    if Path(run).is_file():
        from reproduce.runs.show_file import describe_file

        show_records([describe_file(Path(run))], as_json)
        return
    record = read_run(run)
    if as_json:
        show(record)
    else:
        print(describe_run(record))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what this machine can do: versions, devices, and which kernels run, and why."""
    from reproduce.bench.doctor import examine

    findings = examine()
    if as_json:
        show(findings)
    else:
        for name, value in findings.items():
            print(f"{name:<12} {value}")


for add_verbs in (add_data, add_tables, add_bench, add_figures, add_claims, add_report):
    add_verbs(app)

if __name__ == "__main__":
    app()
