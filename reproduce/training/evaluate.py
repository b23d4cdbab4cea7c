"""Accuracy and loss of a network on a split, in the mode that the recipe asks for.

score = evaluate(model, batches, mode="eval", precision="fp32")
score.top1, score.top5, score.loss, score.count
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.console.logs import LOG
from reproduce.data.batches import Batches
from reproduce.data.cards import CARDS
from reproduce.data.dataset import stream
from reproduce.data.source import Source, identify
from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.recipes.recipe import DataChoice, EvalMode, Recipe
from reproduce.recipes.registry import resolve
from reproduce.recipes.settings import override_settings
from reproduce.stats.intervals import wilson
from reproduce.training.authors_checkpoint import read_published
from reproduce.training.checkpoint import Weights, fill, is_ours, load_weights
from reproduce.training.class_match import match_classes
from reproduce.training.precision import arithmetic, set_products
from reproduce.training.run import fit_to_data

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Score:
    """Shares in [0, 1], mean cross-entropy in nats, how many images they are of, and which of them are right (N,)."""

    top1: float
    top5: float
    loss: float
    count: int
    right_N: Tensor


@contextlib.contextmanager
def evaluation_mode(model: nn.Module, mode: EvalMode) -> Iterator[None]:
    """Put ``model`` in an evaluation mode, and back as it was.

    ``eval``: running statistics, no dropout. ``train-bn``: BatchNorm uses each batch's own statistics and leaves the
    running ones alone, no dropout. ``train``: dropout on, BatchNorm takes and updates from the test batches (B1).
    """
    was_training = model.training
    model.train(mode == "train")
    momenta: dict[nn.Module, float | None] = {}
    if mode == "train-bn":
        for layer in model.modules():
            if isinstance(layer, _NORMS):
                momenta[layer] = layer.momentum
                layer.momentum = 0.0
                layer.train()
    try:
        yield
    finally:
        for layer, momentum in momenta.items():
            layer.momentum = momentum  # type: ignore[assignment]
        model.train(was_training)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    mode: EvalMode = "eval",
    precision: str = "fp32",
    batch_mean: bool = False,
    over: int | None = None,
) -> Score:
    """Return the score of ``model`` over ``batches`` of (images (B, 3, H, W), labels (B)).

    ``batch_mean`` averages the batches' accuracies and losses, the short last one counting like a full one (B17).
    ``over`` divides right answers by another number than that of the images (A3).
    The host waits for the device once, at the end.
    """
    device = next(model.parameters()).device
    sums, sizes, right = [], [], []
    with evaluation_mode(model, mode):
        for x_B3HW, y_B in batches:
            with arithmetic(precision, device):
                logits_BC = model(x_B3HW)
            hit_B5, loss = _answer(logits_BC.float(), y_B)
            sums.append(torch.stack([hit_B5[:, 0].sum().float(), hit_B5.any(1).sum().float(), loss]))
            sizes.append(len(y_B))
            right.append(hit_B5[:, 0])
    total = torch.stack(sums).double().cpu()
    size = torch.tensor(sizes, dtype=torch.float64)
    means = (total / size[:, None]).mean(0) if batch_mean else total.sum(0) / size.sum()
    if over is not None:
        means[:2] *= size.sum() / over
    top1, top5, loss = means.tolist()
    return Score(top1, top5, loss, sum(sizes), torch.cat(right).cpu())


def _answer(logits_BC: Tensor, y_B: Tensor) -> tuple[Tensor, Tensor]:
    """Return which of each image's five best classes is its label, best first, and the summed cross-entropy."""
    best_B5 = logits_BC.topk(min(5, logits_BC.shape[1]), dim=1).indices
    hit_B5 = best_B5 == y_B[:, None]
    return hit_B5, F.cross_entropy(logits_BC, y_B, reduction="sum")


def open_weights(
    path: Path, row: str | None = None, variant: str | None = None, changes: Mapping[str, Any] | None = None
) -> Weights:
    """Return the weights at ``path``: of a run, or as another trainer writes them (see `read_published`)."""
    if is_ours(path):
        return load_weights(path)
    return read_published(path, row, variant, changes)


def evaluate_checkpoint(
    path: Path,
    data: str | None,
    device: torch.device,
    precision: str,
    *,
    changes: Mapping[str, Any] | None = None,
    row: str | None = None,
    variant: str | None = None,
) -> dict[str, Any]:
    """Return the score of the weights at ``path`` on the test images of ``data`` (by default the recipe's).

    Images that do not fit into memory at once are read in parts. ``changes`` are settings laid over the recipe: the
    evaluation mode, or what the file cannot say of how the weights were trained; for ``row`` and ``variant`` see
    `read_published`.

    Raises:
        UserError: a damaged or foreign checkpoint, data that is not here, other image sizes or classes.
    """
    weights = open_weights(path, row, variant, changes)
    recipe = override_settings(weights.recipe, changes or {})
    if data and "data.test_limit" not in (changes or {}):  # a limit is of the data that the recipe is for
        recipe = replace(recipe, data=replace(recipe.data, test_limit=None))
    source = identify(data or recipe.data.name)
    if len(source.classes) != recipe.model.classes:
        raise UserError(
            f"'{source.name}' has {len(source.classes)} classes, the checkpoint tells {recipe.model.classes} apart",
            "name the data that it was trained on",
        )
    outputs, notes = _match(weights, source, path)
    fitted = fit_to_data(recipe, source)
    set_products(precision, device)
    model = build(fitted.model)
    fill(model, weights.tensors, path)
    score = evaluate(
        model.to(device),
        _read_batches(source, fitted.data, recipe, device, outputs),
        mode=recipe.eval_mode,
        precision=precision,
        batch_mean=recipe.batch_mean_accuracy,
        over=recipe.accuracy_over,
    )
    found = {
        "checkpoint": str(path),
        "official": bool(weights.assumed) and recipe.table == "imagenet" and recipe.model == resolve(recipe.row).model,
        "epoch": weights.epoch,
        "notes": notes,
    }
    return found | _describe(score, recipe, source, precision)


def _match(weights: Weights, source: Source, path: Path) -> tuple[list[int] | None, list[str]]:
    """Return the network's output for each class of the data, and what was assumed of both, which is told."""
    outputs, told = None, ""
    if weights.data_sha256 not in (source.sha256, *source.older):
        names = weights.classes or _card_classes(weights.recipe)
        outputs, told = match_classes(names, source.classes, f"'{source.name}'")
    notes = [*weights.assumed, *([told] if told else [])]
    for note in notes:
        LOG.info("%s: %s", path, note)
    return outputs, notes


def _card_classes(recipe: Recipe) -> tuple[str, ...] | None:
    """Return the names of the classes where the data that a recipe is for are known and have them."""
    card = CARDS.get(recipe.data.name)
    return card.class_names or None if card is not None and card.classes == recipe.model.classes else None


def _describe(score: Score, recipe: Recipe, source: Source, precision: str) -> dict[str, Any]:
    """Return a score with what it is of and its interval."""
    trials = recipe.accuracy_over or score.count
    interval = wilson(round(score.top1 * trials), trials)
    return {
        "row": recipe.row,
        "dataset": source.name,
        "data_sha256": source.sha256,
        "eval_mode": recipe.eval_mode,
        "equalised": recipe.data.equalise,
        "precision": precision,
        "images": score.count,
        "top1": score.top1,
        "top5": score.top5,
        "loss": score.loss,
        "interval": [interval.low, interval.high],
    }


def _read_batches(
    source: Source, choice: DataChoice, recipe: Recipe, device: torch.device, outputs: list[int] | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the test split's batches, part by part; ``outputs`` are the network's for each class of the data."""
    size, mean, std = recipe.batch_size, recipe.data.mean, recipe.data.std
    for part in stream(source, choice, "test", size):
        if outputs is not None:
            part = replace(part, labels=torch.tensor(outputs)[part.labels])
        yield from Batches(part, size, mean, std, device=device).epoch()
