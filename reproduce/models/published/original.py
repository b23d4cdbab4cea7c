"""The original study's checkpoints (epfml/attention-cnn): attention layers in BERT's names, and its ResNet-18."""

from collections.abc import Mapping

from torch import Tensor

from reproduce.models.published.re_report import position_names
from reproduce.models.published.renaming import Names, rename

_LAYER = "encoder.layer.<b>"
_SELF = f"{_LAYER}.attention.self"
_NAMES: Names = (
    ("features_upscale.<n>", "embed.<n>"),
    ("classifier.<n>", "classify.<n>"),
    (f"{_SELF}.query.<n>", "blocks.<b>.attention.query.<n>"),
    (f"{_SELF}.key.<n>", "blocks.<b>.attention.key.<n>"),
    (f"{_SELF}.value.<n>", "blocks.<b>.attention.output.<n>"),
    (f"{_SELF}.attention_centers", "blocks.<b>.attention.positions.centres"),
    (f"{_SELF}.attention_spreads", "blocks.<b>.attention.positions.spreads"),
    (f"{_LAYER}.attention.output.dense.<n>", "blocks.<b>.dense.<n>"),
    (f"{_LAYER}.attention.output.LayerNorm.<n>", "blocks.<b>.attention_norm.<n>"),
    (f"{_LAYER}.intermediate.dense.<n>", "blocks.<b>.expand.<n>"),
    (f"{_LAYER}.output.dense.<n>", "blocks.<b>.contract.<n>"),
    (f"{_LAYER}.output.LayerNorm.<n>", "blocks.<b>.output_norm.<n>"),
)
# of other tasks than classification, and tables that are computed
_IGNORED = (
    "features_downscale.<n>",
    "pixelizer.<n>",
    "attention_mask",
    "mask_embedding",
    "cls_embedding",
    "positional_encoding.<r>",
    f"{_SELF}.R",
    f"{_SELF}.relative_indices",
)
_RESNET: Names = (
    ("conv1.<n>", "stem.0.<n>"),
    ("bn1.<n>", "stem.1.<n>"),
    *((f"layer{stage + 1}.<b>.shortcut.<r>", f"stages.{stage}.<b>.downsample.<r>") for stage in range(4)),
    *((f"layer{stage + 1}.<r>", f"stages.{stage}.<r>") for stage in range(4)),
    ("linear.<n>", "classify.<n>"),
    ("fc.<n>", "classify.<n>"),
)


def from_attention(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the attention CNN's weights under our names."""
    content = any(".attention.self.key." in name for name in state)
    return rename(state, (*_NAMES, *position_names(_SELF, "blocks.<b>.attention.positions", content)), _IGNORED)


def from_resnet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ResNet-18's weights under our names."""
    return rename(state, _RESNET)
