"""A recipe: everything that fixes a run, as one frozen dataclass. No torch.

Variants, budgets and ``--set key=value`` are all the same thing: a mapping of dotted keys to values, laid over a
recipe by :func:`override`.

    recipe = override(recipe, {"model.heads": 16, "optimiser.lr": 0.05})
    recipe.sha256()                       # names the run
    Recipe.from_json(recipe.to_json())    # round trip
"""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from reproduce.errors import UserError, did_you_mean
from reproduce.recipes.architectures import FAMILIES, Architecture

Variant = Literal["described", "as-run", "original"]
Budget = Literal["smoke", "short", "paper"]
EvalMode = Literal["eval", "train-bn", "train"]
VARIANTS: tuple[str, ...] = typing.get_args(Variant)
BUDGETS: tuple[str, ...] = typing.get_args(Budget)
EVAL_MODES: tuple[str, ...] = typing.get_args(EvalMode)

CIFAR_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR_STD = (0.2023, 0.1994, 0.2010)


@dataclass(frozen=True, kw_only=True)
class DataChoice:
    """Which images, how many of them, and which part of the training images is held out for model selection."""

    name: str = "cifar10"
    train_limit: int | None = None  # the first so many training images of each class, in balance
    test_limit: int | None = None
    holdout: float = 0.05  # share of the training images kept for validation
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
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 1e-4
    decay_positions: bool = False  # B15: weight decay on Gaussian centres and spreads too


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning rate as a closed form of the epoch; ``form`` names whose warm-up arithmetic (B6).

    ``per="step"`` follows the ``clean`` cosine within an epoch too, down to 0 after the last step.
    """

    kind: Literal["cosine", "multistep", "constant"] = "cosine"
    form: Literal["clean", "re", "epfl", "annealed"] = "clean"
    per: Literal["epoch", "step"] = "epoch"
    warmup: int = 0  # epochs
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1


_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 10**6),
    "extra_epochs": (0, 10**6),
    "batch_size": (1, 10**6),
    "evaluate_every": (1, 10**6),
    "label_smoothing": (0.0, 0.9),
    "data.holdout": (0.0, 0.9),
    "optimiser.lr": (0.0, 1e3),
    "optimiser.momentum": (0.0, 1.0),
    "optimiser.weight_decay": (0.0, 1e3),
    "schedule.warmup": (0, 10**6),
    "model.image_size": (4, 4096),
    "model.classes": (2, 10**6),
    "model.width": (1, 10**5),
    "model.hidden": (1, 10**6),
    "model.heads": (1, 1024),
    "model.depth": (1, 1024),
    "model.patch": (1, 1024),
    "model.attention_dropout": (0.0, 0.99),
    "model.hidden_dropout": (0.0, 0.99),
    "model.dropout": (0.0, 0.99),
    "model.pool_above": (1, 4096),
    "model.relation_ratio": (1, 10**5),
    "model.relation_minimum": (1, 10**5),
    "model.value_ratio": (1, 10**5),
    "model.value_minimum": (1, 10**5),
    "model.share": (1, 10**5),
}


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
    epochs: int = 300
    extra_epochs: int = 0  # B5: epochs trained past the schedule's horizon
    batch_size: int = 100
    drop_last: bool = False  # leave out an epoch's last batch where it is not full
    reshuffle: bool = True  # E10: an order of its own for every epoch, or the first one's for all
    batch_statistics: Literal["global", "local"] = "global"  # of BatchNorm under torchrun: whole batch, or each share
    initialisation: Literal["model", "kaiming"] = "model"  # kaiming: every weight Kaiming normal, every bias 0
    label_smoothing: float = 0.0
    smoothing_form: Literal["others", "uniform"] = "others"  # eps/(C-1) on the other classes, or eps/C on all
    evaluate_every: int = 1  # epochs; the first and the last are always evaluated
    eval_mode: EvalMode = "eval"  # B1: `train` measures with dropout and batch statistics
    batch_mean_accuracy: bool = False  # B17: mean of the batches' accuracies
    accuracy_over: int | None = None  # A3: divide right answers by this number, not by that of the test images

    def __post_init__(self) -> None:
        for key, (low, high) in _RANGES.items():
            value: Any = self
            for part in key.split("."):
                value = getattr(value, part, None)
            numbers = value if isinstance(value, tuple) else () if value is None else (value,)
            if not all(low <= number <= high for number in numbers):
                raise UserError(f"{key} cannot be {value}", f"choose a value from {low:g} to {high:g}")

    @property
    def total_epochs(self) -> int:
        """Epochs that are trained, those past the schedule's horizon included."""
        return self.epochs + self.extra_epochs

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, the model tagged with its family."""
        return _dump(_plain(self))

    @classmethod
    def from_json(cls, text: str) -> "Recipe":
        """Rebuild a recipe from :meth:`to_json`; raises UserError on a foreign or ill-typed document."""
        try:
            document = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"the recipe is not JSON ({error})", "it may be cut off; run the row again") from None
        if not isinstance(document, dict):
            raise UserError("the recipe is not a JSON object", "it may be cut off; run the row again")
        return _revive(cls, document, "recipe")

    def sha256(self) -> str:
        """Return the digest that names this recipe: every field that is not at its default, but the printed label.

        So a setting that a later version adds leaves the digests of recipes without it, and their recorded runs, as
        they are. A default itself must never change: a test holds the defaults' own digest.
        """
        return hashlib.sha256(_dump(_essential(dataclasses.replace(self, label=""))).encode()).hexdigest()


def override(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return ``recipe`` with dotted ``changes`` laid over it; a text value is read as the field's type.

    Raises:
        UserError: an unknown key (the nearest one is offered) or a value of another type.
    """
    for key, value in changes.items():
        recipe = _replace(recipe, key.split("."), value, key)
    return recipe


NAMES = ("row", "label", "table", "variant", "budget", "scale", "data.name")


def keys(recipe: Recipe) -> list[str]:
    """Return every dotted key that a user may set; what names the run (row, budget ...) has options of its own."""
    return [key for key, _ in _leaves(recipe, "") if key not in NAMES]


def override_settings(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return ``recipe`` with a user's ``changes``: :func:`override` for the keys that :func:`keys` lists.

    Raises:
        UserError: as :func:`override`, and for a key that names the run.
    """
    for key in changes:
        if key in NAMES:
            raise UserError(f"'{key}' is not a setting", f"it has an option of its own, or names the row: {recipe.row}")
    return override(recipe, changes)


def read_settings(settings: typing.Iterable[str]) -> dict[str, str]:
    """Split ``["a.b=1"]`` into ``{"a.b": "1"}``; raises UserError where the equals sign is missing."""
    changes = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise UserError(f"'{setting}' is not of the form key=value", "for example: --set optimiser.lr=0.05")
        changes[key.strip()] = value.strip()
    return changes


def read_eval_mode(name: str) -> EvalMode:
    """Return the evaluation mode called ``name``; raises UserError with the nearest one."""
    return typing.cast(EvalMode, _read(name, EvalMode, "--eval-mode"))


def _leaves(node: Any, prefix: str) -> typing.Iterator[tuple[str, Any]]:
    for item in dataclasses.fields(node):
        value = getattr(node, item.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{prefix}{item.name}.")
        else:
            yield f"{prefix}{item.name}", value


def _replace(node: Any, path: list[str], value: Any, key: str) -> Any:
    head, *rest = path
    names = [item.name for item in dataclasses.fields(node)]
    if head not in names:
        raise UserError(f"no setting is called '{key}'", _nearest_key(node, path, key))
    current = getattr(node, head)
    if rest:
        if not dataclasses.is_dataclass(current):
            raise UserError(f"no setting is called '{key}'", f"'{head}' has no parts")
        return dataclasses.replace(node, **{head: _replace(current, rest, value, key)})
    if dataclasses.is_dataclass(current):
        parts = ", ".join(item.name for item in dataclasses.fields(current))
        raise UserError(f"'{key}' is a group of settings", f"name one of its parts: {parts}")
    hint = typing.get_type_hints(type(node))[head]
    return dataclasses.replace(node, **{head: _read(value, hint, key)})


def _nearest_key(node: Any, path: list[str], key: str) -> str:
    prefix = key[: len(key) - len(".".join(path))]
    known = [prefix + name for name, _ in _leaves(node, "") if prefix + name not in NAMES]
    same_leaf = [name for name in known if name.rsplit(".", 1)[-1] == path[-1]]
    return f"did you mean '{same_leaf[0]}'?" if same_leaf else did_you_mean(key, known)


def _read(value: Any, hint: Any, key: str) -> Any:
    """Read ``value`` (text from the command line, or a Python value) as ``hint``."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        raise UserError(f"{key} cannot be '{value}'", did_you_mean(str(value), choices))
    if origin in (types.UnionType, typing.Union):
        if value is None or value == "none":
            return None
        return _read(value, next(kind for kind in typing.get_args(hint) if kind is not type(None)), key)
    if origin is tuple:
        parts = [part for part in value.split(",") if part] if isinstance(value, str) else list(value)
        return tuple(_read(part, typing.get_args(hint)[0], key) for part in parts)
    if hint is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        found = words.get(str(value).lower())
        if found is None:
            raise UserError(f"{key} takes true or false, not '{value}'", f"for example: --set {key}=true")
        return found
    try:
        if isinstance(value, bool) or (hint is int and isinstance(value, float)):
            raise ValueError
        return hint(value)
    except (TypeError, ValueError):
        names = {int: "a whole number", float: "a number", str: "a word"}
        raise UserError(f"{key} takes {names.get(hint, hint)}, not '{value}'", f"see: {key} in the recipe") from None


def _plain(node: Any) -> Any:
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        plain = {item.name: _plain(getattr(node, item.name)) for item in dataclasses.fields(node)}
        family = getattr(node, "family", None)
        return {"family": family, **plain} if family else plain
    return list(node) if isinstance(node, tuple) else node


def _essential(node: Any) -> Any:
    """Return ``node`` as :func:`_plain` does, without the fields that are at their defaults."""
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return _plain(node)
    family = getattr(node, "family", None)
    kept = {"family": family} if family else {}
    for item in dataclasses.fields(node):
        value = getattr(node, item.name)
        default = item.default_factory() if item.default_factory is not dataclasses.MISSING else item.default
        if value != default:
            kept[item.name] = _essential(value)
    return kept


def _dump(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _revive(kind: type, document: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    unknown = set(document) - set(hints) - {"family"}
    missing = [
        item.name
        for item in dataclasses.fields(kind)
        if item.name not in document
        and item.default is dataclasses.MISSING
        and item.default_factory is dataclasses.MISSING
    ]
    if unknown or missing:
        wrong = f"no field '{min(unknown)}'" if unknown else f"'{missing[0]}' is missing"
        raise UserError(f"the {where} does not fit this version: {wrong}", "run the row again with this version")
    values = {}
    for name, value in document.items():
        if name == "family":
            continue
        if name == "model":
            family = value.get("family") if isinstance(value, dict) else None
            if family not in FAMILIES:
                raise UserError(f"no model family is called '{family}'", did_you_mean(str(family), FAMILIES))
            values[name] = _revive(FAMILIES[family], value, "model")
        elif dataclasses.is_dataclass(hints[name]):
            if not isinstance(value, dict):
                raise UserError(f"'{name}' of the {where} is not a group", "run the row again with this version")
            values[name] = _revive(hints[name], value, name)  # type: ignore[arg-type]
        else:
            values[name] = _read(value, hints[name], name)
    return kind(**values)
