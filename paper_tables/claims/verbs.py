"""The verb ``claims``; nothing heavy is imported before it runs."""

from functools import partial
from typing import Annotated

import typer

from reproduce.console.grouped import with_options
from reproduce.console.options import OutputOptions, Variant
from reproduce.console.output import print_rendered


def add_verbs(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command(name="claims")(list_claims)


@with_options
def list_claims(
    output: OutputOptions,
    study: Annotated[
        str | None,
        typer.Argument(metavar="[STUDY|ID]", help="re | ece176 | san-review | augmented | gates, or an id: C14.",
                       show_default="all"),
    ] = None,
    variant: Variant = "described",
    committed: Annotated[bool, typer.Option("--committed", help="Leave this machine's runs out.")] = False,
    parts: Annotated[bool, typer.Option("--parts", help="Show every question of every claim.")] = False,
) -> None:  # fmt: skip
    """Say of every claim of the studies whether it holds, on our runs and on the published numbers."""
    from paper_tables.claims.assess import assess
    from paper_tables.claims.render import check_format, render
    from paper_tables.claims.runs import gather_runs
    from paper_tables.claims.studies.registry import STUDIES, find_claim, find_studies

    check_format(output.settled)
    only = None
    if study is not None and study.lower() in {c.id.lower() for s in STUDIES.values() for c in s.claims}:
        chosen, only = find_claim(study)
        asked = [chosen]
    else:
        asked = find_studies(study)
    runs = gather_runs(committed)
    assessed = [assess(one, runs, variant=variant, only=only, local=not committed) for one in asked]
    print_rendered(partial(render, assessed, parts=parts or only is not None), output)
