"""From an architecture in numbers to a network: ``build``, and what a network costs.

model = build(resolve("vit-ha").model)
count_parameters(model), count_macs(model, 32)
"""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from reproduce.errors import UserError
from reproduce.models.attention_cnn import AttentionNetwork
from reproduce.models.augmented import PlainCnn, WideResNet
from reproduce.models.content_attention import ContentAttention
from reproduce.models.gate_cnn import GateNetwork
from reproduce.models.position_attention import PositionAttention
from reproduce.models.resnet import ResNet18
from reproduce.models.san import SanNetwork
from reproduce.models.vision_transformer import VisionTransformerNetwork
from reproduce.recipes.architectures import (
    Architecture,
    AttentionCnn,
    AugmentedCnn,
    AugmentedResNet,
    GateCnn,
    ResNet,
    San,
    VisionTransformer,
)

NETWORKS: dict[type, type[nn.Module]] = {
    AttentionCnn: AttentionNetwork,
    AugmentedCnn: PlainCnn,
    AugmentedResNet: WideResNet,
    GateCnn: GateNetwork,
    ResNet: ResNet18,
    San: SanNetwork,
    VisionTransformer: VisionTransformerNetwork,
}


@runtime_checkable
class Attentive(Protocol):
    """A network that shows its attention weights."""

    def forward_with_attention(self, image_BCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return logits and one tensor of weights a layer."""
        ...


def build(architecture: Architecture) -> nn.Module:
    """Return a freshly initialised network; raises UserError where the sizes do not fit together."""
    if isinstance(architecture, AttentionCnn | VisionTransformer):
        if architecture.image_size % architecture.patch:
            raise UserError(
                f"{architecture.image_size}-pixel images do not divide into {architecture.patch}-pixel patches",
                "set model.patch to a divisor of model.image_size",
            )
        if architecture.width % 2:
            raise UserError(f"a width of {architecture.width} is odd", "set model.width to an even number")
    return NETWORKS[type(architecture)](architecture)


def prefers_channels_last(model: nn.Module) -> bool:
    """Return whether the network says that convolutions make up its time, which want the channels innermost.

    Measured on one CPU core, training: the gates network 1.25 times the images a second.
    """
    return bool(getattr(model, "channels_last", False))


def attentive(model: nn.Module, row: str) -> Attentive:
    """Return ``model`` as one that shows attention; raises UserError for a network without any."""
    if not isinstance(model, Attentive):
        raise UserError(f"row '{row}' has no attention to show", "choose a row with attention, for example 'learned'")
    return model


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters, shared ones counted once."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def count_macs(model: nn.Module, image_size: int) -> int:
    """Return the multiply-accumulates of one image's forward pass at inference (matrix products, convolutions).

    A network whose operators hide their products from torch's counter counts itself (``count_macs``).
    """
    own = getattr(model, "count_macs", None)
    if own is not None:
        return int(own(image_size))
    was_training = model.training
    image = torch.zeros(1, 3, image_size, image_size, device=next(model.parameters()).device)
    model.eval()
    with torch.no_grad():
        model(image)  # merges weights and builds maps once; every later image goes without
        with FlopCounterMode(display=False) as counter:
            model(image)
    model.train(was_training)
    return counter.get_total_flops() // 2


def use_path(model: nn.Module, path: str) -> nn.Module:
    """Switch every attention layer to its ``fast`` or ``naive`` path, on the same weights; return the model."""
    if path not in ("fast", "naive"):
        raise ValueError(f"path must be 'fast' or 'naive', not '{path}'")
    for layer in attention_layers(model):
        layer.path = path
    return model


def attention_layers(model: nn.Module) -> Iterator[PositionAttention | ContentAttention]:
    """Yield the layers that have a fast and a naive path."""
    for layer in model.modules():
        if isinstance(layer, PositionAttention | ContentAttention):
            yield layer
