"""Attention weights of a network, layer by layer, and their mean over images taken in a stream.

Legend: H heads, n side of a layer's map, N = n * n tokens, k side of a footprint, L = n * n places.
A layer of an encoder is (H, N, N), rows are queries; of a SAN (k * k, L), the mean over its weight groups, as the
published Figures 18 and 19 take it. A ViT's class token is dropped and the rows are made to sum to one again.

    means = average(subject.model, subject.recipe, images, {"row": lambda layer: pick_query(layer, 120, "row")})
    means["row"][0]        (H, N) of the first layer, float64

Only one image's weights exist at a time: at 6 layers x 9 heads x 256 tokens 14 MB in float32 (25 MB at 16 heads),
beside the float64 sums of what is asked for.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from reproduce.architectures import AttentionCnn, San, VisionTransformer
from reproduce.errors import UserError, did_you_mean
from reproduce.models import attentive

if TYPE_CHECKING:
    from reproduce.recipe import Recipe

Slice = Literal["row", "column"]
SLICES: tuple[Slice, ...] = ("row", "column")
View = Callable[[Tensor], Tensor]
Array = NDArray[np.float64]


def is_local(recipe: "Recipe") -> bool:
    """Return whether the row attends to footprints (SAN) and not to the whole map."""
    return isinstance(recipe.model, San)


def has_class_token(recipe: "Recipe") -> bool:
    """Return whether token 0 of a map is a class token."""
    return isinstance(recipe.model, VisionTransformer) and recipe.model.cls_token != "none"


def check_slice(name: str) -> Slice:
    """Return ``name`` as a slice; raises UserError where it is none."""
    for known in SLICES:
        if name == known:
            return known
    raise UserError(f"--slice cannot be '{name}'", did_you_mean(name, SLICES))


def name_layers(recipe: "Recipe") -> list[str]:
    """Return what a row calls its layers, in the order in which they run."""
    model: Any = recipe.model
    if isinstance(model, AttentionCnn | VisionTransformer):
        return [f"Layer {layer + 1}" for layer in range(model.depth)]
    passes = len(model.widths)
    depths = [model.layers[0]] * passes if model.hierarchical else model.layers
    word = "Pass" if model.hierarchical else "Stage"
    return [
        f"{word} {stage + 1}" if depth == 1 else f"{word} {stage + 1}, block {block + 1}"
        for stage, depth in enumerate(depths[:passes])
        for block in range(depth)
    ]


def last_of_pass(recipe: "Recipe") -> list[int]:
    """Return the layers, from 1, that end a pass or stage of a SAN: those that Figures 18 and 19 show."""
    names = name_layers(recipe)
    heads = [name.split(",")[0] for name in names]
    return [i + 1 for i, head in enumerate(heads) if i + 1 == len(heads) or heads[i + 1] != head]


def drop_class_token(map_HMM: Tensor) -> Tensor:
    """Return the maps (H, N, N) between pixels: row and column of token 0 dropped, rows summing to one again."""
    pixels_HNN = map_HMM[:, 1:, 1:]
    return pixels_HNN / pixels_HNN.sum(dim=2, keepdim=True)


def pick_query(map_HNN: Tensor, token: int, which: Slice) -> Tensor:
    """Return (H, N): what ``token`` attends to (row, the captions' meaning) or what attends to it (column).

    The column is what the first code of the authors drew in their Figures 3, 5 and 8-17.
    """
    return map_HNN[:, token, :] if which == "row" else map_HNN[:, :, token]


def run_layers(model: nn.Module, recipe: "Recipe", image_3HW: Tensor) -> list[Tensor]:
    """Return the attention of every layer for one image, as this module's legend describes it.

    Raises:
        UserError: a network without attention.
    """
    shown = attentive(model, recipe.row)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            _, layers = shown.forward_with_attention(image_3HW[None])
    finally:
        model.train(was_training)
    if is_local(recipe):
        return [layer[0].mean(dim=0) for layer in layers]
    if has_class_token(recipe):
        return [drop_class_token(layer[0]) for layer in layers]
    return [layer[0] for layer in layers]


def average(
    model: nn.Module, recipe: "Recipe", images: Iterable[Tensor], views: Mapping[str, View]
) -> dict[str, list[Array]]:
    """Return the mean over ``images`` (3, H, W) of every view of every layer, in float64.

    Probabilities are averaged, not scores, as for the published Figure 4. The images pass one by one and the weights
    of one are gone before the next begins.

    Raises:
        UserError: a network without attention.
        ValueError: no images.
    """
    sums: dict[str, list[Tensor]] = {name: [] for name in views}
    count = 0
    for image_3HW in images:
        layers = run_layers(model, recipe, image_3HW)
        for name, view in views.items():
            for index, layer in enumerate(layers):
                seen = view(layer.double())
                if count == 0:
                    sums[name].append(seen.clone())
                else:
                    sums[name][index] += seen
        count += 1
        del layers, layer, seen
    if count == 0:
        raise ValueError("an average needs at least one image")
    return {name: [total.numpy() / count for total in totals] for name, totals in sums.items()}
