"""The verb ``data``; nothing heavy is imported before it runs."""

from typing import Annotated

import typer

from reproduce.console.options import Json
from reproduce.console.output import show, show_records


def add_verbs(app: typer.Typer) -> None:
    """Give ``app`` the verb of this module."""
    app.command()(data)


def data(
    action: Annotated[str, typer.Argument(help="ls | show | fetch | unpack.")] = "ls",
    name: Annotated[
        str | None, typer.Argument(help="Name of a data set, a path, or an archive.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which data sets there are, what one is, fetch one, or unpack its archive."""
    from reproduce.data.catalogue import act

    result = act(action, name)
    if as_json:
        show(result)
    else:
        show_records(result if isinstance(result, list) else [result])
