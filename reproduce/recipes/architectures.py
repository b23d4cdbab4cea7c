"""What a model is, in numbers and switches: one frozen dataclass a family, no torch.

``reproduce.models.build`` turns one of these into a network. Every slip of a published code is a field of its
own whose default is the right mathematics; the bracket names the slip in ``paper_tables/deviations.md``.

    AttentionCnn(positions="learned-content", heads=9, hierarchical=True)
"""

import typing
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from reproduce.recipes.ranges import Between, Classes, Count, Dropout, Few, ImageSize, Size


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """ResNet-18 with a 3x3 stem and no max-pool, the convolutional baseline of Table 1."""

    family: ClassVar[str] = "resnet"
    image_size: ImageSize = 32
    classes: Classes = 10
    width: Size = 64
    blocks: tuple[int, ...] = (2, 2, 2, 2)


@dataclass(frozen=True, kw_only=True)
class AttentionCnn:
    """Six post-norm attention blocks over a 16x16 map of 2x2 patches (Cordonnier et al. 2020; [Re] section 3).

    Each head is as wide as the model (D_h = D_out = ``width``), so that N_h heads act as an
    sqrt(N_h) x sqrt(N_h) convolution with ``width`` filters.
    """

    family: ClassVar[str] = "attention-cnn"
    image_size: ImageSize = 32
    classes: Classes = 10
    patch: Few = 2
    width: Size = 400
    hidden: Count = 512
    heads: Few = 9
    depth: Few = 6
    positions: Literal["gaussian", "learned", "learned-content"] = "learned-content"
    isotropic: bool = True  # gaussian positions only
    hierarchical: bool = False  # one block, `depth` passes, keys of the first pass kept
    attention_dropout: Dropout = 0.1
    hidden_dropout: Dropout = 0.0
    dropout_mask: Literal["batch", "sample"] = "sample"  # B18: position-only maps: one mask a step, or one an image
    activation: Literal["relu", "gelu"] = "relu"
    norm_epsilon: float = 1e-5
    value_projection: bool = False  # B10: a value projection per head before the output projection
    output_dense: bool = False  # the original's extra D x D layer after the heads are joined
    query_key_bias: bool = False  # the original's biases on queries and keys
    position_bias: bool = True  # a bias per head on position-only scores; the softmax cancels it
    transpose_content: bool = False  # B2: scores of the transposed image
    add_centre: bool = False  # B3: c + mu_2 where c * mu_2 is meant
    skip_attention_norm: bool = False  # B4: the LayerNorm after attention has no effect


@dataclass(frozen=True, kw_only=True)
class VisionTransformer:
    """The report's Vision Transformer: ResNet stem, 2x2 patches of its map, heads as wide as the model."""

    family: ClassVar[str] = "vision-transformer"
    image_size: ImageSize = 32
    classes: Classes = 10
    stem: Literal["resnet", "none"] = "resnet"
    stem_width: int = 64
    patch: Few = 2
    width: Size = 400
    hidden: Count = 512
    heads: Few = 9
    depth: Few = 6
    hierarchical: bool = False
    attention_dropout: Dropout = 0.1
    residual: Literal["raw", "normed"] = "raw"  # B13: the residual branch carries LN(x)
    cls_token: Literal["learned", "noise", "none"] = "learned"  # B13: fresh uniform noise at every pass
    pool: Literal["cls", "mean"] = "cls"  # B13: mean over patches and class token alike


@dataclass(frozen=True, kw_only=True)
class San:
    """Self-attention network (Zhao et al. 2020): official SAN10/15/19, the report's cut of it and its HA form."""

    family: ClassVar[str] = "san"
    image_size: ImageSize = 32
    classes: Classes = 10
    attention: Literal["pairwise", "patchwise"] = "pairwise"
    relation: Literal["subtraction", "summation", "concatenation", "hadamard", "dot", "star", "clique"] = "subtraction"
    stem: int = 64
    widths: tuple[int, ...] = (64, 256, 512, 1024)
    layers: tuple[int, ...] = (2, 1, 2, 4)
    kernels: tuple[int, ...] = (3, 3, 3, 3)
    pool: bool = True  # 2x2 max-pool before each stage
    pool_above: Annotated[int, Between(1, 4096)] = 1  # only of maps with more than so many pixels a side
    transitions: bool = True  # a 1x1 convolution before each stage, BatchNorm and ReLU after it
    final_relu: bool = True  # E2: rectify what the mean over the last map is taken of
    dropout: Dropout = 0.0  # of a block's result, before it is added to the block's input
    relation_ratio: Size = 16  # r = C / r1
    relation_minimum: Size = 1  # of r
    value_ratio: Size = 4  # mid = C / r2
    value_minimum: Size = 1  # of mid
    share: Size = 8  # channels that share one attention weight, or all where there are fewer
    projection_bias: bool = True
    hierarchical: bool = False  # one stage used in `len(widths)` passes, keys of the first pass kept
    pass_statistics: Literal["per-pass", "shared"] = "per-pass"  # shared BatchNorm layers: whose running statistics
    discard_preactivation: bool = False  # B11: attention is fed x, not ReLU(BN(x))
    reuse_first_key: bool = False  # B11: every block scores against the first block's keys

    def channels(self, width: int) -> tuple[int, int, int]:
        """Return a block's channels of relation (r), values (mid) and attention weights at ``width``."""
        relation = max(width // self.relation_ratio, self.relation_minimum)
        values = max(width // self.value_ratio, self.value_minimum)
        return relation, values, values // min(self.share, values)

    def related(self, relation: int, taps: int) -> int:
        """Return the channels that enter the mapping gamma, from those of the relation: positions included."""
        if self.attention == "pairwise":
            return {"concatenation": 2 * relation, "dot": 1}.get(self.relation, relation) + 2
        sizes = {"subtraction": relation * taps, "star": taps, "clique": taps * taps}
        return sizes.get(self.relation, relation * (taps + 1))

    def sides(self, image_size: int | None = None) -> list[int]:
        """Return the pixels a side of each stage's map, for images of ``image_size`` (by default the model's)."""
        found, side = [], image_size or self.image_size
        for _ in self.widths:
            side = side // 2 if self.pool and side > self.pool_above else side
            found.append(side)
        return found


@dataclass(frozen=True, kw_only=True)
class GateCnn:
    """Two blocks of two convolutions with gates on their outputs (gates report, section 2).

    Defaults are what the printed parameter counts and the published code agree on; the alternatives are arms.
    """

    family: ClassVar[str] = "gate-cnn"
    image_size: ImageSize = 32
    classes: Classes = 10
    width: Size = 64
    hidden: Count = 512
    gates: tuple[Literal["eca", "cbam", "cbam-spatial", "conv-ae", "linear-ae"], ...] = ()  # in this order
    sites: Literal["all", "first"] = "all"  # G14: after both convolutions of a block, or after its first
    eca_kernel: Literal["3", "adaptive"] = "3"  # G15
    reduction: int = 16  # of CBAM's channel gate
    gate_hidden: tuple[int, ...] = (128, 64, 12)  # of the linear autoencoder
    covering: bool = False  # G16: autoencoder gates without holes
    third_block: Literal["none", "idle", "used"] = "none"  # G13: idle is built and never called
    head: Literal["relu-softmax", "logits"] = "relu-softmax"  # G12: what enters the cross-entropy


@dataclass(frozen=True, kw_only=True)
class AugmentedResNet:
    """Wide residual network, the last convolution of each block augmented (the slides' Wide-ResNet)."""

    family: ClassVar[str] = "augmented-resnet"
    image_size: ImageSize = 32
    classes: Classes = 100
    stem: int = 16
    widen: int = 8
    augment: Literal["none", "full", "linear"] = "none"
    heads: Annotated[tuple[int, ...], Between(1, 1024)] = (1, 2, 4)  # of the three groups
    key_share: int = 2  # queries are so many times as wide as the block; values half as wide
    axes: Literal["swapped", "shen"] = "swapped"  # A1: softmax axes of linear attention
    positions: Literal["none", "sincos", "learned", "relative"] = "sincos"
    extra_convolution: bool = False  # A2: one more 3x3 before the second augmented convolution
    dropout: Dropout = 0.5
    head_dropout: float = 0.25
    head_dropout_of: Literal["features", "samples"] = "features"  # A5


@dataclass(frozen=True, kw_only=True)
class AugmentedCnn:
    """Plain network of five convolutions, the last of each of its two blocks augmented (the slides' simple CNN)."""

    family: ClassVar[str] = "augmented-cnn"
    image_size: ImageSize = 32
    classes: Classes = 100
    stem: int = 16
    augment: Literal["none", "full", "linear"] = "none"
    heads: Annotated[tuple[int, ...], Between(1, 1024)] = (2, 4)  # of the two blocks
    axes: Literal["swapped", "shen"] = "swapped"  # A1
    positions: Literal["none", "sincos", "learned", "relative"] = "sincos"
    dropout: Dropout = 0.5


Architecture = ResNet | AttentionCnn | VisionTransformer | San | GateCnn | AugmentedResNet | AugmentedCnn
_KINDS: tuple[type, ...] = typing.get_args(Architecture)
FAMILIES: dict[str, type] = {kind.family: kind for kind in _KINDS}  # type: ignore[attr-defined]
