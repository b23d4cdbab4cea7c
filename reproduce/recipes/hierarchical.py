"""Table 3 of the [Re] report: normal self-attention against hierarchical attention (HA), four pairs.

Published (SA -> HA): learned-content .871 -> .910, san-pair .818 -> .853, san-patch .857 -> .912, vit .843 -> .877.
One run each, 10-20 hours on an RTX 2060. HA shares one block's weights over all passes and keeps the keys of the
first. The SAN pairs differ in much else: width, pooling, batch and augmentation (D5).

    attnrepro table hierarchical                                mini models, embedded images, under 5 minutes
    attnrepro table hierarchical --data PATH                    the same on real images
    attnrepro table hierarchical --budget paper --seeds 0-4     as published, five seeds
"""

from typing import Any

from reproduce.recipes.accuracy import (
    CROP_AND_FLIP,
    LOOP_SLIPS,
    SMOKE_ATTENTION,
    SMOKE_DATA,
    attention_entry,
    describe,
)
from reproduce.recipes.architectures import San, VisionTransformer
from reproduce.recipes.entry import Entry
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import Augmentation, Optimiser, Recipe, Schedule

TABLE = PaperTable(
    name="hierarchical",
    number=3,
    title="Comparison between models using normal SA and HA",
    study="re",
    rows=(
        "learned-content",
        "learned-content-ha",
        "san-pair",
        "san-pair-ha",
        "san-patch",
        "san-patch-ha",
        "vit",
        "vit-ha",
    ),
    headings=("row", "published", "ours", "committed", "parameters", "wall time, ms", "verdict"),
    pairs=(
        ("learned-content", "learned-content-ha"),
        ("san-pair", "san-pair-ha"),
        ("san-patch", "san-patch-ha"),
        ("vit", "vit-ha"),
    ),
    pairs_title="Hierarchical (HA) against normal self-attention (SA): gain in points, ratios SA / HA",
)

FLIP = Augmentation(flip=True)

# The official SAN loop: eval mode in evaluation, plain momentum, smoothed labels.
_OFFICIAL_SAN: dict[str, Any] = {
    "optimiser.nesterov": False,
    "label_smoothing": 0.1,
    "data.holdout": 0.0,
    "augmentation.crop_padding": 0,
}
_SAN_HA_SLIPS: dict[str, Any] = {
    **LOOP_SLIPS,
    "label_smoothing": 0.1,
    "augmentation.crop_padding": 0,
    "batch_size": 40,
    "model.pass_statistics": "shared",
    "model.discard_preactivation": True,
    "model.reuse_first_key": True,
}
_SMOKE_SAN: dict[str, Any] = {
    **SMOKE_DATA,
    "model.stem": 16,
    "model.widths": (16, 32, 64, 128),
    "model.layers": (1, 1, 1, 1),
    "model.relation_ratio": 4,
    "model.share": 4,
    "epochs": 3,
    "batch_size": 32,
    "optimiser.lr": 0.05,
    "schedule.kind": "cosine",
    "schedule.milestones": (),
    "schedule.warmup": 1,
    "augmentation.flip": False,
    "augmentation.crop_padding": 2,
}
_SMOKE_SAN_HA: dict[str, Any] = {
    **_SMOKE_SAN,
    "model.widths": (32, 32),
    "model.layers": (1,),
    "model.kernels": (3, 3),
}
_VIT_SLIPS: dict[str, Any] = {
    **LOOP_SLIPS,
    "model.residual": "normed",
    "model.cls_token": "noise",
    "model.pool": "mean",
}
_SMOKE_VIT: dict[str, Any] = {**SMOKE_ATTENTION, "model.stem_width": 8}


def _san(row: str, label: str, attention: str, **model: Any) -> Recipe:
    return Recipe(
        row=row,
        label=label,
        table=TABLE.name,
        model=San(attention=attention, **model),  # type: ignore[arg-type]
        augmentation=CROP_AND_FLIP,
        schedule=Schedule(kind="multistep", milestones=(100, 200, 250)),
        batch_size=256,
        evaluate_every=10,
    )


def _san_ha(row: str, label: str, attention: str, batch_size: int) -> Recipe:
    model = San(
        attention=attention,  # type: ignore[arg-type]
        relation="subtraction" if attention == "pairwise" else "concatenation",
        stem=256,
        widths=(256, 256, 256, 256),
        layers=(2,),
        pool=False,
        projection_bias=False,
        hierarchical=True,
    )
    return Recipe(
        row=row,
        label=label,
        table=TABLE.name,
        model=model,
        augmentation=CROP_AND_FLIP,
        schedule=Schedule(warmup=10),
        batch_size=batch_size,
        evaluate_every=10,
    )


def _vit(row: str, label: str, hierarchical: bool) -> Recipe:
    return Recipe(
        row=row,
        label=label,
        table=TABLE.name,
        model=VisionTransformer(hierarchical=hierarchical),
        augmentation=CROP_AND_FLIP,
        optimiser=Optimiser(lr=0.01),
        schedule=Schedule(warmup=5),
        epochs=100,
        batch_size=32,
        evaluate_every=10,
    )


ENTRIES: dict[str, Entry] = {
    "learned-content-ha": attention_entry(
        describe("learned-content-ha", "Learned embedding w/ content (HA)", table=TABLE.name, hierarchical=True),
        {"model.transpose_content": True},
    ),
    "san-pair": Entry(
        recipe=_san("san-pair", "SAN Pairwise (subtraction)", "pairwise"),
        variants={"as-run": _OFFICIAL_SAN, "original": _OFFICIAL_SAN},
        smoke=_SMOKE_SAN,
    ),
    "san-patch": Entry(
        recipe=_san("san-patch", "SAN Patchwise (subtraction)", "patchwise", relation="concatenation"),
        variants={"as-run": _OFFICIAL_SAN, "original": _OFFICIAL_SAN},
        smoke=_SMOKE_SAN,
    ),
    "san-pair-ha": Entry(
        recipe=_san_ha("san-pair-ha", "SAN Pairwise (HA)", "pairwise", batch_size=40),
        variants={"as-run": _SAN_HA_SLIPS},
        smoke=_SMOKE_SAN_HA,
    ),
    "san-patch-ha": Entry(
        recipe=_san_ha("san-patch-ha", "SAN Patchwise (HA)", "patchwise", batch_size=100),
        variants={"as-run": {**_SAN_HA_SLIPS, "optimiser.lr": 0.01}},
        smoke=_SMOKE_SAN_HA,
    ),
    "vit": Entry(
        recipe=_vit("vit", "Vision Transformer", hierarchical=False),
        variants={"as-run": _VIT_SLIPS},
        smoke=_SMOKE_VIT,
    ),
    "vit-ha": Entry(
        recipe=_vit("vit-ha", "Vision Transformer (HA)", hierarchical=True),
        variants={"as-run": _VIT_SLIPS},
        smoke=_SMOKE_VIT,
    ),
}
