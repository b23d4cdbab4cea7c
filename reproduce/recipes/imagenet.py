"""The SAN paper's ImageNet table (Zhao et al. 2020): SAN10, SAN15 and SAN19, pairwise and patchwise.

Published top-1 / top-5: san10-pair 74.9 / 92.1, san10-patch 77.1 / 93.5, san15-pair 76.6 / 93.1, san15-patch 78.0 /
93.9, san19-pair 76.9 / 93.4, san19-patch 78.2 / 93.9. Sizes and FLOPs are met to every printed digit. The SAN review
that this study is of evaluated the official weights, and found them to match.

    attnrepro eval san10-pair.pth --data PATH            official weights on a validation folder, read in parts;
                                                         which network a file holds is read off its keys
    attnrepro table imagenet                             mini models, embedded images, minutes on two cores
    attnrepro table imagenet --no-run --budget paper     sizes, FLOPs and published values beside what has been run

PATH holds val/<wnid>/*.JPEG, or is that val folder. The recipe is the official one: 100 epochs in batches of 256, a
rate of 0.1 that falls by a cosine each epoch, labels smoothed by 0.1, weight decay on everything, random resized crops
and flips. `described` holds out 4 % of the training images to choose the epoch; `as-run` chooses on the validation
images, as the code does. What training at that budget lacks here: data sets are held in memory, and 1.28 million images
at 224 pixels are 180 GiB; and crops are taken of an image's 224-pixel centre, not of the whole image.
"""

from typing import Any

from reproduce.recipes.accuracy import SMOKE_DATA
from reproduce.recipes.architectures import San
from reproduce.recipes.entry import Entry
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import Augmentation, DataChoice, Optimiser, Recipe, Schedule
from reproduce.recipes.stacking import RELATIONS, SAN_WIDTHS

DEPTHS = {"san10": (2, 1, 2, 4, 1), "san15": (3, 2, 3, 5, 2), "san19": (3, 3, 4, 6, 3)}
KERNELS = (3, 7, 7, 7, 7)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

TABLE = PaperTable(
    name="imagenet",
    number=None,
    title="SAN on ImageNet: top-1, top-5, sizes and FLOPs of six networks",
    study="san-review",
    rows=tuple(f"{depth}-{kind}" for depth in DEPTHS for kind in RELATIONS),
    headings=("row", "published", "ours", "top-5", "committed", "parameters", "MACs", "FLOPs", "verdict"),
)

# The same family, small: depth grows with the row's name, footprints are 3x3.
_MINI_DEPTHS = {"san10": (1, 1), "san15": (1, 2), "san19": (2, 2)}


def _entry(depth: str, kind: str) -> Entry:
    attention, relation = RELATIONS[kind]
    model = San(
        image_size=224,
        classes=1000,
        attention=attention,  # type: ignore[arg-type]
        relation=relation,  # type: ignore[arg-type]
        widths=SAN_WIDTHS,
        layers=DEPTHS[depth],
        kernels=KERNELS,
    )
    recipe = Recipe(
        row=f"{depth}-{kind}",
        label=f"{depth.upper()}, {attention}",
        table=TABLE.name,
        model=model,
        data=DataChoice(name="imagenet", holdout=0.04, mean=MEAN, std=STD),
        augmentation=Augmentation(resized_crop=(0.08, 1.0), flip=True),
        optimiser=Optimiser(lr=0.1, nesterov=False),
        schedule=Schedule(form="annealed"),
        label_smoothing=0.1,
        epochs=100,
        batch_size=256,
    )
    smoke: dict[str, Any] = {
        **SMOKE_DATA,
        "data.train_limit": 4000,
        "model.image_size": 32,
        "model.classes": 10,
        "model.stem": 16,
        "model.widths": (32, 64),
        "model.layers": _MINI_DEPTHS[depth],
        "model.kernels": (3, 3),
        "model.relation_ratio": 4,
        "model.share": 4,
        "epochs": 2,
        "batch_size": 32,
        "augmentation.flip": False,
        "augmentation.resized_crop": (0.7, 1.0),
    }
    return Entry(recipe=recipe, variants={"as-run": {"data.holdout": 0.0}}, smoke=smoke)


ENTRIES: dict[str, Entry] = {f"{depth}-{kind}": _entry(depth, kind) for depth in DEPTHS for kind in RELATIONS}
