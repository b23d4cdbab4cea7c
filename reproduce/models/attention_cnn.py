"""The attention network of Cordonnier et al. (2020) as the [Re] report built it, with its hierarchical form.

Legend: B images, C colours, N = n * n tokens, D width, H heads.
Image -> 2x2 patches (space to depth) -> linear to D -> ``depth`` post-norm blocks -> mean over tokens -> logits.
Hierarchical attention ([Re] section 4.1): one block serves every pass, and the keys of the first pass are kept.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.models.content_attention import ContentAttention
from reproduce.models.position_attention import PositionAttention
from reproduce.models.positions import GaussianPositions, LearnedPositions
from reproduce.recipes.architectures import AttentionCnn


def split_patches(image_BCHW: Tensor, patch: int) -> Tensor:
    """Return patches as tokens (B, N, patch * patch * C), a token's values in order row, column, colour."""
    B, C, H, W = image_BCHW.shape
    blocks = image_BCHW.reshape(B, C, H // patch, patch, W // patch, patch)
    return blocks.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, patch * patch * C)


def make_attention(spec: AttentionCnn, side: int) -> PositionAttention | ContentAttention:
    """Return the attention layer that ``spec`` names."""
    if spec.positions == "learned-content":
        return ContentAttention(
            width=spec.width,
            heads=spec.heads,
            side=side,
            dropout=spec.attention_dropout,
            dropout_mask=spec.dropout_mask,
            value_projection=spec.value_projection,
            query_key_bias=spec.query_key_bias,
            transpose_content=spec.transpose_content,
        )
    positions: GaussianPositions | LearnedPositions
    if spec.positions == "gaussian":
        positions = GaussianPositions(spec.heads, spec.isotropic, spec.add_centre)
    else:
        positions = LearnedPositions(spec.heads, spec.width, side, spec.position_bias)
    return PositionAttention(
        positions,
        width=spec.width,
        heads=spec.heads,
        side=side,
        dropout=spec.attention_dropout,
        dropout_mask=spec.dropout_mask,
        value_projection=spec.value_projection,
    )


class Block(nn.Module):
    """Post-norm block: h = LN(x + attention(x)), y = LN(h + feed-forward(h)).

    ``skip_attention_norm`` is slip B4: the first norm is computed and thrown away.
    """

    def __init__(self, spec: AttentionCnn, side: int) -> None:
        super().__init__()
        self.attention = make_attention(spec, side)
        self.dense = nn.Linear(spec.width, spec.width) if spec.output_dense else None
        self.attention_norm = nn.LayerNorm(spec.width, eps=spec.norm_epsilon)
        self.expand = nn.Linear(spec.width, spec.hidden)
        self.contract = nn.Linear(spec.hidden, spec.width)
        self.output_norm = nn.LayerNorm(spec.width, eps=spec.norm_epsilon)
        self.dropout = nn.Dropout(spec.hidden_dropout)
        self.activation = F.relu if spec.activation == "relu" else F.gelu
        self.skip_attention_norm = spec.skip_attention_norm

    def finish(self, x_BND: Tensor, attended_BND: Tensor) -> Tensor:
        """Return the block's output from its input and its attention's output."""
        if self.dense is not None:
            attended_BND = self.dropout(self.dense(attended_BND))
        h_BND = x_BND + attended_BND
        if not self.skip_attention_norm:
            h_BND = self.attention_norm(h_BND)
        fed_BND = self.dropout(self.contract(self.activation(self.expand(h_BND))))
        return self.output_norm(h_BND + fed_BND)


class AttentionNetwork(nn.Module):
    """Classifier over patches; ``forward`` returns logits (B, classes)."""

    def __init__(self, spec: AttentionCnn) -> None:
        super().__init__()
        self.spec = spec
        self.side = spec.image_size // spec.patch
        self.embed = nn.Linear(3 * spec.patch**2, spec.width)
        copies = 1 if spec.hierarchical else spec.depth
        self.blocks = nn.ModuleList(Block(spec, self.side) for _ in range(copies))
        self.classify = nn.Linear(spec.width, spec.classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        return self._run(image_BCHW, None)

    def forward_with_attention(self, image_BCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return logits and each layer's attention (B, H, N, N), rows are queries."""
        maps: list[Tensor] = []
        return self._run(image_BCHW, maps), maps

    def _run(self, image_BCHW: Tensor, maps: list[Tensor] | None) -> Tensor:
        x_BND = self.embed(split_patches(image_BCHW, self.spec.patch))
        kept = None
        for layer in range(self.spec.depth):
            block: Block = self.blocks[0 if self.spec.hierarchical else layer]  # type: ignore[assignment]
            if kept is None or not self.spec.hierarchical:
                kept = block.attention.keep(x_BND)
            if maps is None:
                attended = block.attention(x_BND, kept)
            else:
                attended, map_BHNN = block.attention.forward_with_attention(x_BND, kept)  # type: ignore[arg-type]
                maps.append(map_BHNN)
            x_BND = block.finish(x_BND, attended)
        return self.classify(torch.mean(x_BND, dim=1))
