"""The data sets a user can have: which are known, which are here, and fetching those that may be fetched.

    act("ls", None), act("show", "cifar10"), act("fetch", "cifar100")
"""

from typing import Any

from filelock import FileLock

from reproduce.data.identity import KNOWN_NAMES, data_root, identify
from reproduce.errors import UserError, did_you_mean

ACTIONS = ("ls", "show", "fetch")
_FETCHED = ("cifar10", "cifar100")  # torchvision downloads these and checks their MD5 sums


def act(action: str, name: str | None) -> list[dict[str, Any]] | dict[str, Any]:
    """Return the known data sets (``ls``), one data set (``show``), or fetch one and return it (``fetch``).

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
    source = identify(name)
    return {
        "name": source.name,
        "kind": source.kind,
        "sha256": source.sha256,
        "image_size": source.image_size,
        "classes": len(source.classes),
        "root": str(source.root) if source.root else "embedded",
    }


def fetch(name: str) -> None:
    """Download ``name`` into the folder of named data sets; two processes at once wait for each other.

    Raises:
        UserError: a data set that its owners hand out themselves, or no way to reach its server.
    """
    if name not in _FETCHED:
        raise UserError(f"'{name}' cannot be fetched from here", _where_from(name))
    import torchvision.datasets

    kind = torchvision.datasets.CIFAR10 if name == "cifar10" else torchvision.datasets.CIFAR100
    root = data_root()
    root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(root / f".{name}.lock"):
            kind(root, train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"{name} could not be downloaded ({str(error).splitlines()[0][:120]})",
            f"fetch it where there is a network and copy it into {root}",
        ) from None


def _line(name: str) -> dict[str, Any]:
    try:
        source = identify(name)
    except UserError as error:
        return {"name": name, "here": "no", "classes": None, "size": None, "note": error.hint}
    return {
        "name": name,
        "here": "yes",
        "classes": len(source.classes),
        "size": source.image_size,
        "note": str(source.root or "embedded"),
    }


def _where_from(name: str) -> str:
    places = {
        "tiny-imagenet": "download tiny-imagenet-200 from its course page (Stanford CS231n)",
        "intel-scenes": "download puneet6060/intel-image-classification from Kaggle",
        "imagenet": "download ILSVRC 2012 from image-net.org, validation images sorted into class folders",
        "shapes": "it is embedded: there is nothing to fetch",
    }
    place = places.get(name)
    if place is None:
        return did_you_mean(name, KNOWN_NAMES)
    return place if name == "shapes" else f"{place} and unpack it into {data_root()}"
