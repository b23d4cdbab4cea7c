"""The two convolutional families that are augmented: a wide residual network and a plain one (docs/studies.md).

Legend: B images, C channels, H x W pixels. Every convolution that the slides augment is made by
:func:`make_last`: a 3x3 convolution, or one augmented with full or linear attention.
"""

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.errors import UserError
from reproduce.models.augmented_convolution import AugmentedConvolution
from reproduce.recipes.architectures import AugmentedCnn, AugmentedResNet

Spec = AugmentedCnn | AugmentedResNet


def make_last(spec: Spec, inputs: int, outputs: int, key: int, heads: int, size: int) -> nn.Module:
    """Return the last convolution of a block: plain, or with half of its outputs from attention."""
    if spec.augment == "none":
        return nn.Conv2d(inputs, outputs, 3, padding=1)
    return AugmentedConvolution(
        inputs,
        outputs,
        key=key,
        value=outputs // 2,
        heads=heads,
        size=size,
        form=spec.augment,
        axes=spec.axes,
        positions=spec.positions,
    )


def norm_relu(channels: int) -> nn.Sequential:
    """Return BatchNorm - ReLU."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())


class SampleDropout(nn.Module):
    """A5: Dropout1d given a (B, C) tensor takes the batch for channels and drops whole images' features."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x_BC: Tensor) -> Tensor:
        """Return ``x_BC`` with whole rows at 0 while training, the others scaled up."""
        kept_B1 = F.dropout(x_BC.new_ones(len(x_BC), 1), self.probability, self.training)
        return x_BC * kept_B1


class ShownNetwork(nn.Module):
    """A classifier that shows the attention of its augmented convolutions, in the order in which they run."""

    channels_last = True

    def forward_with_attention(self, image_BCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return logits and each augmented convolution's weights (B, heads, n, n)."""
        layers = list(self.augmented_layers())
        if not layers:
            raise UserError("this row is not augmented, so it has no attention to show", "choose an -aa or -laa row")
        maps: list[Tensor] = []

        def keep(layer: AugmentedConvolution, inputs: tuple[Tensor], _: Tensor) -> Tensor:
            output, weights = layer.forward_with_weights(*inputs)
            maps.append(weights)
            return output

        handles = [layer.register_forward_hook(keep) for layer in layers]
        try:
            return self(image_BCHW), maps
        finally:
            for handle in handles:
                handle.remove()

    def augmented_layers(self) -> Iterator[AugmentedConvolution]:
        """Yield the augmented convolutions."""
        return (layer for layer in self.modules() if isinstance(layer, AugmentedConvolution))


class ResidualBlock(nn.Module):
    """BatchNorm - ReLU - 3x3 - BatchNorm - ReLU - Dropout2d - last, with a shortcut.

    Where the block changes its width, both branches start from the activated input; the first group's input is the
    stem's output, which is activated already.
    """

    def __init__(self, spec: AugmentedResNet, inputs: int, group: int, size: int, first: bool) -> None:
        super().__init__()
        outputs = spec.stem * spec.widen * 2**group
        self.first = first
        self.activate = nn.Identity() if first and group == 0 else norm_relu(inputs)
        self.spread = nn.Conv2d(inputs, outputs, 3, 2 if first else 1, padding=1)
        self.middle = nn.Sequential(norm_relu(outputs), nn.Dropout2d(spec.dropout))
        extra = spec.extra_convolution and group == 0 and not first
        self.extra = nn.Conv2d(outputs, outputs, 3, padding=1) if extra else nn.Identity()  # A2
        heads = spec.heads[group]
        self.last = make_last(spec, outputs, outputs, spec.key_share * outputs, heads, size)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, 2) if first else nn.Identity()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, C, H, W), at half the input's side in the first block of a group."""
        active = self.activate(x_BCHW)
        changed = self.last(self.extra(self.middle(self.spread(active))))
        return changed + self.shortcut(active if self.first else x_BCHW)


class WideResNet(ShownNetwork):
    """Three groups of two residual blocks, each group at half the side of the one before; two dense layers.

    The study's sketch: WRN-16-8 but for a stride of 2 in the first group and the second dense layer.
    """

    def __init__(self, spec: AugmentedResNet) -> None:
        super().__init__()
        check_side(spec.image_size, 3)
        if len(spec.heads) != 3:
            raise UserError(f"three groups need as many numbers of heads, got {len(spec.heads)}", "set model.heads")
        self.spec = spec
        self.stem = nn.Sequential(nn.Conv2d(3, spec.stem, 3, padding=1), norm_relu(spec.stem))
        blocks: list[nn.Module] = []
        inputs, size = spec.stem, spec.image_size
        for group in range(3):
            size //= 2
            for first in (True, False):
                blocks.append(ResidualBlock(spec, inputs, group, size, first))
                inputs = spec.stem * spec.widen * 2**group
        self.blocks = nn.Sequential(*blocks)
        self.tail = norm_relu(inputs)
        make_dropout = SampleDropout if spec.head_dropout_of == "samples" else nn.Dropout
        self.classify = nn.Sequential(
            nn.Linear(inputs, inputs), nn.ReLU(), make_dropout(spec.head_dropout), nn.Linear(inputs, spec.classes)
        )

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        return self.classify(self.tail(self.blocks(self.stem(image_BCHW))).mean(dim=(2, 3)))


class PlainCnn(ShownNetwork):
    """A stem and two blocks of two convolutions, no shortcuts; a block quadruples the width and halves the side."""

    def __init__(self, spec: AugmentedCnn) -> None:
        super().__init__()
        check_side(spec.image_size, 2)
        if len(spec.heads) != 2:
            raise UserError(f"two blocks need as many numbers of heads, got {len(spec.heads)}", "set model.heads")
        self.spec = spec
        stem, size = spec.stem, spec.image_size
        layers: list[nn.Module] = [nn.Conv2d(3, stem, 3, padding=1), norm_relu(stem)]
        inputs = stem
        for heads in spec.heads:
            size //= 2
            middle = 2 * inputs
            outputs = 2 * middle
            layers += [nn.Conv2d(inputs, middle, 3, 2, padding=1), norm_relu(middle), nn.Dropout2d(spec.dropout)]
            layers += [make_last(spec, middle, outputs, outputs // 2, heads, size), norm_relu(outputs)]
            inputs = outputs
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(inputs, spec.classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        return self.classify(self.features(image_BCHW).mean(dim=(2, 3)))


def check_side(size: int, halvings: int) -> None:
    """Raise UserError where an image cannot be halved so often without a remainder."""
    if size % 2**halvings:
        raise UserError(
            f"{size}-pixel images cannot be halved {halvings} times", f"use a multiple of {2**halvings} pixels"
        )
