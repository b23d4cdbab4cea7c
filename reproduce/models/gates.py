"""Attention gates: modules that multiply a feature map by weights in (0, 1) which they compute from it.

Put one after any convolution of your own network; each keeps the shape (B, C, H, W) of its input.

    nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), EfficientChannelAttention(64), nn.ReLU())
    BlockAttention(64)                       # CBAM: channels, then space
    ConvolutionalAutoencoder(64, size=32)    # a gate of the full C x H x W shape, made by an hourglass of convolutions
    LinearAutoencoder(width=32)              # each row of each channel through the same small network

Legend: B images, C channels, H x W pixels, k kernel, r reduction.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.errors import UserError


def adaptive_kernel(channels: int, gamma: float = 2.0, beta: float = 1.0) -> int:
    """Return ECA's kernel for a number of channels: the odd number at or above |(log2 C + beta) / gamma|.

    Wang et al. 2020, Eq. 12, rounded as their formula's usual code does: 3 for 64 channels, 5 for 128.
    """
    width = int(abs((math.log2(channels) + beta) / gamma))
    return width if width % 2 else width + 1


class EfficientChannelAttention(nn.Module):
    """ECA (Wang et al. 2020, Figure 2): channel means through a 1-D convolution over the channels, k parameters.

    ``kernel`` is odd; None chooses it from the number of channels (:func:`adaptive_kernel`).
    """

    def __init__(self, channels: int, kernel: int | None = 3) -> None:
        super().__init__()
        kernel = adaptive_kernel(channels) if kernel is None else kernel
        if kernel < 1 or kernel % 2 == 0:
            raise UserError(f"an ECA kernel of {kernel} has no centre", "choose an odd number")
        self.mix = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the map with each channel scaled."""
        mean_B1C = x_BCHW.mean(dim=(2, 3)).unsqueeze(1)
        gate_BC = self.mix(mean_B1C).squeeze(1).sigmoid()
        return x_BCHW * gate_BC[:, :, None, None]


class ChannelGate(nn.Module):
    """CBAM's first half (Woo et al. 2018, Eq. 2): mean and maximum of each channel through one shared MLP, summed."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        narrow = channels // reduction
        if narrow < 1:
            raise UserError(f"{channels} channels cannot be reduced by {reduction}", "choose a smaller reduction")
        self.mix = nn.Sequential(nn.Linear(channels, narrow), nn.ReLU(), nn.Linear(narrow, channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the map with each channel scaled."""
        gate_BC = (self.mix(x_BCHW.mean(dim=(2, 3))) + self.mix(x_BCHW.amax(dim=(2, 3)))).sigmoid()
        return x_BCHW * gate_BC[:, :, None, None]


class SpatialGate(nn.Module):
    """CBAM's second half (Woo et al. 2018, Eq. 3): maximum and mean over channels through a 7x7 convolution.

    As the authors' code has it: no bias, then BatchNorm (momentum 0.01) without a ReLU, which the paper leaves out.
    """

    def __init__(self, kernel: int = 7) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the map with each pixel scaled."""
        pooled_B2HW = torch.cat([x_BCHW.amax(1, keepdim=True), x_BCHW.mean(1, keepdim=True)], dim=1)
        return x_BCHW * self.norm(self.mix(pooled_B2HW)).sigmoid()


class BlockAttention(nn.Sequential):
    """CBAM (Woo et al. 2018): the channel gate, then the spatial gate."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__(ChannelGate(channels, reduction), SpatialGate())


# The report's last layer at each of its map sizes: kernel, stride, padding, output padding (the report's code).
PUBLISHED_LAST = {32: (3, 2, 1, 1), 30: (3, 3, 3, 0), 15: (3, 4, 1, 2), 13: (2, 4, 1, 1)}


def fit_last(size: int) -> tuple[int, int, int, int]:
    """Return kernel, stride, padding and output padding that bring the decoder's map back to ``size`` without holes."""
    before = 4 * (size // 8)
    stride = size // before
    return size - (before - 1) * stride, stride, 0, 0


class ConvolutionalAutoencoder(nn.Module):
    """A gate of the input's own C x H x W shape from an hourglass C -> 12 -> 24 -> 48 -> 24 -> 12 -> C.

    Every step is a 4x4 convolution of stride 2, the last one is fitted to ``size`` (pixels a side, 8 or more). The
    report's own fit (``covering=False``) strides past its kernel on 15- and 13-pixel maps: there 11 of 15 and 7 of
    13 rows get a gate from the code, the rest sigmoid(bias). Other sizes, and ``covering=True``, leave no holes.
    """

    def __init__(self, channels: int, size: int, *, covering: bool = False) -> None:
        super().__init__()
        if size < 8:
            raise UserError(f"a {size}x{size} map cannot be halved three times", "use maps of 8x8 pixels or more")
        widths = (channels, 12, 24, 48)
        published = None if covering else PUBLISHED_LAST.get(size)
        kernel, stride, padding, extra = published or fit_last(size)
        layers: list[nn.Module] = []
        for narrow, wide in itertools.pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1), nn.ReLU()]
        for wide, narrow in ((48, 24), (24, 12)):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1), nn.ReLU()]
        self.hourglass = nn.Sequential(*layers, nn.ConvTranspose2d(12, channels, kernel, stride, padding, extra))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the map with every element scaled."""
        return x_BCHW * self.hourglass(x_BCHW).sigmoid()


class LinearAutoencoder(nn.Module):
    """A gate along the last axis: each row of W pixels of each channel through W -> hidden -> ... -> W, alone.

    ``hidden`` lists the widths down to the bottleneck; the way back mirrors them. The report's first layer expands
    (W is at most 32, the layer has 128 units).
    """

    def __init__(self, width: int, hidden: Sequence[int] = (128, 64, 12)) -> None:
        super().__init__()
        sizes = [width, *hidden, *reversed(hidden[:-1]), width]
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(itertools.pairwise(sizes), start=1):
            layers.append(nn.Linear(before, after))
            # neither the bottleneck nor the output has a ReLU
            if number not in (len(hidden), len(sizes) - 1):
                layers.append(nn.ReLU())
        self.hourglass = nn.Sequential(*layers)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the map with every element scaled."""
        return x_BCHW * self.hourglass(x_BCHW).sigmoid()


def identity_loss(accuracy: float, classes: int) -> float:
    """Return the cross-entropy of saturated softmax outputs that are fed to a softmax once more.

    With a 1 at the chosen class and 0 elsewhere the loss is ln(e + C - 1) - hit, so its mean is a straight line in
    the accuracy: the report's losses lie on it to within 0.004 (G12 in deviations.md).
    """
    return math.log(math.e + classes - 1) - accuracy


def softmax_head(logits_BC: Tensor) -> Tensor:
    """Return softmax(ReLU(logits)), the report's last two layers; its loss takes a log-softmax of it again."""
    return F.relu(logits_BC).softmax(dim=1)
