"""The verb ``judge``; nothing heavy is imported before it runs."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from reproduce.console.grouped import with_options
from reproduce.console.options import OutputOptions, Variant
from reproduce.console.output import print_rendered


def add_verbs(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command(name="judge")(judge_accuracies)


@with_options
def judge_accuracies(
    output: OutputOptions,
    measured: Annotated[Path, typer.Option(help="CSV: row, seed, accuracy[, test_images].", show_default=False)],
    table: Annotated[
        str | None, typer.Argument(metavar="[NAME|NUMBER]", help="A table of ours.", show_default="--published")
    ] = None,
    published: Annotated[
        Path | None,
        typer.Option(help="CSV: row, accuracy[, deviation, n, test_images, classes].", show_default="the table's"),
    ] = None,
    variant: Variant = "described",
    margin: Annotated[
        float | None,
        typer.Option(help="Within which accuracies of --published agree, as a share.", show_default="0.01, a point"),
    ] = None,
) -> None:
    """Say which accuracies that were measured elsewhere agree with the published ones; train nothing."""
    from paper_tables.formats.render import check_format, render
    from paper_tables.judged import judge_file, judge_table
    from reproduce.errors import UserError
    from reproduce.recipes.paper_table import MARGIN

    check_format(output.settled)
    if (table is None) == (published is None):
        raise UserError(
            "accuracies are held against either a table of ours or a file",
            "name a table (attnrepro judge hierarchical --measured runs.csv), or give --published table.csv",
        )
    if table is not None:
        if margin is not None:
            raise UserError("the margin of a table of ours is its own", "leave --margin out; the table names it")
        built = judge_table(table, measured, variant=variant)
    elif published is not None:
        built = judge_file(published, measured, margin=MARGIN if margin is None else margin)
    print_rendered(partial(render, built), output)
