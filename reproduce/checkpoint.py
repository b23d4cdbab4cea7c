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

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from reproduce.errors import UserError
from reproduce.files import write_whole
from reproduce.recipe import Recipe

FORMAT = "attnrepro checkpoint 1"
_AGAIN = "delete the file and train the row again; the ledger is not touched"


@dataclass(frozen=True)
class Weights:
    """A network's weights and the recipe that they belong to; ``epoch`` is where they were taken."""

    recipe: Recipe
    tensors: dict[str, Tensor]
    epoch: int | None


def save_state(path: Path, identity: str, state: dict[str, Any]) -> None:
    """Write a run's state in one step; raises UserError where the folder cannot be written."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "identity": identity, **state}, buffer)
    write_whole(path, buffer.getvalue())


def load_state(path: Path, identity: str | None, device: torch.device) -> dict[str, Any]:
    """Read a run's state.

    Raises:
        UserError: cut off or damaged, not a checkpoint of ours, or of another run than ``identity`` names.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than weights and numbers, and was not opened", "only load checkpoints of attnrepro"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise UserError(f"{path} is not a whole checkpoint ({_first_line(error)})", _AGAIN) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise UserError(f"{path} is not a checkpoint of attnrepro", _AGAIN)
    if identity is not None and state["identity"] != identity:
        raise UserError(f"{path} belongs to another run", "its recipe, data, seed or precision differ; " + _AGAIN)
    return state


def save_weights(path: Path, model: nn.Module, recipe: Recipe, epoch: int) -> None:
    """Write the weights of ``model`` as safetensors, recipe and epoch in the header."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    header = {"format": FORMAT, "recipe": recipe.to_json(), "epoch": str(epoch)}
    write_whole(path, safetensors.torch.save(tensors, header))


def load_weights(path: Path) -> Weights:
    """Read weights from ``best.safetensors`` or from the ``last.pt`` of a run.

    Raises:
        UserError: missing, damaged, or without a recipe of ours.
    """
    if not path.exists():
        raise UserError(f"there is no checkpoint at {path}", "name a run (attnrepro ls runs) or a .safetensors file")
    if path.suffix == ".pt":
        state = load_state(path, None, torch.device("cpu"))
        return Weights(Recipe.from_json(state["recipe"]), state["model"], state["epoch"])
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is not a whole safetensors file ({_first_line(error)})", _AGAIN) from None
    if header.get("format") != FORMAT or "recipe" not in header:
        raise UserError(f"{path} carries no recipe of attnrepro", "name a best.safetensors that a run has written")
    return Weights(Recipe.from_json(header["recipe"]), tensors, json.loads(header.get("epoch", "null")))


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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]
