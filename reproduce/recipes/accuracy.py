"""Table 1 of the [Re] report: test accuracy of five models on CIFAR-10, 9 heads.

Published (report / original paper): resnet18 .946/.938, quadratic .943/.938, quadratic-aniso .939/.934,
learned .904/.918, learned-content .864/.871. One run each of about 20 hours on an RTX 2060.

    attnrepro table accuracy                    mini models, embedded images, minutes on two cores
    attnrepro table accuracy --budget paper     as published: 300 epochs of CIFAR-10

Recipe: Table 4 of the report; where it is silent (crop and flip, Nesterov) its code decides.
"""

from typing import Any

from reproduce.recipes.architectures import AttentionCnn, ResNet
from reproduce.recipes.entry import Entry
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import Augmentation, Recipe, Schedule

TABLE = PaperTable(
    name="accuracy",
    number=1,
    title="Test accuracy on CIFAR-10 and model sizes; 9 heads",
    study="re",
    rows=("resnet18", "quadratic", "quadratic-aniso", "learned", "learned-content"),
    headings=("row", "original paper", "published", "ours", "committed", "parameters", "verdict"),
)

CROP_AND_FLIP = Augmentation(crop_padding=4, flip=True)

# What the report's training loop does that its text does not say (B1, B5, B6, B15, B17, B20).
LOOP_SLIPS: dict[str, Any] = {
    "eval_mode": "train",
    "extra_epochs": 1,
    "evaluate_every": 10,
    "schedule.form": "re",
    "optimiser.decay_positions": True,
    "batch_mean_accuracy": True,
    "data.holdout": 0.0,
}

# The original paper's training loop: learning rate fixed within an epoch, plain momentum, every epoch evaluated.
ORIGINAL_LOOP: dict[str, Any] = {"optimiser.nesterov": False, "schedule.form": "epfl", "data.holdout": 0.0}

# The original paper's block: one more dense layer, GELU, dropout on hidden states, biased queries and keys.
ORIGINAL_BLOCK: dict[str, Any] = {
    "model.output_dense": True,
    "model.hidden_dropout": 0.1,
    "model.activation": "gelu",
    "model.norm_epsilon": 1e-12,
    "model.query_key_bias": True,
    "model.position_bias": False,
}

# Mini scale: 8x8 tokens, two narrow blocks; the schedule shrinks with the epochs.
SMOKE_DATA: dict[str, Any] = {
    "data.name": "shapes",
    "data.train_limit": 5000,
    "data.test_limit": 1000,
    "data.holdout": 0.1,
    "evaluate_every": 1,
}
SMOKE_ATTENTION: dict[str, Any] = {
    **SMOKE_DATA,
    "model.patch": 4,
    "model.width": 32,
    "model.hidden": 64,
    "model.depth": 2,
    "epochs": 3,
    "batch_size": 20,
    "schedule.warmup": 1,
    "augmentation.flip": False,
    "augmentation.crop_padding": 2,
    "optimiser.lr": 0.03,
}


def describe(row: str, label: str, table: str = TABLE.name, **model: Any) -> Recipe:
    """Return the described recipe of an attention-CNN row (Table 4: 300 epochs, batch 100, warm-up 15)."""
    return Recipe(
        row=row,
        label=label,
        table=table,
        model=AttentionCnn(**model),
        augmentation=CROP_AND_FLIP,
        schedule=Schedule(warmup=15),
        evaluate_every=10,
    )


def attention_entry(recipe: Recipe, slips: dict[str, Any], smoke: dict[str, Any] | None = None) -> Entry:
    """Return the entry of an attention-CNN row: ``slips`` are those of its own code path."""
    return Entry(
        recipe=recipe,
        variants={
            "as-run": {**LOOP_SLIPS, **slips},
            "original": {**ORIGINAL_LOOP, **ORIGINAL_BLOCK, "evaluate_every": 1},
        },
        smoke={**SMOKE_ATTENTION, **(smoke or {})},
    )


_RESNET = Recipe(
    row="resnet18",
    label="ResNet18",
    table=TABLE.name,
    model=ResNet(),
    augmentation=CROP_AND_FLIP,
    schedule=Schedule(warmup=10),
    evaluate_every=10,
)

ENTRIES: dict[str, Entry] = {
    "resnet18": Entry(
        recipe=_RESNET,
        variants={
            "as-run": {
                **LOOP_SLIPS,
                "augmentation.rotation": 5.0,
                "augmentation.jitter": (0.4, 0.4, 0.4, 0.1),
                "augmentation.jitter_probability": 0.8,
            },
            "original": {
                "optimiser.nesterov": False,
                "data.holdout": 0.0,
                "evaluate_every": 1,
                "schedule.kind": "multistep",
                "schedule.warmup": 0,
                "schedule.milestones": (80, 150, 250),
            },
        },
        smoke={
            **SMOKE_DATA,
            "model.width": 12,
            "epochs": 3,
            "batch_size": 20,
            "optimiser.lr": 0.05,
            "schedule.warmup": 1,
            "augmentation.flip": False,
            "augmentation.crop_padding": 2,
        },
    ),
    "quadratic": attention_entry(
        describe("quadratic", "Quadratic embedding (isotropic)", positions="gaussian", dropout_mask="batch"),
        {"model.add_centre": True},
    ),
    "quadratic-aniso": attention_entry(
        describe(
            "quadratic-aniso",
            "Quadratic embedding (non-isotropic)",
            positions="gaussian",
            isotropic=False,
            dropout_mask="batch",
        ),
        {"model.add_centre": True},
    ),
    "learned": attention_entry(
        describe("learned", "Learned embedding w/o content", positions="learned", dropout_mask="batch"),
        {"model.skip_attention_norm": True, "model.dropout_mask": "sample"},
    ),
    "learned-content": attention_entry(
        describe("learned-content", "Learned embedding w/ content"),
        {"model.skip_attention_norm": True, "model.transpose_content": True},
    ),
}
