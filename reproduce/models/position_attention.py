"""Attention whose maps depend on positions only: the quadratic rows and "learned w/o content".

Legend: B images, n side, N = n * n tokens, H heads, D width.
The naive path forms one map an image and contracts it with einsum, as the formula reads; the fast path computes
the maps once a call and applies them in separable form (S1) or as one matrix for the whole batch (S2).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.models.algebra import KeepingModule, apply_separable, apply_shared, merge_value_output
from reproduce.models.dropout import drop
from reproduce.models.positions import GaussianPositions, LearnedPositions


class SeparableMap(NamedTuple):
    """Attention as a row factor times a column factor, each (H, n, n) and row-stochastic."""

    row_Hnn: Tensor
    column_Hnn: Tensor

    def expand(self) -> Tensor:
        """Return the whole map (H, N, N)."""
        whole = torch.einsum("hik,hjl->hijkl", self.row_Hnn, self.column_Hnn)
        return whole.flatten(3, 4).flatten(1, 2)


class PositionAttention(KeepingModule):
    """Multi-head attention with input-independent maps; each head mixes all D channels.

    Without ``value_projection`` a head's values are the hidden states themselves, and the output layer
    (H * D -> D) holds one D x D matrix a head.
    """

    def __init__(
        self,
        positions: GaussianPositions | LearnedPositions,
        *,
        width: int,
        heads: int,
        side: int,
        dropout: float,
        dropout_mask: str,
        value_projection: bool,
    ) -> None:
        super().__init__()
        self.positions = positions
        self.heads, self.side, self.dropout, self.dropout_mask = heads, side, dropout, dropout_mask
        self.value = nn.Linear(width, heads * width, bias=False) if value_projection else None
        self.output = nn.Linear(heads * width, width)
        self.path = "fast"

    def keep(self, x_BND: Tensor) -> SeparableMap | Tensor:
        """Return the maps, which hierarchical passes share: factors where that is exact, else (H, N, N)."""
        del x_BND  # the maps do not depend on the images
        exact = self.positions.separable and not (self.training and self.dropout > 0)
        separable = exact and self.path == "fast"
        name = "factors" if separable else "map"
        build: Callable[[], SeparableMap | Tensor] = self._build_factors if separable else self._build_map
        return self._kept.get(name, self.positions.parameters(), build)

    def _build_factors(self) -> SeparableMap:
        row_Hnn, column_Hnn = self.positions.axis_scores(self.side)
        return SeparableMap(row_Hnn.softmax(-1), column_Hnn.softmax(-1))

    def _build_map(self) -> Tensor:
        return self.positions.scores(self.side).softmax(-1)

    def _build_output(self) -> Tensor:
        width = self.output.out_features
        out_HDE = self.output.weight.view(width, self.heads, -1).transpose(0, 1)
        if self.value is None:
            return out_HDE.contiguous()
        return merge_value_output(self.value.weight.view(self.heads, -1, width), out_HDE)

    def forward(self, x_BND: Tensor, kept: SeparableMap | Tensor) -> Tensor:
        """Return the attention output (B, N, D) for hidden states x under the kept maps."""
        if self.path == "naive":
            return self.forward_with_attention(x_BND, kept)[0]
        weights = [self.output.weight] if self.value is None else [self.output.weight, self.value.weight]
        out_HDD = self._kept.get("output", weights, self._build_output)
        if isinstance(kept, SeparableMap):
            return self._add_bias(apply_separable(x_BND, *kept, out_HDD))
        B, N, D = x_BND.shape
        z_BNHD = F.linear(x_BND, out_HDD.reshape(-1, D)).view(B, N, self.heads, D)
        if self.training and self.dropout > 0 and self.dropout_mask == "sample":
            map_BNNH = drop(kept.permute(1, 2, 0).expand(B, N, N, self.heads), self.dropout, self.training)
            return self._add_bias(torch.bmm(map_BNNH.reshape(B, N, -1), z_BNHD.reshape(B, -1, D)))
        return self._add_bias(apply_shared(drop(kept, self.dropout, self.training), z_BNHD))

    def _add_bias(self, y_BND: Tensor) -> Tensor:
        return y_BND + self.output.bias.to(y_BND.dtype)  # in y's dtype: a float32 bias would widen a bfloat16 y

    def forward_with_attention(self, x_BND: Tensor, kept: SeparableMap | Tensor) -> tuple[Tensor, Tensor]:
        """Return the output (B, N, D) and the maps before dropout (B, H, N, N), by the naive form."""
        B, N, D = x_BND.shape
        map_HNN = kept.expand() if isinstance(kept, SeparableMap) else kept
        map_BHNN = map_HNN.expand(B, -1, -1, -1)
        if self.dropout_mask == "batch":
            dropped = F.dropout(map_HNN, self.dropout, self.training).expand(B, -1, -1, -1)
        else:
            dropped = F.dropout(map_BHNN, self.dropout, self.training)
        if self.value is None:
            joined = torch.einsum("bhqk,bkd->bqhd", dropped, x_BND)
        else:
            value_BNHD = self.value(x_BND).view(B, N, self.heads, D)
            joined = torch.einsum("bhqk,bkhd->bqhd", dropped, value_BNHD)
        return self.output(joined.reshape(B, N, -1)), map_BHNN
