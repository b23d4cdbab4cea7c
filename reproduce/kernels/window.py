"""The k x k footprint: which input pixels an output pixel looks at, and what lies beyond the border.

Output pixel (oy, ox) has its centre at input (s*oy, s*ox); tap t = ky*k + kx (row-major, ky slowest) reads
the padded map at (s*oy + d*ky, s*ox + d*kx), padded by p = d*(k-1)/2 on every side ("same" padding).
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

PAD_MODES = ("reflect", "zero")


class Window(NamedTuple):
    """Footprint of a local operator; sizes are in pixels, ``kernel`` is odd."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    reflect: bool = True

    @property
    def pad(self) -> int:
        """Pixels added on every side, so that the centre of output o is input s*o."""
        return self.dilation * (self.kernel - 1) // 2

    @property
    def taps(self) -> int:
        """Number of neighbours k*k."""
        return self.kernel * self.kernel

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        """Return (Ho, Wo) = (ceil(H/s), ceil(W/s))."""
        return -(-height // self.stride), -(-width // self.stride)

    def offsets(self) -> list[tuple[int, int]]:
        """Return the (y, x) offset of every tap on the padded map, in tap order."""
        return [(self.dilation * ky, self.dilation * kx) for ky in range(self.kernel) for kx in range(self.kernel)]

    def pad_map(self, x_NCHW: Tensor) -> Tensor:
        """Return (N, C, H+2p, W+2p): reflected (no edge repeat) or zero beyond the border."""
        if self.pad == 0:
            return x_NCHW
        if self.reflect and x_NCHW.device.type == "cuda":
            return mirror(mirror(x_NCHW, -1, self.pad), -2, self.pad)
        return F.pad(x_NCHW, (self.pad,) * 4, mode="reflect" if self.reflect else "constant")

    def centres(self, x_NCHW: Tensor) -> Tensor:
        """Return (N, C, Ho, Wo): the map at the centre of every output pixel."""
        return x_NCHW if self.stride == 1 else x_NCHW[..., :: self.stride, :: self.stride]

    def spread_centres(self, centre_NCHoWo: Tensor, height: int, width: int) -> Tensor:
        """Return (N, C, H, W): the transpose of `centres`, zero off the stride grid."""
        if self.stride == 1:
            return centre_NCHoWo
        out = centre_NCHoWo.new_zeros(*centre_NCHoWo.shape[:2], height, width)
        self.centres(out).copy_(centre_NCHoWo)
        return out


def mirror(x: Tensor, dim: int, pad: int) -> Tensor:
    """Return ``x`` with ``pad`` reflected places on both sides of ``dim``.

    F.pad's own backward adds atomically on CUDA, in no fixed order; this one adds slices.
    """
    size = x.shape[dim]
    before, after = x.narrow(dim, 1, pad).flip(dim), x.narrow(dim, size - 1 - pad, pad).flip(dim)
    return torch.cat([before, x, after], dim)


def fold_border(g_NCHpWp: Tensor, window: Window) -> Tensor:
    """Return (N, C, H, W): the transpose of `Window.pad_map`, border gradient folded back where it is reflected."""
    for dim in (-2, -1):
        g_NCHpWp = _fold_axis(g_NCHpWp, dim, window.pad, window.reflect)
    return g_NCHpWp


def _fold_axis(g: Tensor, dim: int, pad: int, reflect: bool) -> Tensor:
    if pad == 0:
        return g
    size = g.shape[dim] - 2 * pad
    inner = g.narrow(dim, pad, size)
    if not reflect:
        return inner
    # Row -i is a copy of row i (i = 1..p) and row H-1+i of row H-1-i, so their gradients join those rows.
    inner = inner.clone()
    inner.narrow(dim, 1, pad).add_(g.narrow(dim, 0, pad).flip(dim))
    inner.narrow(dim, size - 1 - pad, pad).add_(g.narrow(dim, size + pad, pad).flip(dim))
    return inner
