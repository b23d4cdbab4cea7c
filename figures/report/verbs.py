"""The verb ``report``; nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from reproduce.console.output import say, show
from reproduce.errors import UserError


def add_verbs(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command(name="report")(report)


def report(
    out: Annotated[
        Path | None, typer.Option(help="A folder, or a file: .html or .md.", show_default="results/report")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write REPORT.md and its figures anew.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say whether REPORT.md is up to date; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")] = False,
) -> None:
    """Write the report: every table, curve, claim and deviation, from the committed ledger, as a page and Markdown."""
    from figures.report.write import check_report, write_report, write_root

    if sum((check, markdown, out is not None)) > 1:
        raise UserError("--check, --markdown and --out exclude each other", "choose one of them")
    if check:
        result = check_report()
        say("REPORT.md is up to date")
    else:
        result = write_root() if markdown else write_report(out)
    if as_json:
        show(result)
        return
    for path in result["written"]:
        print(path)
