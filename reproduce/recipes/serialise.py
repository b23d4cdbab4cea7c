"""A recipe as canonical JSON, back again, and as the digest that names it. No torch."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from reproduce.errors import UserError, did_you_mean
from reproduce.recipes.architectures import FAMILIES


def read_value(value: Any, hint: Any, key: str) -> Any:
    """Read ``value`` (text from the command line, or a Python value) as ``hint``."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        raise UserError(f"{key} cannot be '{value}'", did_you_mean(str(value), choices))
    if origin in (types.UnionType, typing.Union):
        if value is None or value == "none":
            return None
        return read_value(value, next(kind for kind in typing.get_args(hint) if kind is not type(None)), key)
    if origin is tuple:
        parts = [part for part in value.split(",") if part] if isinstance(value, str) else list(value)
        return tuple(read_value(part, typing.get_args(hint)[0], key) for part in parts)
    if hint is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        found = words.get(str(value).lower())
        if found is None:
            raise UserError(f"{key} takes true or false, not '{value}'", f"for example: --set {key}=true")
        return found
    try:
        if isinstance(value, bool) or (hint is int and isinstance(value, float)):
            raise ValueError
        return hint(value)
    except (TypeError, ValueError):
        names = {int: "a whole number", float: "a number", str: "a word"}
        raise UserError(f"{key} takes {names.get(hint, hint)}, not '{value}'", f"see: {key} in the recipe") from None


def plain(node: Any) -> Any:
    """Return a recipe or a part of it as dictionaries, lists and plain values; the model is tagged with its family."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        parts = {item.name: plain(getattr(node, item.name)) for item in dataclasses.fields(node)}
        family = getattr(node, "family", None)
        return {"family": family, **parts} if family else parts
    return list(node) if isinstance(node, tuple) else node


def essential(node: Any) -> Any:
    """Return ``node`` as :func:`plain` does, without the fields that are at their defaults."""
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return plain(node)
    family = getattr(node, "family", None)
    kept = {"family": family} if family else {}
    for item in dataclasses.fields(node):
        value = getattr(node, item.name)
        default = item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default
        if value != default:
            kept[item.name] = essential(value)
    return kept


def dump(document: Any) -> str:
    """Return ``document`` as canonical JSON: sorted keys, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def revive(kind: type, document: Mapping[str, Any], where: str) -> Any:
    """Return the dataclass ``kind`` that :func:`plain` made ``document`` of; ``where`` names it in errors.

    Raises:
        UserError: a field that is unknown, missing or of another type.
    """
    hints = typing.get_type_hints(kind)
    unknown = set(document) - set(hints) - {"family"}
    missing = [
        item.name
        for item in dataclasses.fields(kind)
        if item.name not in document
        and item.default is dataclasses.MISSING
        and item.default_factory is dataclasses.MISSING
    ]
    if unknown or missing:
        wrong = f"no field '{min(unknown)}'" if unknown else f"'{missing[0]}' is missing"
        raise UserError(f"the {where} does not fit this version: {wrong}", "run the row again with this version")
    values = {}
    for name, value in document.items():
        if name == "family":
            continue
        if name == "model":
            family = value.get("family") if isinstance(value, dict) else None
            if family not in FAMILIES:
                raise UserError(f"no model family is called '{family}'", did_you_mean(str(family), FAMILIES))
            values[name] = revive(FAMILIES[family], value, "model")
        elif dataclasses.is_dataclass(hints[name]):
            if not isinstance(value, dict):
                raise UserError(f"'{name}' of the {where} is not a group", "run the row again with this version")
            values[name] = revive(hints[name], value, name)  # type: ignore[arg-type]
        else:
            values[name] = read_value(value, hints[name], name)
    return kind(**values)
