"""Attention-augmented convolution (Bello et al. 2019) and its linear form, as the CIFAR-100 study has them.

One part of the output channels comes from a 3x3 convolution, the other from attention over all pixels:

    conv = AugmentedConvolution(128, 128, key=256, value=64, heads=1, size=16, form="full")
    conv(x_BCHW)                               # (B, 128, 16, 16)

Legend: B images, C channels, H x W pixels, n = H * W tokens, h heads, d = key / h, e = value / h.
Sources: the slides and their code (structure), Bello et al. 2019, Shen et al. 2021 (linear form, softmax axes right).
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from reproduce.errors import UserError

Form = Literal["full", "linear"]
Axes = Literal["swapped", "shen"]
Positions = Literal["none", "sincos", "learned", "relative"]


def full_attention(query_BhnD: Tensor, key_BhnD: Tensor, value_BhnE: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return softmax(q k^T / sqrt(d) + bias) v, (B, h, n, e); time n^2 (d + e), memory n^2 a head."""
    return attention_map(query_BhnD, key_BhnD, bias) @ value_BhnE


def attention_map(query_BhnD: Tensor, key_BhnD: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the weights of :func:`full_attention`, (B, h, n, n); each row sums to one."""
    scores_Bhnn = (query_BhnD * query_BhnD.shape[-1] ** -0.5) @ key_BhnD.transpose(-1, -2)
    return (scores_Bhnn if bias is None else scores_Bhnn + bias).softmax(-1)


def normalise_linear(query_BhnD: Tensor, key_BhnD: Tensor, axes: Axes) -> tuple[Tensor, Tensor]:
    """Return query and key as linear attention multiplies them.

    ``shen``: the query's softmax is over its d channels, the key's over the n positions, so that every query's
    weights sum to one. ``swapped`` (A1): the study's slides and code take each over the other axis, and scale both
    by 1 / sqrt(d); then every key's weights sum to one, and a query's to anything.
    """
    if axes == "shen":
        return query_BhnD.softmax(-1), key_BhnD.softmax(-2)
    scale = query_BhnD.shape[-1] ** -0.5
    return (query_BhnD * scale).softmax(-2), (key_BhnD * scale).softmax(-1)


def linear_attention(query_BhnD: Tensor, key_BhnD: Tensor, value_BhnE: Tensor, axes: Axes = "shen") -> Tensor:
    """Return q (k^T v) with both normalised, (B, h, n, e); time 2 n d e, memory d e a head."""
    query, key = normalise_linear(query_BhnD, key_BhnD, axes)
    return query @ (key.transpose(-1, -2) @ value_BhnE)


def encode_sine(channels: int, height: int, width: int) -> Tensor:
    """Return the fixed position code (C, H, W): rows in the first half of the channels, columns in the second.

    Channels 2k and 2k+1 of each half are sine and cosine of the coordinate at wavelength 2 pi 10000^(4k/C).
    """
    if channels % 4:
        raise UserError(f"{channels} channels do not divide by 4", "sine codes need sine and cosine of two axes")
    rate_K = 10_000.0 ** (-4 * torch.arange(channels // 4, dtype=torch.float64) / channels)

    def waves(length: int) -> Tensor:
        angle_KT = rate_K[:, None] * torch.arange(length, dtype=torch.float64)
        return torch.stack([angle_KT.sin(), angle_KT.cos()], 1).flatten(0, 1)

    rows_CH, columns_CW = waves(height), waves(width)
    code = torch.cat([rows_CH[:, :, None].expand(-1, -1, width), columns_CW[:, None, :].expand(-1, height, -1)])
    return code.to(torch.get_default_dtype())


class RelativePositions(nn.Module):
    """Relative position logits (Bello et al. 2019, section 3.2): q . r_(dx) + q . r_(dy), one table for all heads."""

    def __init__(self, depth: int, height: int, width: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.randn(2 * height - 1, depth) * depth**-0.5)
        self.columns = nn.Parameter(torch.randn(2 * width - 1, depth) * depth**-0.5)
        self.height, self.width = height, width

    def forward(self, query_BhnD: Tensor) -> Tensor:
        """Return what is added to the scaled scores, (B, h, n, n)."""
        H, W = self.height, self.width
        B, h, _, D = query_BhnD.shape
        query_BhHWD = query_BhnD.reshape(B, h, H, W, D) * D**-0.5
        row_HH = torch.arange(H, device=query_BhnD.device)
        column_WW = torch.arange(W, device=query_BhnD.device)
        from_rows = self.rows[row_HH[None, :] - row_HH[:, None] + H - 1]
        from_columns = self.columns[column_WW[None, :] - column_WW[:, None] + W - 1]
        rows_BhHWG = torch.einsum("bhyxd,ygd->bhyxg", query_BhHWD, from_rows)
        columns_BhHWG = torch.einsum("bhyxd,xgd->bhyxg", query_BhHWD, from_columns)
        return (rows_BhHWG[..., :, None] + columns_BhHWG[..., None, :]).reshape(B, h, H * W, H * W)


class AugmentedConvolution(nn.Module):
    """3x3 convolution and attention side by side, their outputs joined along the channels.

    The attention branch alone sees the position code, added to its input, so that it enters queries, keys and values.

    Args:
        inputs: channels in.
        outputs: channels out; ``value`` of them come from attention.
        key: channels of queries and of keys, all heads together.
        value: channels of values.
        heads: number of heads; divides ``key`` and ``value``.
        size: pixels a side of the map (position codes are of one size).
        form: full attention, or linear.
        axes: of the linear form's softmaxes.
        positions: of the code; ``relative`` adds to scores, which the linear form has not.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        key: int,
        value: int,
        heads: int,
        size: int,
        form: Form = "full",
        axes: Axes = "shen",
        positions: Positions = "sincos",
    ) -> None:
        super().__init__()
        if key % heads or value % heads or not 0 < value < outputs:
            raise UserError(
                f"{key} key and {value} of {outputs} channels do not divide among {heads} heads",
                "choose widths that the number of heads divides, and fewer value channels than outputs",
            )
        if positions == "relative" and form == "linear":
            raise UserError(
                "linear attention has no scores to add relative positions to", "choose sincos, learned or none"
            )
        self.sizes, self.heads = (key, key, value), heads
        self.form, self.axes = form, axes
        self.local = nn.Conv2d(inputs, outputs - value, 3, padding=1)
        self.project = nn.Conv2d(inputs, 2 * key + value, 1)
        self.merge = nn.Conv2d(value, value, 1)
        self.relative = RelativePositions(key // heads, size, size) if positions == "relative" else None
        code: Tensor | nn.Parameter | None = None
        if positions == "sincos":
            code = encode_sine(inputs, size, size)
        elif positions == "learned":
            code = nn.Parameter(torch.randn(inputs, size, size) / math.sqrt(inputs))
        if isinstance(code, nn.Parameter):
            self.code: Tensor | None = code
        else:
            self.register_buffer("code", code, persistent=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, outputs, H, W): the convolution's channels, then attention's."""
        query, key, value = self._split(x_BCHW)
        if self.form == "linear":
            attended = linear_attention(query, key, value, self.axes)
        else:
            attended = full_attention(query, key, value, self.relative(query) if self.relative else None)
        return self._join(x_BCHW, attended)

    def forward_with_weights(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output and the weights (B, h, n, n) that the attention branch applies, rows are queries."""
        query, key, value = self._split(x_BCHW)
        if self.form == "linear":
            query, key = normalise_linear(query, key, self.axes)
            weights = query @ key.transpose(-1, -2)
        else:
            weights = attention_map(query, key, self.relative(query) if self.relative else None)
        return self._join(x_BCHW, weights @ value), weights

    def _split(self, x_BCHW: Tensor) -> list[Tensor]:
        """Return queries, keys (B, h, n, d) and values (B, h, n, e); heads are the outer part of the channels."""
        coded = x_BCHW if self.code is None else x_BCHW + self.code
        parts = self.project(coded).flatten(2).split(self.sizes, dim=1)
        return [part.unflatten(1, (self.heads, -1)).transpose(2, 3) for part in parts]

    def _join(self, x_BCHW: Tensor, attended_BhnE: Tensor) -> Tensor:
        H, W = x_BCHW.shape[-2:]
        attended_BVHW = attended_BhnE.transpose(2, 3).flatten(1, 2).unflatten(2, (H, W))
        return torch.cat([self.local(x_BCHW), self.merge(attended_BVHW)], dim=1)
