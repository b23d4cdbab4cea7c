"""The gates report's network: two blocks of two 3x3 convolutions, a gate after a convolution and before its ReLU.

Legend: B images, C channels, H x W pixels. A 32-pixel image becomes 32 -> 30 -> pool 15 -> 13 -> pool 6 pixels.
"""

from torch import Tensor, nn

from reproduce.errors import UserError
from reproduce.models.gates import (
    BlockAttention,
    ConvolutionalAutoencoder,
    EfficientChannelAttention,
    LinearAutoencoder,
    SpatialGate,
    softmax_head,
)
from reproduce.recipes.architectures import GateCnn

SMALLEST = 22  # pixels: one more halving and the second block's map is empty


def make_gate(name: str, spec: GateCnn, channels: int, size: int) -> nn.Module:
    """Return the gate called ``name`` for a map of ``channels`` x ``size`` x ``size``."""
    if name == "eca":
        return EfficientChannelAttention(channels, None if spec.eca_kernel == "adaptive" else int(spec.eca_kernel))
    if name == "cbam":
        return BlockAttention(channels, spec.reduction)
    if name == "cbam-spatial":
        return SpatialGate()
    if name == "conv-ae":
        return ConvolutionalAutoencoder(channels, size, covering=spec.covering)
    return LinearAutoencoder(size, spec.gate_hidden)


class GateBlock(nn.Sequential):
    """conv - gates - ReLU - BatchNorm twice, the second convolution without padding; max-pool; Dropout2d."""

    def __init__(self, spec: GateCnn, inputs: int, channels: int, size: int) -> None:
        layers: list[nn.Module] = []
        for site, (before, padding) in enumerate(((inputs, 1), (channels, 0))):
            size = size if padding else size - 2
            layers.append(nn.Conv2d(before, channels, 3, padding=padding))
            if site == 0 or spec.sites == "all":
                layers += [make_gate(name, spec, channels, size) for name in spec.gates]
            layers += [nn.ReLU(), nn.BatchNorm2d(channels)]
        super().__init__(*layers, nn.MaxPool2d(2), nn.Dropout2d(0.25))
        self.size = size // 2


class GateNetwork(nn.Module):
    """Classifier; ``forward`` returns logits (B, classes), or as published their ReLU's softmax."""

    channels_last = True

    def __init__(self, spec: GateCnn) -> None:
        super().__init__()
        if spec.image_size < SMALLEST:
            raise UserError(f"{spec.image_size}-pixel images vanish in two blocks", f"use {SMALLEST} pixels or more")
        self.spec = spec
        self.blocks = nn.Sequential()
        inputs, size = 3, spec.image_size
        used = 3 if spec.third_block == "used" else 2
        for number in range(used):
            block = GateBlock(spec, inputs, spec.width << number, size)
            self.blocks.append(block)
            inputs, size = spec.width << number, block.size
        # G13: built, counted, never called
        self.idle = GateBlock(spec, inputs, 2 * inputs, size) if spec.third_block == "idle" else None
        self.classify = nn.Sequential(
            nn.Flatten(),
            nn.Linear(inputs * size * size, spec.hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(spec.hidden, spec.classes),
        )

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, classes)."""
        logits_BC = self.classify(self.blocks(image_BCHW))
        return softmax_head(logits_BC) if self.spec.head == "relu-softmax" else logits_BC
