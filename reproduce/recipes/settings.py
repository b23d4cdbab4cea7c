"""Dotted keys laid over a recipe: variants, budgets and ``--set key=value`` are all the same thing. No torch.

override(recipe, {"model.heads": 16, "optimiser.lr": "0.05"})
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from reproduce.errors import UserError, did_you_mean
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.serialise import read_value


def override(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return ``recipe`` with dotted ``changes`` laid over it; a text value is read as the field's type.

    Raises:
        UserError: an unknown key (the nearest one is offered) or a value of another type.
    """
    for key, value in changes.items():
        recipe = _replace(recipe, key.split("."), value, key)
    return recipe


NAMES = ("row", "label", "table", "variant", "budget", "scale", "data.name")


def keys(recipe: Recipe) -> list[str]:
    """Return every dotted key that a user may set; what names the run (row, budget ...) has options of its own."""
    return [key for key, _ in _leaves(recipe, "") if key not in NAMES]


def override_settings(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return ``recipe`` with a user's ``changes``: :func:`override` for the keys that :func:`keys` lists.

    Raises:
        UserError: as :func:`override`, and for a key that names the run.
    """
    for key in changes:
        if key in NAMES:
            raise UserError(f"'{key}' is not a setting", f"it has an option of its own, or names the row: {recipe.row}")
    return override(recipe, changes)


def read_settings(settings: typing.Iterable[str]) -> dict[str, str]:
    """Split ``["a.b=1"]`` into ``{"a.b": "1"}``; raises UserError where the equals sign is missing."""
    changes = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UserError(f"'{setting}' is not of the form key=value", "for example: --set optimiser.lr=0.05")
        changes[key.strip()] = value.strip()
    return changes


def _leaves(node: Any, prefix: str) -> typing.Iterator[tuple[str, Any]]:
    for item in dataclasses.fields(node):
        value = getattr(node, item.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}", value


def _replace(node: Any, path: list[str], value: Any, key: str) -> Any:
    head, *rest = path
    names = [item.name for item in dataclasses.fields(node)]
    if head not in names:
        raise UserError(f"no setting is called '{key}'", _nearest_key(node, path, key))
    current = getattr(node, head)
    if rest:
        if not dataclasses.is_dataclass(current):
            raise UserError(f"no setting is called '{key}'", f"'{head}' has no parts")
        return dataclasses.replace(node, **{head: _replace(current, rest, value, key)})
    if dataclasses.is_dataclass(current):
        parts = ", ".join(item.name for item in dataclasses.fields(current))
        raise UserError(f"'{key}' is a group of settings", f"name one of its parts: {parts}")
    hint = typing.get_type_hints(type(node))[head]
    return dataclasses.replace(node, **{head: read_value(value, hint, key)})


def _nearest_key(node: Any, path: list[str], key: str) -> str:
    prefix = key[: len(key) - len(".".join(path))]
    known = [prefix + name for name, _ in _leaves(node, "") if prefix + name not in NAMES]
    same_leaf = [name for name in known if name.rsplit(".", 1)[-1] == path[-1]]
    return f"did you mean '{same_leaf[0]}'?" if same_leaf else did_you_mean(key, known)
