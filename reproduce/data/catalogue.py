"""The data sets a user can have: which are known, which are here, and fetching those that may be fetched.

act("ls", None), act("show", "cifar10"), act("fetch", "cifar100"), act("unpack", "tiny-imagenet-200.zip")
"""

from pathlib import Path
from typing import Any

from reproduce.data.cards import KNOWN_NAMES
from reproduce.data.fetch import fetch, unpack_named
from reproduce.data.source import identify
from reproduce.errors import UserError, did_you_mean

ACTIONS = ("ls", "show", "fetch", "unpack")


def act(action: str, name: str | None) -> list[dict[str, Any]] | dict[str, Any]:
    """Return the known data sets (``ls``), one data set (``show``); fetch one, or unpack its archive, and return it.

    Raises:
        UserError: an unknown action, no name, data that is not here, or data that cannot be fetched.
    """
    if action not in ACTIONS:
        raise UserError(f"data knows no '{action}'", did_you_mean(action, ACTIONS))
    if action == "ls":
        return [_line(known) for known in KNOWN_NAMES]
    if name is None:
        raise UserError(f"data {action} needs a name or a path", f"for example: attnrepro data {action} cifar10")
    if action == "fetch":
        fetch(name)
    source = unpack_named(Path(name).expanduser()) if action == "unpack" else identify(name)
    counts = source.counts or {}
    return {
        "name": source.name,
        "kind": source.kind,
        "sha256": source.sha256,
        "train": counts.get("train"),
        "test": counts.get("test"),
        "image_size": source.image_size,
        "classes": len(source.classes),
        "root": str(source.root) if source.root else "embedded",
        "differs": source.differs or None,
        "class_names": list(source.classes),
        "notes": list(source.notes),
    }


def _line(name: str) -> dict[str, Any]:
    try:
        source = identify(name)
    except UserError as error:
        return {"name": name, "here": "no", "classes": None, "size": None, "note": error.hint}
    return {
        "name": name,
        "here": "yes" if source.name == name else f"no, but {source.name}",
        "classes": len(source.classes),
        "size": source.image_size,
        "note": str(source.root or "embedded"),
    }
