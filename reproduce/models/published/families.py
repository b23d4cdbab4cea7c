"""Which family of published networks a state dictionary is of, told by its names: one table.

family = find_family(state)
family.translate(state), family.kinds, family.variant
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from reproduce.models.published import original, re_report
from reproduce.recipes.architectures import FAMILIES as ARCHITECTURES
from reproduce.recipes.architectures import AttentionCnn, ResNet, San, VisionTransformer


@dataclass(frozen=True)
class Family:
    """How one study's code calls the weights of one kind of network."""

    name: str
    marks: tuple[str, ...]  # each is part of some name
    translate: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    kinds: tuple[type, ...]  # of our architectures
    variant: str  # whose settings the code had


# a family whose marks are also another's stands after it
FAMILIES = (
    Family("the hierarchical SAN of [Re]", ("encoder.enc_layer.",), re_report.from_san, (San,), "as-run"),
    Family("the ViT of [Re]", ("patcher.",), re_report.from_transformer, (VisionTransformer,), "as-run"),
    Family(
        "the attention CNN of [Re]",
        ("conv.feature_upscale.", "encoder.block"),
        re_report.from_main,
        (AttentionCnn,),
        "as-run",
    ),
    Family("the ResNet-18 of [Re]", ("backbone.", "fc_out."), re_report.from_resnet, (ResNet,), "as-run"),
    Family(
        "the attention CNN of epfml",
        ("encoder.layer.", ".attention.self."),
        original.from_attention,
        (AttentionCnn,),
        "original",
    ),
    Family("this project", ("classify.",), dict, tuple(ARCHITECTURES.values()), "described"),
    Family("SAN", (".sam.", "conv_in."), re_report.from_san, (San,), "described"),
    Family("a ResNet-18", ("layer4.", "conv1.", "bn1."), original.from_resnet, (ResNet,), "original"),
)


def find_family(state: Mapping[str, Tensor]) -> Family | None:
    """Return the family that the names are of, or None."""
    return next(
        (family for family in FAMILIES if all(any(mark in name for name in state) for mark in family.marks)), None
    )
