"""Checkpoints that other projects publish, read as weights of a row of ours. Nothing in them runs code.

weights = read_official(Path("san10-pair.pth"))      # which network it is, is read off its keys
weights.recipe.row, weights.tensors, weights.epoch

Known: SAN's official ImageNet checkpoints (github.com/hszhao/SAN), a dictionary with ``state_dict``, or that dictionary
itself.
"""

import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.models.official_san import count_blocks, from_official, is_pairwise, strip_prefix, to_official
from reproduce.recipes.architectures import San
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import TABLES, resolve
from reproduce.recipes.settings import override
from reproduce.training.checkpoint import Weights

SUFFIXES = (".pth", ".tar")
_AGAIN = "download it again from the links of github.com/hszhao/SAN"


def read_official(path: Path) -> Weights:
    """Read an official checkpoint.

    Raises:
        UserError: missing, damaged, holding more than weights and numbers, or of a network that no row is.
    """
    document = _load(path)
    state, epoch = _find_state(document, path)
    recipe = _recognise(state, path)
    _check(state, recipe, path)
    return Weights(recipe, from_official(state), epoch)


def _load(path: Path) -> Any:
    if not path.exists():
        raise UserError(f"there is no checkpoint at {path}", "give the path of a downloaded .pth file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "check the path and its rights") from None
    try:
        with torch.serialization.safe_globals(list(_numbers())):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than weights and numbers, or is damaged, and was not opened", _AGAIN
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


def _find_state(document: Any, path: Path) -> tuple[dict[str, Tensor], int | None]:
    """Return the state dictionary, without prefix, and the epoch that it is of."""
    inside = document.get("state_dict", document) if isinstance(document, dict) else None
    if not isinstance(inside, Mapping) or not inside or not all(torch.is_tensor(value) for value in inside.values()):
        raise UserError(f"{path} holds no state_dict of weights", _AGAIN)
    epoch = document.get("epoch") if inside is not document else None
    return strip_prefix(inside), epoch if isinstance(epoch, int) else None


def _recognise(state: Mapping[str, Tensor], path: Path) -> Recipe:
    """Return the recipe of the ImageNet row that has these blocks, told apart into as many classes."""
    blocks, kind = count_blocks(state), "pairwise" if is_pairwise(state) else "patchwise"
    for row in TABLES["imagenet"].rows:
        recipe = resolve(row)
        assert isinstance(recipe.model, San)
        if (recipe.model.layers, recipe.model.attention) == (blocks, kind):
            head = state.get("fc.weight")
            classes = len(head) if head is not None and head.dim() == 2 else recipe.model.classes
            return override(recipe, {"model.classes": classes})
    if not blocks:
        raise UserError(f"{path} holds no SAN: none of its keys is of an attention block", _AGAIN)
    known = ", ".join(TABLES["imagenet"].rows)
    raise UserError(f"{path} holds a {kind} SAN of {'-'.join(map(str, blocks))} blocks, which no row is", known)


def _check(state: dict[str, Tensor], recipe: Recipe, path: Path) -> None:
    """Raise UserError where keys or shapes are not exactly those of the row's network in the official layout."""
    with torch.device("meta"):
        expected = to_official(build(recipe.model).state_dict())
    missing, unknown = (sorted(one.keys() - two.keys()) for one, two in ((expected, state), (state, expected)))
    if missing or unknown:
        said = [f"lacks {len(missing)} weights (first: {missing[0]})"] if missing else []
        said += [f"has {len(unknown)} that it does not know (first: {unknown[0]})"] if unknown else []
        raise UserError(f"{path} is not {recipe.row}: it {' and '.join(said)}", _AGAIN)
    for name, value in state.items():
        if value.shape != expected[name].shape:
            shapes = f"{tuple(value.shape)}, not {tuple(expected[name].shape)}"
            raise UserError(f"{path} is not {recipe.row}: '{name}' is {shapes}", _AGAIN)
