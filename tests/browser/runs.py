"""Runs for tests of figures: small networks with weights from a formula, recorded as a finished run is."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reproduce.data.source import identify
from reproduce.models.networks import build
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import resolve
from reproduce.record import ledger, manifest
from reproduce.training.checkpoint import save_weights
from reproduce.training.head_positions import record_positions
from reproduce.training.history import write_history
from reproduce.training.run import Run, fit_to_data

SMALL = {"model.width": 8, "model.hidden": 8}


def fill_by_formula(model: nn.Module, scale: float = 0.6) -> nn.Module:
    """Give every weight a value that depends on its place alone: the same on every machine and version of torch."""
    with torch.no_grad():
        for index, weight in enumerate(model.parameters()):
            place = torch.arange(weight.numel(), dtype=torch.float64)
            weight.copy_((scale * torch.sin(0.7 * place + 1.3 * index + 0.2)).view(weight.shape))
    return model.eval()


def image_by_formula(size: int = 32) -> Tensor:
    """Return a float32 image (3, size, size)."""
    place = torch.arange(3 * size * size, dtype=torch.float64)
    return torch.cos(0.013 * place * (1 + place / 5000)).float().view(3, size, size)


def make_recipe(row: str, **changes: Any) -> Recipe:
    """Return the smoke recipe of ``row``, smaller still."""
    base = {} if row.startswith(("san", "ece176", "resnet")) else SMALL
    return resolve(row, budget="smoke", changes={**base, **{k.replace("__", "."): v for k, v in changes.items()}})


def make_run(row: str, *, seed: int = 0, epoch: int = 3, top1: float = 0.5, **changes: Any) -> Path:
    """Record a finished run of ``row`` in the current results and return its checkpoint."""
    source = identify("shapes")
    recipe = fit_to_data(make_recipe(row, **changes), source)
    run = Run(recipe=recipe, source=source, seed=seed)
    model = fill_by_formula(build(recipe.model))
    path = run.folder / "best.safetensors"
    save_weights(path, model, recipe, epoch)
    for done in range(1, epoch + 1):
        record_positions(run.folder, model, done)
    command = f"attnrepro train {row} --budget smoke"
    manifest.write(manifest.collect(recipe, source.name, source.sha256, seed, "fp32", "cpu", command), run.folder)
    lines = [
        {"epoch": e, "train_loss": 2.0 / e, "test_loss": 2.2 / e, "test_top1": top1 * e / max(1, epoch)}
        for e in range(1, max(1, epoch) + 1)
    ]
    write_history(run.folder / "history.csv", lines)
    ledger.append(
        {
            "run_id": run.run_id,
            "row": row,
            "table": recipe.table,
            "budget": recipe.budget,
            "variant": recipe.variant,
            "scale": recipe.scale,
            "dataset": source.name,
            "data_sha256": source.sha256,
            "recipe_sha256": recipe.sha256(),
            "seed": seed,
            "precision": "fp32",
            "device": "cpu",
            "epochs": epoch,
            "status": "done",
            "checkpoint": str(path),
        }
    )
    return path
