"""Attention by content, with or without relative positions: "learned w/ content" and the Vision Transformer.

Legend: B images, n side, N tokens (n * n, or n * n + 1 with a class token), H heads, D width = head dimension,
T = 2n - 1 shifts. The naive path projects queries, keys and values and contracts them with einsum; the fast path
merges W_q with W_k and W_v with W_o (S4, S5 in docs/sources.md), so that scores and values are taken against the
hidden states themselves, and no tensor is ever permuted.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.models.algebra import KeepingModule, merge_query_key, merge_value_output
from reproduce.models.dropout import draw_mask, drop

# Images a chunk at inference: scores of a few images (2.4 MB each at 9 heads, 256 tokens) stay in cache.
_CHUNK = 4


def transpose_tokens(x_BND: Tensor, side: int) -> Tensor:
    """Swap rows and columns of the token map."""
    B, _, D = x_BND.shape
    return x_BND.view(B, side, side, D).transpose(1, 2).reshape(B, side * side, D)


class RelativeTables(nn.Module):
    """Row and column tables (T, D/2); a query's halves are scored against them ([Re] section 3.2.2)."""

    shift_nn: Tensor
    place_PN: Tensor

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.row_table = nn.Embedding(2 * side - 1, width // 2)
        self.column_table = nn.Embedding(2 * side - 1, width // 2)
        axis = torch.arange(side)
        # shift of key k seen from query i, as an index into the tables
        self.register_buffer("shift_nn", axis[None, :] - axis[:, None] + side - 1, persistent=False)
        token = torch.arange(side * side)
        place = torch.cat([F.one_hot(token // side, side), F.one_hot(token % side, side)], dim=1)
        self.register_buffer("place_PN", place.T.float(), persistent=False)

    def score(self, query_BNHD: Tensor) -> Tensor:
        """Return the position scores (B, H, N, N) of queries, as the formula reads."""
        n, half = self.shift_nn.shape[0], self.row_table.embedding_dim
        query = query_BNHD.unflatten(1, (n, n))
        row = torch.einsum("bijhd,ikd->bhijk", query[..., :half], self.row_table(self.shift_nn))
        column = torch.einsum("bijhd,jld->bhijl", query[..., half:], self.column_table(self.shift_nn))
        return (row[..., :, None] + column[..., None, :]).flatten(4, 5).flatten(2, 3)

    def merge(self, query_HDD: Tensor) -> Tensor:
        """Return P (H, 2T, D) that turns hidden states into scores by shift: W_q merged with both tables."""
        half = self.row_table.embedding_dim
        row = self.row_table.weight @ query_HDD[:, :half]
        column = self.column_table.weight @ query_HDD[:, half:]
        return torch.cat([row, column], dim=1)

    def gather(self, shift_BNHS: Tensor) -> Tensor:
        """Pick the 2n scores that a query meets (by key row, by key column) from its 2T scores by shift."""
        n = self.shift_nn.shape[0]
        B, _, H, _ = shift_BNHS.shape
        shift = shift_BNHS.view(B, n, n, H, 2, 2 * n - 1)
        row = torch.gather(shift[..., 0, :], -1, self.shift_nn[None, :, None, None, :].expand(B, n, n, H, n))
        column = torch.gather(shift[..., 1, :], -1, self.shift_nn[None, None, :, None, :].expand(B, n, n, H, n))
        return torch.cat([row, column], dim=-1).view(B, n * n * H, 2 * n)


class ContentAttention(KeepingModule):
    """Multi-head attention by content, D_h = D, scores scaled by 1/sqrt(D).

    ``side`` adds relative positions; ``transpose_content`` is slip B2 (the maps of the transposed image).
    ``keep`` returns what hierarchical passes share: the keys of the first pass.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        side: int | None,
        dropout: float,
        dropout_mask: str = "sample",
        value_projection: bool,
        query_key_bias: bool = False,
        transpose_content: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.dropout, self.dropout_mask = heads, dropout, dropout_mask
        self.transpose_side = side if transpose_content else None
        self.query = nn.Linear(width, heads * width, bias=query_key_bias)
        self.key = nn.Linear(width, heads * width, bias=query_key_bias)
        self.value = nn.Linear(width, heads * width, bias=False) if value_projection else None
        self.output = nn.Linear(heads * width, width)
        self.positions = RelativeTables(width, side) if side else None
        self.path = "fast"

    def keep(self, x_BND: Tensor) -> Tensor:
        """Return the keys: hidden states on the fast path (W_k is merged), projected keys on the naive one."""
        return x_BND if self.path == "fast" else self.key(x_BND)

    def forward(self, x_BND: Tensor, kept: Tensor) -> Tensor:
        """Return the attention output (B, N, D) of hidden states x against the kept keys."""
        if self.path == "naive":
            return self.forward_with_attention(x_BND, kept)[0]
        merged = self._kept.get("merged", self.parameters(), self._merge)
        if torch.is_grad_enabled():
            return self._attend(x_BND, kept, *merged)
        chunks = zip(x_BND.split(_CHUNK), kept.split(_CHUNK), strict=True)
        return torch.cat([self._attend(x, key, *merged) for x, key in chunks])

    def _merge(self) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor]:
        """Return the merged weights: content (HD, D), its bias, positions (H 2T, D), its bias, output (D, HD)."""
        H, D = self.heads, self.query.in_features
        scale = 1.0 / math.sqrt(D)
        query_HDD = scale * self.query.weight.view(H, D, D)
        key_HDD = self.key.weight.view(H, D, D)
        content = merge_query_key(key_HDD, query_HDD).reshape(H * D, D)
        content_bias = place = place_bias = None
        if self.positions is not None:
            place = self.positions.merge(query_HDD).reshape(-1, D)
        if self.query.bias is not None:
            # b_q . k_j stays; W_q x_i . b_k is the same for all keys and the softmax cancels it
            bias_H1D = scale * self.query.bias.view(H, 1, D)
            content_bias = (bias_H1D @ key_HDD).reshape(-1)
            if self.positions is not None:
                place_bias = self.positions.merge(bias_H1D.transpose(1, 2)).reshape(-1)
        if self.value is None:
            return content, content_bias, place, place_bias, self.output.weight
        merged_HDD = merge_value_output(
            self.value.weight.view(H, D, D), self.output.weight.view(D, H, D).transpose(0, 1)
        )
        return content, content_bias, place, place_bias, merged_HDD.transpose(0, 1).reshape(D, H * D)

    def _attend(
        self,
        x_BND: Tensor,
        key_BND: Tensor,
        content: Tensor,
        content_bias: Tensor | None,
        place: Tensor | None,
        place_bias: Tensor | None,
        output: Tensor,
    ) -> Tensor:
        B, N, D = x_BND.shape
        query_BMD = F.linear(x_BND, content, content_bias).view(B, N * self.heads, D)
        score_BMN = torch.bmm(query_BMD, key_BND.transpose(1, 2))
        if self.positions is not None and place is not None:
            shift_BNHS = F.linear(x_BND, place, place_bias).view(B, N, self.heads, -1)
            met_BMP = self.positions.gather(shift_BNHS)
            place_BPN = self.positions.place_PN.expand(B, -1, -1)
            score_BMN = torch.baddbmm(score_BMN, met_BMP.to(score_BMN), place_BPN.to(score_BMN))
        map_BMN = self._drop(score_BMN.softmax(-1).to(score_BMN))
        value_BND = x_BND if self.transpose_side is None else transpose_tokens(x_BND, self.transpose_side)
        joined_BNE = torch.bmm(map_BMN, value_BND.to(map_BMN)).view(B, N, self.heads * D)
        y_BND = F.linear(joined_BNE, output, self.output.bias)
        return y_BND if self.transpose_side is None else transpose_tokens(y_BND, self.transpose_side)

    def _drop(self, map_: Tensor) -> Tensor:
        if self.dropout_mask == "batch" and self.training and self.dropout > 0:
            return map_ * draw_mask(map_[:1].shape, self.dropout, map_)
        return drop(map_, self.dropout, self.training)

    def forward_with_attention(self, x_BND: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output (B, N, D) and the maps before dropout (B, H, N, N), by the naive form.

        ``kept`` are projected keys on the naive path and hidden states on the fast one.
        """
        B, N, D = x_BND.shape
        key_BNHD = (self.key(kept) if self.path == "fast" else kept).view(B, N, self.heads, D)
        query_BNHD = self.query(x_BND).view(B, N, self.heads, D)
        score_BHNN = torch.einsum("bqhd,bkhd->bhqk", query_BNHD, key_BNHD)
        if self.positions is not None:
            score_BHNN = score_BHNN + self.positions.score(query_BNHD)
        map_BHNN = (score_BHNN / math.sqrt(D)).softmax(-1)
        if self.transpose_side is not None:
            n = self.transpose_side
            map_BHNN = map_BHNN.view(B, self.heads, n, n, n, n).permute(0, 1, 3, 2, 5, 4).reshape(map_BHNN.shape)
        dropped = self._drop(map_BHNN)
        if self.value is None:
            joined = torch.einsum("bhqk,bkd->bqhd", dropped, x_BND)
        else:
            joined = torch.einsum("bhqk,bkhd->bqhd", dropped, self.value(x_BND).view(B, N, self.heads, D))
        return self.output(joined.reshape(B, N, -1)), map_BHNN
