"""A run: a recipe with the seed, the precision and the data that fix its result. No torch.

Two runs with the same ``run_id`` compute the same numbers on the same machine and build.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from reproduce.data.source import Source
from reproduce.errors import UserError
from reproduce.recipes.recipe import DataChoice, Recipe
from reproduce.record.folder import results_path


@dataclass(frozen=True, kw_only=True)
class Run:
    """What fixes a result: recipe, data, seed, precision."""

    recipe: Recipe
    source: Source
    seed: int = 0
    precision: str = "fp32"

    @property
    def identity(self) -> str:
        """Digest of everything that fixes the result."""
        parts = [self.recipe.sha256(), self.source.sha256, self.seed, self.precision]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def run_id(self) -> str:
        """Name of the run: what a person reads first, then a digest of the identity."""
        return f"{self.label}-{self.identity[:10]}"

    @property
    def label(self) -> str:
        """What the names of this run and of its like under other recipes or data begin with."""
        return f"{self.recipe.row}-{self.recipe.budget}-{self.recipe.variant}-s{self.seed}"

    @property
    def folder(self) -> Path:
        """Where the run keeps its manifest, history and checkpoints; never outside the folder of results."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.recipe.row):  # a recipe may come from a foreign file
            raise UserError(f"{self.recipe.row!r} is no name of a row", "attnrepro ls rows lists them")
        return results_path() / self.recipe.row / self.run_id


def fit_to_data(recipe: Recipe, source: Source) -> Recipe:
    """Return ``recipe`` reading ``source``: its name and its number of classes become part of the recipe.

    Raises:
        UserError: images of another size than the model reads.
    """
    if source.image_size != recipe.model.image_size:
        raise UserError(
            f"'{source.name}' has {source.image_size}x{source.image_size} images,"
            f" row '{recipe.row}' reads {recipe.model.image_size}x{recipe.model.image_size}",
            f"add --set model.image_size={source.image_size}, or choose other data",
        )
    data: DataChoice = replace(recipe.data, name=source.name)
    model = replace(recipe.model, classes=len(source.classes))
    return replace(recipe, data=data, model=model)
