"""The verb ``claims``; nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from reproduce.console.output import takes_colour, terminal_width, write_out

Format = Annotated[str, typer.Option("--format", help="text | md | latex | html | json.")]
Out = Annotated[Path | None, typer.Option(help="Write to a file.", show_default="stdout")]


def add_verbs(app: typer.Typer) -> None:
    """Give ``app`` the verbs of this module."""
    app.command(name="claims")(list_claims)


def list_claims(
    study: Annotated[
        str | None,
        typer.Argument(metavar="[STUDY|ID]", help="re | ece176 | san-review | augmented | gates, or an id: C14.",
                       show_default="all"),
    ] = None,
    variant: Annotated[str, typer.Option(help="Whose runs speak: described | as-run | original.")] = "described",
    committed: Annotated[bool, typer.Option("--committed", help="Leave this machine's runs out.")] = False,
    parts: Annotated[bool, typer.Option("--parts", help="Show every question of every claim.")] = False,
    form: Format = "text",
    out: Out = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout, all else on stderr.")] = False,
) -> None:  # fmt: skip
    """Say of every claim of the studies whether it holds, on our runs and on the published numbers."""
    from paper_tables.claims.assess import assess
    from paper_tables.claims.render import check_format, render
    from paper_tables.claims.runs import gather_runs
    from paper_tables.claims.studies.registry import STUDIES, find_claim, find_studies
    from reproduce.errors import UserError, did_you_mean
    from reproduce.recipes.recipe import VARIANTS

    form = check_format("json" if as_json else form)
    if variant not in VARIANTS:
        raise UserError(f"no variant is called '{variant}'", did_you_mean(variant, VARIANTS))
    only = None
    if study is not None and study.lower() in {c.id.lower() for s in STUDIES.values() for c in s.claims}:
        chosen, only = find_claim(study)
        asked = [chosen]
    else:
        asked = find_studies(study)
    runs = gather_runs(committed)
    assessed = [assess(one, runs, variant=variant, only=only, local=not committed) for one in asked]
    colour = out is None and takes_colour()
    write_out(
        render(assessed, form, parts=parts or only is not None, colour=colour, width=terminal_width()),
        out,
        as_json=as_json,
    )
