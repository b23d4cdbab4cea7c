"""The [Re] report's own checkpoints (NishantPrabhu/Self-Attention-and-Convolutions): main, ViT, SAN-HA and ResNet.

Their files hold one state dictionary per part (encoder, conv or patcher, clf); here the parts' names stand in front.
"""

from collections.abc import Mapping

from torch import Tensor

from reproduce.models.official_san import from_official
from reproduce.models.published.renaming import Names, rename

State = Mapping[str, Tensor]
_ONE_BLOCK: Names = (("encoder.block.<r>", "encoder.blocks.0.<r>"),)  # hierarchical: one block for all passes
_BLOCK = "encoder.blocks.<b>"
_MAIN: Names = (
    ("conv.feature_upscale.<n>", "embed.<n>"),
    ("clf.fc.<n>", "classify.<n>"),
    (f"{_BLOCK}.attention.layer_norm.<n>", "blocks.<b>.attention_norm.<n>"),
    (f"{_BLOCK}.feedfwd.layer_norm.<n>", "blocks.<b>.output_norm.<n>"),
    (f"{_BLOCK}.feedfwd.fc1.<n>", "blocks.<b>.expand.<n>"),
    (f"{_BLOCK}.feedfwd.fc2.<n>", "blocks.<b>.contract.<n>"),
    (f"{_BLOCK}.attention.query.<n>", "blocks.<b>.attention.query.<n>"),
    (f"{_BLOCK}.attention.key.<n>", "blocks.<b>.attention.key.<n>"),
    (f"{_BLOCK}.attention.attention_centers", "blocks.<b>.attention.positions.centres"),
    (f"{_BLOCK}.attention.attention_spreads", "blocks.<b>.attention.positions.spreads"),
)
_BUFFERS = (f"{_BLOCK}.attention.R", f"{_BLOCK}.attention.relative_indices")
_VIT: Names = (
    ("patcher.resnet.0.<n>", "stem.0.0.<n>"),
    ("patcher.resnet.1.<n>", "stem.0.1.<n>"),
    ("patcher.resnet.3.<r>", "stem.1.<r>"),
    ("patcher.feature_upscale.<n>", "embed.<n>"),
    ("patcher.position_embedding.<n>", "position.<n>"),
    ("clf.fc.<n>", "classify.<n>"),
    (f"{_BLOCK}.attention.layer_norm.<n>", "blocks.<b>.attention_norm.<n>"),
    (f"{_BLOCK}.attention.out.<n>", "blocks.<b>.attention.output.<n>"),
    (f"{_BLOCK}.attention.<r>", "blocks.<b>.attention.<r>"),
    (f"{_BLOCK}.feedfwd.layer_norm.<n>", "blocks.<b>.feed_norm.<n>"),
    (f"{_BLOCK}.feedfwd.fc_1.<n>", "blocks.<b>.expand.<n>"),
    (f"{_BLOCK}.feedfwd.fc_2.<n>", "blocks.<b>.contract.<n>"),
)
_RESNET: Names = (
    ("backbone.0.<n>", "stem.0.<n>"),
    ("backbone.1.<n>", "stem.1.<n>"),
    *((f"backbone.{stage + 3}.<r>", f"stages.{stage}.<r>") for stage in range(4)),
    ("fc_out.<n>", "classify.<n>"),
)
_CHANNELS = 3  # of the images, where no ResNet stands before the patches


def position_names(theirs: str, ours: str, content: bool) -> Names:
    """Return the names of learned positions; without content what they call rows scores columns."""
    row, column = ("row", "column") if content else ("column", "row")
    return (
        (f"{theirs}.row_embeddings.<n>", f"{ours}.{row}_table.<n>"),
        (f"{theirs}.col_embeddings.<n>", f"{ours}.{column}_table.<n>"),
        (f"{theirs}.head_keys_row.<n>", f"{ours}.{row}_score.<n>"),
        (f"{theirs}.head_keys_col.<n>", f"{ours}.{column}_score.<n>"),
    )


def from_main(state: State) -> dict[str, Tensor]:
    """Return the attention CNN's weights under our names."""
    attention = f"{_BLOCK}.attention"
    content = any(".attention.key." in name for name in state)
    projected = any(".attention.out." in name for name in state)  # at 16 heads values have a projection of their own
    values: Names = ((f"{attention}.value.<n>", f"blocks.<b>.attention.{'value' if projected else 'output'}.<n>"),)
    output: Names = ((f"{attention}.out.<n>", "blocks.<b>.attention.output.<n>"),)
    positions = position_names(attention, "blocks.<b>.attention.positions", content)
    return rename(rename(state, _ONE_BLOCK), (*_MAIN, *values, *output, *positions), _BUFFERS)


def from_transformer(state: State) -> dict[str, Tensor]:
    """Return the Vision Transformer's weights under our names; patches go from (c, y, x) to (y, x, c)."""
    found = rename(rename(state, _ONE_BLOCK), _VIT)
    weight_DE = found.get("embed.weight")
    if weight_DE is not None and weight_DE.dim() == 2:
        stem = found.get("stem.0.0.weight")
        channels = len(stem) if stem is not None else _CHANNELS
        side = round((weight_DE.shape[1] / channels) ** 0.5)
        if side * side * channels == weight_DE.shape[1]:
            laid = weight_DE.view(-1, channels, side, side).permute(0, 2, 3, 1)
            found["embed.weight"] = laid.reshape(weight_DE.shape).contiguous()
    return found


def from_resnet(state: State) -> dict[str, Tensor]:
    """Return ResNet-18's weights under our names."""
    return rename(state, _RESNET)


def from_san(state: State) -> dict[str, Tensor]:
    """Return a SAN's weights under our names: official ones, or the hierarchical form's, whose blocks are one stage."""
    inner: Names = (
        ("encoder.enc_layer.<b>.attention.<r>", "layer0.<b>.sam.<r>"),
        ("encoder.enc_layer.<b>.<r>", "layer0.<b>.<r>"),
        ("encoder.<r>", "<r>"),
    )
    shared = any(name.startswith("encoder.enc_layer.") for name in state)
    unused = [f"encoder.layer{stage}.<r>" for stage in range(4)] if shared else []
    return from_official(rename(state, inner, unused))
