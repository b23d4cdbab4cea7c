"""A recipe: everything that fixes a run, as one frozen dataclass. No torch.

recipe = Recipe(row="vit", label="ViT", table="accuracy", model=VisionTransformer())
recipe.sha256()                       # names the run
Recipe.from_json(recipe.to_json())    # round trip
"""

import dataclasses
import hashlib
import json
import typing
from dataclasses import dataclass, field
from typing import Annotated, Literal

from reproduce.errors import UserError
from reproduce.recipes.architectures import Architecture
from reproduce.recipes.ranges import Between, Count, Share, check_ranges
from reproduce.recipes.serialise import dump, essential, plain, revive

Variant = Literal["described", "as-run", "original"]
Budget = Literal["smoke", "short", "paper"]
EvalMode = Literal["eval", "train-bn", "train"]
Precision = Literal["fp32", "tf32", "bf16"]
Execution = Literal["eager", "compiled", "graphed"]  # ways to carry out a step, no part of what fixes a result
VARIANTS: tuple[str, ...] = typing.get_args(Variant)
BUDGETS: tuple[str, ...] = typing.get_args(Budget)
EVAL_MODES: tuple[str, ...] = typing.get_args(EvalMode)

PRECISIONS: tuple[str, ...] = typing.get_args(Precision)
EXECUTIONS: tuple[str, ...] = typing.get_args(Execution)

CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2023, 0.1994, 0.2010)


@dataclass(frozen=True, kw_only=True)
class DataChoice:
    """Which images, how many of them, and which part of the training images is held out for model selection."""

    name: str = "cifar10"
    train_limit: int | None = None  # the first so many training images of each class, in balance
    test_limit: int | None = None
    holdout: Share = 0.05  # share of the training images kept for validation
    drop_grey: bool = False  # leave out images that are stored without colour, in both splits
    equalise: bool = False  # equalise each image's luminance histogram before anything else
    mean: tuple[float, ...] = CIFAR_MEAN
    std: tuple[float, ...] = CIFAR_STD


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of a training batch, applied in the order of the fields, drawn for each image alone."""

    crop_padding: int = 0  # pad by so many zero pixels, crop back at a random place
    resized_crop: tuple[float, ...] = ()  # cut out a share of the area between these two, bring it back to size
    resized_ratio: tuple[float, ...] = (3 / 4, 4 / 3)  # width to height of what is cut out, uniform in its logarithm
    flip: bool = False  # left-right with probability 1/2
    rotation: float = 0.0  # uniform in +- degrees
    jitter: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)  # brightness, contrast, saturation, hue
    jitter_probability: float = 1.0
    affine_degrees: float = 0.0
    affine_translate: float = 0.0  # share of the side
    affine_scale: tuple[float, ...] = (1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """Stochastic gradient descent, or Adam (which has no use for ``momentum`` and ``nesterov``)."""

    kind: Literal["sgd", "adam"] = "sgd"
    lr: Annotated[float, Between(0.0, 1e3)] = 0.1
    momentum: Annotated[float, Between(0.0, 1.0)] = 0.9
    nesterov: bool = True
    weight_decay: Annotated[float, Between(0.0, 1e3)] = 1e-4
    decay_positions: bool = False  # B15: weight decay on Gaussian centres and spreads too


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning rate as a closed form of the epoch; ``form`` names whose warm-up arithmetic (B6).

    ``per="step"`` follows the ``clean`` cosine within an epoch too, down to 0 after the last step.
    """

    kind: Literal["cosine", "multistep", "constant"] = "cosine"
    form: Literal["clean", "re", "epfl", "annealed"] = "clean"
    per: Literal["epoch", "step"] = "epoch"
    warmup: Annotated[int, Between(0, 10**6)] = 0  # epochs
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that fixes a run but its seed, its precision and the bytes of its data.

    Raises:
        UserError: a number outside the range in which it means something, named by its key.
    """

    row: str
    label: str
    table: str
    model: Architecture
    variant: Variant = "described"
    budget: Budget = "paper"
    scale: Literal["paper", "mini", "custom"] = "paper"
    data: DataChoice = field(default_factory=DataChoice)
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: Schedule = field(default_factory=Schedule)
    epochs: Count = 300
    extra_epochs: Annotated[int, Between(0, 10**6)] = 0  # B5: epochs trained past the schedule's horizon
    batch_size: Count = 100
    drop_last: bool = False  # leave out an epoch's last batch where it is not full
    reshuffle: bool = True  # E10: an order of its own for every epoch, or the first one's for all
    batch_statistics: Literal["global", "local"] = "global"  # of BatchNorm under torchrun: whole batch, or each share
    initialisation: Literal["model", "kaiming"] = "model"  # kaiming: every weight Kaiming normal, every bias 0
    label_smoothing: Share = 0.0
    smoothing_form: Literal["others", "uniform"] = "others"  # eps/(C-1) on the other classes, or eps/C on all
    evaluate_every: Count = 1  # epochs; the first and the last are always evaluated
    eval_mode: EvalMode = "eval"  # B1: `train` measures with dropout and batch statistics
    batch_mean_accuracy: bool = False  # B17: mean of the batches' accuracies
    accuracy_over: int | None = None  # A3: divide right answers by this number, not by that of the test images

    def __post_init__(self) -> None:
        check_ranges(self)

    @property
    def total_epochs(self) -> int:
        """Epochs that are trained, those past the schedule's horizon included."""
        return self.epochs + self.extra_epochs

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, the model tagged with its family."""
        return dump(plain(self))

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Rebuild a recipe from :meth:`to_json`; raises UserError on a foreign or ill-typed document."""
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"the recipe is not JSON ({error})", "it may be cut off; run the row again") from None
        if not isinstance(document, dict):
            raise UserError("the recipe is not a JSON object", "it may be cut off; run the row again")
        return revive(cls, document, "recipe")

    def sha256(self) -> str:
        """Return the digest that names this recipe: every field that is not at its default, but the printed label.

        So a setting that a later version adds leaves the digests of recipes without it, and their recorded runs, as
        they are. A default itself must never change: a test holds the defaults' own digest.
        """
        return hashlib.sha256(dump(essential(dataclasses.replace(self, label=""))).encode()).hexdigest()
