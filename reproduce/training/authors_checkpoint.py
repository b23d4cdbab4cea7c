"""Checkpoints that other projects' trainers write, read as weights of a row of ours. Nothing in them runs code.

weights = read_published(path)                          # which network it is, is read off its names and shapes
weights.recipe.row, weights.tensors, weights.epoch, weights.assumed

Known: the tables of :mod:`reproduce.models.published.families`, and files of our own names without a recipe.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.models.official_san import count_blocks, is_pairwise
from reproduce.models.published.families import FAMILIES, Family, find_family
from reproduce.recipes.architectures import San
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import ENTRIES, TABLES, find_entry, resolve
from reproduce.recipes.settings import keys, override
from reproduce.training.checkpoint import Weights
from reproduce.training.foreign_file import find_state, load_document

_KNOWN = f"known are {', '.join(family.name for family in FAMILIES)}"
_COUNTER = "num_batches_tracked"  # of BatchNorm: files from before it was written go without
_NOT_IN_FILE = {"model.depth", "model.transpose_content", "model.add_centre", "model.skip_attention_norm"}


@dataclass(frozen=True)
class _Fit:
    """A row's network beside the weights of a file."""

    recipe: Recipe
    missing: list[str]
    unknown: list[str]
    misshapen: list[tuple[str, tuple[int, ...], tuple[int, ...]]]  # name, in the file, of the row

    @property
    def distance(self) -> int:
        return len(self.missing) + len(self.unknown) + len(self.misshapen)


def read_published(
    path: Path, row: str | None = None, variant: str | None = None, changes: Mapping[str, Any] | None = None
) -> Weights:
    """Read a checkpoint of another project.

    Args:
        path: where it lies; its suffix says nothing.
        row: which row it is of, where its shapes fit several.
        variant: with which settings, where the file does not say them; as its trainer had them by default.
        changes: settings of the network that the file does not say.

    Raises:
        UserError: missing, damaged, holding more than weights and numbers, or of a network that no row is.
    """
    state, epoch = find_state(load_document(path), path)
    family = find_family(state)
    if family is None:
        raise UserError(f"{path} holds a network of none of the studies (first weight: {min(state)})", _KNOWN)
    tensors = family.translate(state)
    bare = {name.removeprefix("encoder."): value for name, value in state.items()}  # [Re] saves a SAN as its encoder
    fit = _recognise(tensors, bare, family, path, row, variant, changes or {})
    _check(fit, path)
    counters = {name: torch.zeros((), dtype=torch.long) for name in _expect(fit.recipe) if name not in tensors}
    return Weights(fit.recipe, tensors | counters, epoch, assumed=_tell(fit.recipe, family, variant))


def _tell(recipe: Recipe, family: Family, variant: str | None) -> tuple[str, ...]:
    """Return what was assumed of a network that its file does not say."""
    fields = sorted(name.removeprefix("model.") for name in _NOT_IN_FILE)
    values = [f"{name}={getattr(recipe.model, name)}" for name in fields if hasattr(recipe.model, name)]
    said = f"read as {family.name}: row {recipe.row}, variant {recipe.variant}"
    if not values:
        return (said,)
    how = "as asked for" if variant else "assumed, as the file does not say"
    return (f"{said}; {', '.join(values)} {how} (--variant, --set)",)


def _candidates(family: Family, row: str | None, variant: str | None) -> Iterator[Recipe]:
    """Yield the recipes that could be meant, those that their authors trained first."""
    rows = [row] if row else [*TABLES["imagenet"].rows, *ENTRIES]
    for name in dict.fromkeys(rows):
        entry = find_entry(name)
        if not isinstance(entry.recipe.model, family.kinds):
            continue
        names = entry.variant_names()
        wanted = [variant] if variant else [family.variant, *names]
        for each in dict.fromkeys(wanted):
            if each in names or row:
                yield resolve(name, variant=each)


def _recognise(
    tensors: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    family: Family,
    path: Path,
    row: str | None,
    variant: str | None,
    changes: Mapping[str, Any],
) -> _Fit:
    """Return the first candidate whose network has exactly these weights, else the nearest one."""
    heads = [value for name, value in tensors.items() if name.startswith("classify.") and value.dim() == 2]
    nearest: _Fit | None = None
    for recipe in _candidates(family, row, variant):
        if isinstance(recipe.model, San) and not _has_blocks(recipe.model, state):
            continue
        known = keys(recipe)  # a change that this one has not is of another, or refused later
        settings = {name: value for name, value in changes.items() if name.startswith("model.") and name in known}
        classes = len(heads[-1]) if heads else recipe.model.classes
        try:
            fit = _compare(override(recipe, {"model.classes": classes, **settings}), tensors)
        except UserError:  # the changes fit another row's network
            continue
        if fit.distance == 0:
            return fit
        if nearest is None or fit.distance < nearest.distance:
            nearest = fit
    if nearest is not None:
        return nearest
    if family.kinds == (San,) and not row:
        blocks, kind = "-".join(map(str, count_blocks(state))), "pairwise" if is_pairwise(state) else "patchwise"
        raise UserError(
            f"{path} holds a {kind} SAN of {blocks} blocks, which no row is", "attnrepro ls rows lists them"
        )
    raise UserError(f"{path} holds {family.name}, which row '{row}' is not", "attnrepro ls rows lists them")


def _has_blocks(model: San, state: Mapping[str, Tensor]) -> bool:
    if model.hierarchical:
        return any(name.startswith(("enc_layer.", "stages.")) for name in state)
    kind = "pairwise" if is_pairwise(state) else "patchwise"
    ours = any(name.startswith("stages.") for name in state)  # a file of our own names
    return ours or (model.layers, model.attention) == (count_blocks(state), kind)


def _expect(recipe: Recipe) -> dict[str, Tensor]:
    with torch.device("meta"):
        return build(recipe.model).state_dict()


def _compare(recipe: Recipe, tensors: Mapping[str, Tensor]) -> _Fit:
    expected = _expect(recipe)
    missing = sorted(name for name in expected.keys() - tensors.keys() if not name.endswith(_COUNTER))
    shared = sorted(expected.keys() & tensors.keys())
    shapes = [(name, tuple(tensors[name].shape), tuple(expected[name].shape)) for name in shared]
    return _Fit(
        recipe, missing, sorted(tensors.keys() - expected.keys()), [shape for shape in shapes if shape[1] != shape[2]]
    )


def _check(fit: _Fit, path: Path) -> None:
    """Raise UserError where names or shapes are not exactly those of the row's network."""
    hint = f"name the row that it is of: --row ROW; nearest is {fit.recipe.row}"
    said = [f"lacks {len(fit.missing)} weights (first: {fit.missing[0]})"] if fit.missing else []
    said += [f"has {len(fit.unknown)} that it does not know (first: {fit.unknown[0]})"] if fit.unknown else []
    if said:
        raise UserError(f"{path} is not {fit.recipe.row}: it {' and '.join(said)}", hint)
    if fit.misshapen:
        name, found, expected = fit.misshapen[0]
        raise UserError(f"{path} is not {fit.recipe.row}: '{name}' is {found}, not {expected}", hint)
