"""The gates report's Table 1: nine small CNNs with and without attention gates, CIFAR-10, 16 runs each.

Published mean accuracy (population deviation) over 16 runs: cnn .667 (.018), cnn-eca .667 (.023), cnn-cbam .642 (.026),
cnn-deep .665 (.026), cnn-convae .675 (.020), cnn-convae-eca .665 (.018), cnn-linae .602 (.026, by the data .039),
cnn-linae-eca .607 (.032), cnn-spatial-eca .669 (.014). About 38 s an epoch on the authors' GPU.

    attnrepro table gates                                        mini models, embedded images, minutes on two cores
    attnrepro table gates --budget paper --seeds 0-15            as published: 10 epochs of CIFAR-10, 16 seeds
    attnrepro train cnn --set model.head=logits                  the arm that shows what the head costs

Where the report and its code differ, the printed parameter counts say what was run, and the recipe follows them:
CBAM after the first convolution of each block (G14), an ECA kernel of 3 (G15), a third block that is never called
(G13), ReLU and softmax before the cross-entropy (G12). Each is a switch of the model. `as-run` also averages
accuracies over batches (G20). Seeds are a run's own here; the report drew all runs from one stream (G19).
"""

from typing import Any

from reproduce.recipes.accuracy import SMOKE_DATA
from reproduce.recipes.architectures import GateCnn
from reproduce.recipes.entry import Entry
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import DataChoice, Optimiser, Recipe, Schedule

_SELECTED = "top1_val_selected"
TABLE = PaperTable(
    name="gates",
    number=None,
    title="CNN attention gates, Table 1: test accuracy on CIFAR-10 over 16 runs",
    study="gates",
    rows=(
        "cnn",
        "cnn-eca",
        "cnn-cbam",
        "cnn-deep",
        "cnn-convae",
        "cnn-convae-eca",
        "cnn-linae",
        "cnn-linae-eca",
        "cnn-spatial-eca",
    ),
    headline={"as-run": _SELECTED},
    headings=("row", "published", "ours", "committed", "parameters", "MACs", "verdict"),
    against="cnn",
    margin=0.02,
)

_SMOKE: dict[str, Any] = {
    **SMOKE_DATA,
    "model.width": 16,
    "model.hidden": 64,
    "model.gate_hidden": (32, 16, 8),
    "epochs": 5,
    "batch_size": 32,
}


def _entry(row: str, label: str, **model: Any) -> Entry:
    recipe = Recipe(
        row=row,
        label=label,
        table=TABLE.name,
        model=GateCnn(**model),
        data=DataChoice(holdout=0.1, mean=(0.491, 0.482, 0.447), std=(0.247, 0.243, 0.262)),
        optimiser=Optimiser(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0),
        schedule=Schedule(kind="constant"),
        epochs=10,
        batch_size=128,
        drop_last=True,
        initialisation="kaiming",
    )
    return Entry(recipe=recipe, variants={"as-run": {"batch_mean_accuracy": True}}, smoke=_SMOKE, short_epochs=5)


ENTRIES: dict[str, Entry] = {
    "cnn": _entry("cnn", "CNN"),
    "cnn-eca": _entry("cnn-eca", "CNN with ECA", gates=("eca",)),
    "cnn-cbam": _entry("cnn-cbam", "CNN with CBAM", gates=("cbam",), sites="first"),
    "cnn-deep": _entry("cnn-deep", "CNN with three hidden layers", third_block="idle"),
    "cnn-convae": _entry("cnn-convae", "Convolutional autoencoder", gates=("conv-ae",)),
    "cnn-convae-eca": _entry("cnn-convae-eca", "Convolutional autoencoder and ECA", gates=("eca", "conv-ae")),
    "cnn-linae": _entry("cnn-linae", "Linear autoencoder", gates=("linear-ae",)),
    "cnn-linae-eca": _entry("cnn-linae-eca", "Linear autoencoder and ECA", gates=("eca", "linear-ae")),
    "cnn-spatial-eca": _entry(
        "cnn-spatial-eca", "CBAM's spatial gate and ECA", gates=("eca", "cbam-spatial"), sites="first"
    ),
}
