"""A file of weights, whoever wrote it, as one plain record. Imports torch."""

from pathlib import Path
from typing import Any

from reproduce.training.evaluate import open_weights


def describe_file(path: Path) -> dict[str, Any]:
    """Return the row, the sizes and what was assumed of the weights at ``path``; UserError where it holds none."""
    weights = open_weights(path)
    return {
        "checkpoint": str(path),
        "row": weights.recipe.row,
        "variant": weights.recipe.variant,
        "budget": weights.recipe.budget,
        "dataset": weights.recipe.data.name,
        "epoch": weights.epoch,
        "classes": weights.recipe.model.classes,
        "tensors": len(weights.tensors),
        "assumed": "; ".join(weights.assumed) or None,
    }
