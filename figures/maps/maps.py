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
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from figures.maps.layers import Slice, has_class_token, is_local
from reproduce.models.networks import attentive

if TYPE_CHECKING:
    from reproduce.recipes.recipe import Recipe

View = Callable[[Tensor], Tensor]
Array = NDArray[np.float64]


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
