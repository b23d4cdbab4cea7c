"""Files of weights whose writer is not known: their form by their bytes, and the one network inside. Runs no code.

document = load_document(path)
state, epoch = find_state(document, path)      # names without the prefixes of data-parallel and compiled modules
"""

import io
import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from reproduce.errors import UserError
from reproduce.record.git_lfs import HEAD, HINT, is_pointer

_NETWORKS = ("state_dict", "model_state_dict", "model", "net", "network")  # the usual names, as they are preferred
_PARTS = ("encoder", "conv", "patcher", "clf")  # of one network in several dictionaries
_PREFIXES = re.compile(r"^(?:(?:module|_orig_mod)\.)+")
_AGAIN = "get it again from where it came from; the file is left as it is"


def is_safetensors(content: bytes) -> bool:
    """Say whether bytes are in safetensors' form: the length of a JSON head, then the head."""
    return len(content) > 8 and content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content)


def load_document(path: Path) -> Any:
    """Return what a file of torch or of safetensors holds.

    Raises:
        UserError: missing, unreadable, holding more than weights and numbers, or in no form that is known here.
    """
    if not path.exists():
        raise UserError(f"there is no checkpoint at {path}", "give the path of a file of weights")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "check the path and its rights") from None
    if is_pointer(content[:HEAD]):
        raise UserError(f"{path} is a git-lfs pointer", HINT)
    try:
        if is_safetensors(content):
            return safetensors.torch.load(content)
        with torch.serialization.safe_globals(list(_numbers())):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than weights and numbers, or is damaged, and was not opened",
            "save only the weights, with torch.save(model.state_dict(), ...); the file is left as it is",
        ) from None
    except Exception as error:  # whatever foreign bytes make of a reader of archives
        first = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise UserError(f"{path} is not a whole checkpoint ({first})", _AGAIN) from None


def _numbers() -> Iterator[Any]:
    """Yield what a NumPy number is pickled as: accuracies lie beside the weights as such."""
    scalar = np.float64(0).__reduce__()[0]  # the function itself, whose module NumPy has renamed
    yield from ((scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core"))
    yield np.dtype
    yield from (type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int64))


def find_state(document: Any, path: Path) -> tuple[dict[str, Tensor], int | None]:
    """Return the weights inside a document, without prefixes, and the epoch that they are of.

    Raises:
        UserError: no weights, several networks, or weights that are not finite.
    """
    if not isinstance(document, Mapping):
        raise UserError(f"{path} holds no state_dict of weights", "save one with torch.save(model.state_dict(), ...)")
    inside = {str(key): value for key, value in document.items() if _is_state(value)}
    state: dict[str, Tensor]
    if _is_state(document):
        state = dict(document)
    elif "encoder" in inside:
        state = {f"{part}.{name}": value for part in _PARTS if part in inside for name, value in _bare(inside[part])}
    else:
        names = [name for name in _NETWORKS if name in inside] or list(inside)
        if not names:
            raise UserError(f"{path} holds no state_dict of weights", "it may be of another program")
        if len(names) > 1:
            raise UserError(f"{path} holds several networks ({', '.join(names)})", "save the one that is meant alone")
        state = inside[names[0]]
    bare = dict(_bare(state))
    broken = [name for name, value in bare.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise UserError(
            f"{path} holds {len(broken)} weights that are not finite (first: {broken[0]})",
            "its training diverged: take a checkpoint of an earlier epoch",
        )
    epoch = document.get("epoch")
    return bare, epoch if isinstance(epoch, int) else None


def _is_state(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(torch.is_tensor(one) for one in value.values())


def _bare(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield weights without the prefixes that wrapped modules put before every name."""
    return ((_PREFIXES.sub("", name), value) for name, value in state.items())
