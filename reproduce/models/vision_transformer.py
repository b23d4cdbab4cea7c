"""The [Re] report's Vision Transformer (its section 4.3), with its hierarchical form.

Legend: B images, n side of the patch map, N = n * n + 1 tokens with a class token, D width, H heads.
Stem: conv 3x3 and the first stage of a ResNet-18 (the published size needs it); 2x2 patches of its
map -> linear to D + learned positions -> pre-norm blocks -> one token (or the mean) -> logits.
The class token enters as a patch: zeros (then its vector is learned through its position's row) or, as the
report's code has it, fresh uniform noise at every pass (B13).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.models.attention_cnn import split_patches
from reproduce.models.content_attention import ContentAttention
from reproduce.models.resnet import init_convolutions, make_stage, make_stem
from reproduce.recipes.architectures import VisionTransformer


class PreNormBlock(nn.Module):
    """y = r + attention(LN(x)), z = r' + feed-forward(LN(y)); the residual r is x, or LN(x) under slip B13."""

    def __init__(self, spec: VisionTransformer) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(spec.width)
        self.attention = ContentAttention(
            width=spec.width, heads=spec.heads, side=None, dropout=spec.attention_dropout, value_projection=True
        )
        self.feed_norm = nn.LayerNorm(spec.width)
        self.expand = nn.Linear(spec.width, spec.hidden)
        self.contract = nn.Linear(spec.hidden, spec.width)
        self.carry_norm = spec.residual == "normed"

    def finish(self, x_BND: Tensor, normed_BND: Tensor, attended_BND: Tensor) -> Tensor:
        """Return the block's output from its input, the normed input and the attention's output."""
        y_BND = (normed_BND if self.carry_norm else x_BND) + attended_BND
        normed_y = self.feed_norm(y_BND)
        return (normed_y if self.carry_norm else y_BND) + self.contract(F.gelu(self.expand(normed_y)))


class VisionTransformerNetwork(nn.Module):
    """Classifier; ``forward`` returns logits (B, classes)."""

    def __init__(self, spec: VisionTransformer) -> None:
        super().__init__()
        self.spec = spec
        self.stem: nn.Module = nn.Identity()
        channels = 3
        if spec.stem == "resnet":
            channels = spec.stem_width
            self.stem = nn.Sequential(make_stem(channels), make_stage(channels, channels, 2, 1))
            init_convolutions(self.stem)
        self.side = spec.image_size // spec.patch
        tokens = self.side**2 + (spec.cls_token != "none")
        self.embed = nn.Linear(channels * spec.patch**2, spec.width)
        self.position = nn.Embedding(tokens, spec.width)
        copies = 1 if spec.hierarchical else spec.depth
        self.blocks = nn.ModuleList(PreNormBlock(spec) for _ in range(copies))
        self.classify = nn.Linear(spec.width, spec.classes)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        return self._run(image_BCHW, None)

    def forward_with_attention(self, image_BCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return logits and each layer's attention (B, H, N, N); token 0 is the class token where there is one."""
        maps: list[Tensor] = []
        return self._run(image_BCHW, maps), maps

    def _embed(self, image_BCHW: Tensor) -> Tensor:
        patch_BNE = split_patches(self.stem(image_BCHW), self.spec.patch)
        if self.spec.cls_token != "none":
            token_B1E = torch.zeros_like(patch_BNE[:, :1])
            if self.spec.cls_token == "noise":
                token_B1E = torch.rand_like(token_B1E)
            patch_BNE = torch.cat([token_B1E, patch_BNE], dim=1)
        return self.embed(patch_BNE) + self.position.weight

    def _run(self, image_BCHW: Tensor, maps: list[Tensor] | None) -> Tensor:
        x_BND = self._embed(image_BCHW)
        kept = None
        for layer in range(self.spec.depth):
            block: PreNormBlock = self.blocks[0 if self.spec.hierarchical else layer]  # type: ignore[assignment]
            normed = block.attention_norm(x_BND)
            if kept is None or not self.spec.hierarchical:
                kept = block.attention.keep(normed)
            if maps is None:
                attended = block.attention(normed, kept)
            else:
                attended, map_BHNN = block.attention.forward_with_attention(normed, kept)
                maps.append(map_BHNN)
            x_BND = block.finish(x_BND, normed, attended)
        return self.classify(x_BND[:, 0] if self.spec.pool == "cls" else x_BND.mean(dim=1))
