"""How an option is declared once: fixed words with their check, help and completion; groups that travel as one object.

    Budget = Annotated[str | None, one_of("budget", ("smoke", "paper"), "How long")]

    @app.command()
    @with_options
    def train(row: str, recipe: RecipeOptions, run: RunOptions) -> None: ...

typer sees every field of the two dataclasses as an option; the verb and what it calls see the objects.
"""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import typer

from reproduce.errors import UserError, check_word


def one_of(
    what: str,
    words: Sequence[str],
    help: str,
    *,
    flag: str | None = None,
    also: Mapping[str, str] | None = None,
    **more: Any,
) -> Any:
    """Return an option that takes one of ``words``: help, completion and error come from the same tuple.

    Args:
        what: its name in errors, as in "no budget is called 'large'".
        words: in the order in which they are shown.
        help: goes in front of the words.
        flag: the option's name where it is not the parameter's.
        also: other names that people type, and the word that is hinted at.
        more: what `typer.Option` takes.
    """

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    def read(word: str) -> str:
        meant = (also or {}).get(word.lower())
        if meant is not None:
            raise UserError(f"no {what} is called '{word}'", f"did you mean '{meant}'?")
        return check_word(what, word, words)

    more |= {"help": f"{help}: {' | '.join(words)}.", "metavar": "WORD", "autocompletion": complete}
    return typer.Option(*([flag] if flag else []), parser=read, **more)


def with_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Return ``verb`` as typer is to see it: each parameter that is a group of options as that group's options."""
    hints = typing.get_type_hints(verb, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)}
    owners: dict[str, str] = {}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(verb).parameters.values():
        if parameter.name not in groups:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[parameter.name]))
            continue
        for option in _options_of(groups[parameter.name]):
            owners[option.name] = parameter.name
            parameters.append(option)

    @functools.wraps(verb)
    def run(**given: Any) -> None:
        grouped: dict[str, dict[str, Any]] = {name: {} for name in groups}
        plain = {name: value for name, value in given.items() if name not in owners}
        for name, owner in owners.items():
            grouped[owner][name] = given[name]
        verb(**plain, **{name: kind(**grouped[name]) for name, kind in groups.items()})

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _options_of(group: type) -> list[inspect.Parameter]:
    """Return the fields of a group that are options; one that is made by a factory is none."""
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=item.default, annotation=hints[item.name])
        for item in fields(group)
        if item.default is not MISSING
    ]
