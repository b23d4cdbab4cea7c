"""1x1 convolution, as a matrix product where that is the faster way.

Legend: B images, C channels in, D channels out, L = H * W pixels.
"""

import torch
from torch import Tensor, nn

from reproduce.kernels.backend import is_exporting

MIN_PIXELS = 256  # of a map; on a CPU a product an image wins above that, the convolution's one product below


class Pointwise(nn.Conv2d):
    """nn.Conv2d of kernel 1, same parameters and values.

    The CPU's convolutions reorder maps into blocks of 16 channels, which costs more than the product itself where
    there are few: forward and backward of 16 -> 1 channels of 32 x 32 pixels took 13 times as long that way.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 1, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Return (B, D, H, W) from (B, C, H, W)."""
        if not _wins(input):
            return super().forward(input)
        x_BCL = input.flatten(2)
        weight_BDC = self.weight.flatten(1).expand(len(x_BCL), -1, -1)
        if self.bias is None:
            y_BDL = torch.bmm(weight_BDC, x_BCL)
        else:
            y_BDL = torch.baddbmm(self.bias[:, None], weight_BDC, x_BCL)
        return y_BDL.unflatten(2, input.shape[2:])


def _wins(x: Tensor) -> bool:
    """Return whether the product is the faster way for ``x``; graphs that are traced keep the convolution."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing() or is_exporting()
    return not traced and x.device.type == "cpu" and x.dim() == 4 and x.shape[2] * x.shape[3] >= MIN_PIXELS
