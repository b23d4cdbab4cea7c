"""What a row calls its layers and how they are to be read, from its recipe alone. No torch.

name_layers(resolve("san-pair-ha"))[1]        "Pass 1, block 2"
"""

from typing import Any, Literal

from reproduce.errors import UserError, did_you_mean
from reproduce.recipes.architectures import AttentionCnn, AugmentedCnn, AugmentedResNet, San, VisionTransformer
from reproduce.recipes.recipe import Recipe

Slice = Literal["row", "column"]
SLICES: tuple[Slice, ...] = ("row", "column")


def is_local(recipe: Recipe) -> bool:
    """Return whether the row attends to footprints (SAN) and not to the whole map."""
    return isinstance(recipe.model, San)


def has_maps(recipe: Recipe) -> bool:
    """Return whether the row has attention to show: weights between places, not gates."""
    model = recipe.model
    if isinstance(model, AugmentedCnn | AugmentedResNet):
        return model.augment != "none"
    return isinstance(model, AttentionCnn | San | VisionTransformer)


def has_class_token(recipe: Recipe) -> bool:
    """Return whether token 0 of a map is a class token."""
    return isinstance(recipe.model, VisionTransformer) and recipe.model.cls_token != "none"


def check_slice(name: str) -> Slice:
    """Return ``name`` as a slice; raises UserError where it is none."""
    for known in SLICES:
        if name == known:
            return known
    raise UserError(f"--slice cannot be '{name}'", did_you_mean(name, SLICES))


def name_layers(recipe: Recipe) -> list[str]:
    """Return what a row calls its layers, in the order in which they run."""
    model: Any = recipe.model
    if isinstance(model, AttentionCnn | VisionTransformer):
        return [f"Layer {layer + 1}" for layer in range(model.depth)]
    if isinstance(model, AugmentedCnn):
        return [f"Block {block + 1}" for block in range(len(model.heads))]
    if isinstance(model, AugmentedResNet):
        return [f"Group {group + 1}, block {block}" for group in range(len(model.heads)) for block in (1, 2)]
    passes = len(model.widths)
    depths = [model.layers[0]] * passes if model.hierarchical else model.layers
    word = "Pass" if model.hierarchical else "Stage"
    return [
        f"{word} {stage + 1}" if depth == 1 else f"{word} {stage + 1}, block {block + 1}"
        for stage, depth in enumerate(depths[:passes])
        for block in range(depth)
    ]


def last_of_pass(recipe: Recipe) -> list[int]:
    """Return the layers, from 1, that end a pass or stage of a SAN: those that Figures 18 and 19 show."""
    names = name_layers(recipe)
    heads = [name.split(",")[0] for name in names]
    return [i + 1 for i, head in enumerate(heads) if i + 1 == len(heads) or heads[i + 1] != head]
