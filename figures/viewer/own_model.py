"""The page of a network that is not ours: any model whose attention is in `nn.MultiheadAttention` modules.

    write_own_page(model, x_N3HW, images_NHW3, "vit.html", title="my ViT")

Maps must be between the places of a square grid; a class token in front of them is dropped.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from figures.images import Picture
from figures.maps.average import DEFAULT, average_attention
from figures.maps.maps import drop_class_token
from figures.maps.recording import record_attention
from figures.viewer.compose import Opening, Side, compose
from figures.viewer.packing import Layer
from reproduce.errors import UserError
from reproduce.record.whole_files import write_whole


def write_own_page(
    model: nn.Module,
    x_N3HW: Tensor,
    images_NHW3: NDArray[np.uint8],
    path: str | Path,
    *,
    title: str,
    names: Sequence[str] | None = None,
) -> Path:
    """Write the page to click through for a few images; return its path.

    Args:
        model: the network; it is run in evaluation mode on one image at a time.
        x_N3HW: images as the network reads them, normalised.
        images_NHW3: the same images to be shown, uint8, square.
        path: of the HTML file.
        title: of the page.
        names: of the images; their numbers where not given.

    Raises:
        UserError: no attention in the network, or maps that are not between the places of a square grid.
    """
    pictures = [
        Picture(name, image_HW3)
        for name, image_HW3 in zip(names or [f"image {i}" for i in range(len(x_N3HW))], images_NHW3, strict=True)
    ]
    sets = [list_own_layers(model, x_3HW) for x_3HW in x_N3HW]
    page, _ = compose([Side(title, False, sets)], pictures, Opening(image_size=images_NHW3.shape[1]))
    write_whole(Path(path), page)
    return Path(path)


def list_own_layers(model: nn.Module, x_3HW: Tensor) -> list[Layer]:
    """Return the layers of a network for one image, by the names of its attention modules.

    Raises:
        UserError: as :func:`write_own_page`.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), record_attention(model) as recorded:
            model(x_3HW[None])
    finally:
        model.train(was_training)
    if not recorded:
        raise UserError(
            "the network has no attention that is known here",
            "use nn.MultiheadAttention, or give each attention module a `last_attention` of (B, heads, N, N)",
        )
    return [_lay_out(name, maps_BHNN[0].double()) for name, maps_BHNN in recorded]


def _lay_out(name: str, map_HNN: Tensor) -> Layer:
    tokens = map_HNN.shape[-1]
    if map_HNN.shape[-2] == tokens and round((tokens - 1) ** 0.5) ** 2 == tokens - 1 and tokens > 2:
        map_HNN = drop_class_token(map_HNN)
        tokens -= 1
    if map_HNN.shape[-2] != tokens or round(tokens**0.5) ** 2 != tokens:
        raise UserError(
            f"the maps of '{name}' are {tuple(map_HNN.shape[-2:])}, not between the places of a square grid",
            "give square images, and a network whose attention covers all of them",
        )
    return Layer.of_heads(name, map_HNN.numpy(), average_attention(map_HNN, DEFAULT).numpy())
