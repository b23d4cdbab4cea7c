"""Checkpoints: everything a run needs to go on, and weights that anyone can load. Nothing in them runs code.

``last.pt`` holds a run's whole state (torch, read with ``weights_only``); ``best.safetensors`` holds the weights of
the epoch that validation chose, with the recipe in its header, so that the file stands alone.
"""

import io
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from reproduce.console.logs import LOG
from reproduce.data.source import Source
from reproduce.errors import UserError
from reproduce.recipes.recipe import Recipe
from reproduce.record.whole_files import UNSEALED, check_seal, seal, write_whole

FORMAT = "attnrepro checkpoint 2"
_UNSEALED_FORMAT = "attnrepro checkpoint 1"  # before there were checksums
_FOREIGN = "name a run (attnrepro ls runs), a best.safetensors that a run has written, or the authors' .pth"
_AGAIN = "delete the file and train the row again; the ledger is not touched"


@dataclass(frozen=True)
class Weights:
    """A network's weights and the recipe that they belong to; ``epoch`` is where they were taken."""

    recipe: Recipe
    tensors: dict[str, Tensor]
    epoch: int | None
    classes: tuple[str, ...] | None = None  # their names, in the order of the outputs; None: the file has none
    data_sha256: str | None = None  # what the data were that it was trained on
    assumed: tuple[str, ...] = ()  # what the file does not say


def save_state(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Write a run's state in one step; raises UserError where the folder cannot be written."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "identity": identity, **state}, buffer)
    content = buffer.getvalue()
    assert content[-22:-18] == b"PK\x05\x06", "torch writes a zip archive without a comment"
    # torch does not verify the archive's own checksums of tensors: the digest goes where zip has a comment
    write_whole(path, seal(content[:-2] + len(UNSEALED).to_bytes(2, "little") + UNSEALED))
    LOG.debug("saved %s, %.3g MB", path, len(content) / 1e6)


def load_state(path: Path, identity: str | None, device: torch.device) -> dict[str, Any]:
    """Read a run's state.

    Raises:
        UserError: cut off or damaged, not a checkpoint of ours, or of another run than ``identity`` names.
    """
    content = _read(path)
    check_seal(content, path, _AGAIN, needed=False)  # before anything of it is interpreted
    try:
        state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than weights and numbers, and was not opened", "only load checkpoints of attnrepro"
        ) from None
    except Exception as error:  # whatever foreign bytes make of a reader of archives
        raise UserError(f"{path} is not a whole checkpoint ({_first_line(error)})", _AGAIN) from None
    if not isinstance(state, dict) or state.get("format") not in (FORMAT, _UNSEALED_FORMAT):
        raise UserError(f"{path} is not a checkpoint of attnrepro", _AGAIN)
    check_seal(content, path, _AGAIN, needed=state["format"] == FORMAT)
    LOG.debug("read %s: epoch %s", path, state.get("epoch"))
    if identity is not None and state.get("identity") != identity:
        raise UserError(f"{path} belongs to another run", "its recipe, data, seed or precision differ; " + _AGAIN)
    return state


def save_weights(path: Path, model: nn.Module, recipe: Recipe, epoch: int, source: Source | None = None) -> None:
    """Write the weights of ``model`` as safetensors; recipe, epoch and the classes of ``source`` in the header."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    header = {"format": FORMAT, "recipe": recipe.to_json(), "epoch": str(epoch)}
    if source is not None:
        header |= {"classes": json.dumps(source.classes), "data_sha256": source.sha256}
    header["seal"] = UNSEALED.decode()
    write_whole(path, seal(safetensors.torch.save(tensors, header)))


def is_ours(path: Path) -> bool:
    """Say whether a file was written by a run: by what is in it, or, where that is damaged, by what lies beside it."""
    if not path.exists() or (path.parent / "manifest.json").exists():
        return True
    head = _read(path)
    mark = FORMAT.rpartition(" ")[0].encode()
    return mark in head[: 8 + int.from_bytes(head[:8], "little")] if head[8:9] == b"{" else mark in head


def load_weights(path: Path) -> Weights:
    """Read weights from ``best.safetensors`` or from the ``last.pt`` of a run.

    Raises:
        UserError: missing, damaged, or without a recipe of ours.
    """
    if not path.exists():
        raise UserError(f"there is no checkpoint at {path}", "name a run (attnrepro ls runs) or a .safetensors file")
    if path.read_bytes()[:2] == b"PK" or path.suffix == ".pt":
        state = load_state(path, None, torch.device("cpu"))
        names = tuple(state["classes"]) if "classes" in state else None
        recipe = Recipe.from_json(state["recipe"])
        return Weights(recipe, state["model"], state["epoch"], names, state.get("data_sha256"))
    content = _read(path)
    check_seal(content, path, _AGAIN, needed=False)
    try:
        tensors = safetensors.torch.load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    except Exception as error:  # whatever foreign bytes make of a reader
        hint = _AGAIN if (path.parent / "manifest.json").exists() else _FOREIGN
        raise UserError(f"{path} is not a whole safetensors file ({_first_line(error)})", hint) from None
    if header.get("format") not in (FORMAT, _UNSEALED_FORMAT) or "recipe" not in header:
        raise UserError(f"{path} carries no recipe of attnrepro", "name a best.safetensors that a run has written")
    check_seal(content, path, _AGAIN, needed=header["format"] == FORMAT)
    names = tuple(json.loads(header["classes"])) if "classes" in header else None
    recipe, epoch = Recipe.from_json(header["recipe"]), json.loads(header.get("epoch", "null"))
    return Weights(recipe, tensors, epoch, names, header.get("data_sha256"))


def fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Load ``tensors`` into ``model``; raises UserError where names or shapes are another model's."""
    expected = model.state_dict()
    for name in [*expected, *tensors]:
        if name not in tensors or name not in expected:
            where = "the checkpoint" if name not in tensors else "the model"
            raise UserError(f"{path} is of another model: '{name}' is not in {where}", "name the row it was trained as")
        if tensors[name].shape != expected[name].shape:
            ours, theirs = tuple(expected[name].shape), tuple(tensors[name].shape)
            raise UserError(
                f"{path} is of another model: '{name}' is {theirs}, not {ours}", "name the row it was trained as"
            )
    model.load_state_dict(tensors)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "check the path and its rights") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
