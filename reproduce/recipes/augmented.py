"""Attention-augmented convolution, the slides' tables: a wide residual network and a plain one, three forms each.

Published top-1 / top-5 after the last epoch, one run each. CIFAR-100: wrn 57.11 / 84.33, wrn-aa 52.91 / 80.31, wrn-laa
55.32 / 82.95, cnn2 37.74 / 67.94, cnn2-aa 41.19 / 71.51, cnn2-laa 36.88 / 67.81. Tiny-ImageNet: wrn 42.39 / 69.61,
wrn-aa 42.18 / 68.44, wrn-laa 43.51 / 70.52. The authors' GPU took 2.4 (cnn2) to 124 s (wrn-aa-tiny) an epoch.

    attnrepro table augmented                                    mini models, embedded images, minutes on two cores
    attnrepro table augmented --budget paper --seeds 0-4         as published: 100 epochs of CIFAR-100, 50 of Tiny
    attnrepro train cnn2-laa --set model.axes=shen               linear attention with its softmax axes right (A1)
    attnrepro train cnn2-aa --set model.positions=relative       the position codes that the slides compare (A7)

Pixels are divided by 255 and nothing else: no mean, no augmentation, no weight decay. `described` follows the slides,
with features dropped in the head where the code drops whole images (A5), without the extra convolution that only the
code of wrn-laa-tiny has (A2), and accuracy over the images that there are (A3); `as-run` switches those on again.
Linear attention keeps the slides' own formula, whose axes are swapped against its source (A1).
"""

from typing import Any

from reproduce.recipes.accuracy import SMOKE_DATA
from reproduce.recipes.architectures import AugmentedCnn, AugmentedResNet
from reproduce.recipes.entry import Entry
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import DataChoice, Optimiser, Recipe, Schedule

_LAST = "top1_last"
TABLE = PaperTable(
    name="augmented",
    number=None,
    title="Attention-augmented convolution: CIFAR-100 and Tiny-ImageNet",
    study="augmented",
    rows=(
        "wrn-c100",
        "wrn-aa-c100",
        "wrn-laa-c100",
        "wrn-tiny",
        "wrn-aa-tiny",
        "wrn-laa-tiny",
        "cnn2",
        "cnn2-aa",
        "cnn2-laa",
    ),
    headline={"described": _LAST, "as-run": _LAST},
    headings=("row", "published", "corrected (A3)", "ours", "top-5", "committed", "parameters", "MACs", "verdict"),
)

_FORMS = {"": "none", "-aa": "full", "-laa": "linear"}
_LABELS = {"": "", "-aa": "AA", "-laa": "LAA"}
_TINY_TEST_IMAGES = 10_000  # what the authors divide by; 9,832 of them have colour

_SMOKE: dict[str, Any] = {**SMOKE_DATA, "epochs": 3, "batch_size": 32, "optimiser.lr": 0.05}
_SMOKE_WIDE = {**_SMOKE, "model.image_size": 32, "model.stem": 8, "model.widen": 2, "model.dropout": 0.1}
_SMOKE_PLAIN = {**_SMOKE, "model.stem": 8, "model.dropout": 0.1}


def _recipe(row: str, label: str, model: AugmentedCnn | AugmentedResNet, data: str, epochs: int) -> Recipe:
    return Recipe(
        row=row,
        label=label,
        table=TABLE.name,
        model=model,
        # 5,000 of 50,000; of Tiny-ImageNet's 98,179 colour images 8,179
        data=DataChoice(
            name=data,
            holdout=0.1 if data == "cifar100" else 0.0833,
            drop_grey=data == "tiny-imagenet",  # A4
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        ),
        optimiser=Optimiser(lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.0),
        schedule=Schedule(kind="cosine", per="step"),
        epochs=epochs,
        batch_size=128,
        evaluate_every=5,
    )


def _wide(form: str, tiny: bool) -> Entry:
    row = f"wrn{form}-{'tiny' if tiny else 'c100'}"
    size: dict[str, Any] = {"image_size": 64, "classes": 200} if tiny else {}
    model = AugmentedResNet(augment=_FORMS[form], **size)  # type: ignore[arg-type]
    label = f"Wide-{_LABELS[form]}ResNet, {'Tiny-ImageNet' if tiny else 'CIFAR-100'}"
    slips: dict[str, Any] = {"model.head_dropout_of": "samples"}
    if tiny:
        slips["accuracy_over"] = _TINY_TEST_IMAGES
    if tiny and form == "-laa":
        slips["model.extra_convolution"] = True
    recipe = _recipe(row, label, model, "tiny-imagenet" if tiny else "cifar100", 50 if tiny else 100)
    # mini models see all images of the smoke set, whatever the slip divides by
    return Entry(recipe=recipe, variants={"as-run": slips}, smoke={**_SMOKE_WIDE, "accuracy_over": None})


def _plain(form: str) -> Entry:
    model = AugmentedCnn(augment=_FORMS[form])  # type: ignore[arg-type]
    recipe = _recipe(f"cnn2{form}", f"Simple-{_LABELS[form]}CNN, CIFAR-100", model, "cifar100", 100)
    return Entry(recipe=recipe, variants={"as-run": {}}, smoke=_SMOKE_PLAIN)


ENTRIES: dict[str, Entry] = {
    entry.recipe.row: entry
    for entry in (
        *(_wide(form, tiny) for tiny in (False, True) for form in _FORMS),
        *(_plain(form) for form in _FORMS),
    )
}
