"""Rows with changed settings, as claims name them: ``"learned-content model.transpose_content=true"``. No torch.

Arm.read("vit epochs=2").recipe("described", "paper")      # None where this version has no such row or setting
"""

import functools
from dataclasses import dataclass

from reproduce.errors import UserError
from reproduce.recipes.command import write_command, write_options
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import resolve
from reproduce.recipes.settings import override, read_settings


@dataclass(frozen=True)
class Arm:
    """A row of the registry with changed settings: ``"learned-content model.transpose_content=true"``."""

    row: str
    settings: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Arm":
        """Return the arm that ``text`` names: a row, then settings."""
        row, *settings = text.split()
        return cls(row, tuple(settings))

    def recipe(self, variant: str, budget: str) -> Recipe | None:
        """Return its recipe; None where this version's registry has no such row, variant or setting."""
        return _resolve(self, variant, budget)

    def digests(self, variant: str, budget: str, dataset: str) -> frozenset[str]:
        """Return the digests of this version's recipe of the arm: on its own data, and on ``dataset``."""
        return _digest(self, variant, budget, dataset)

    def __str__(self) -> str:
        return " ".join([self.row, *self.settings])

    def command(self, variant: str, seeds: str) -> str:
        """Return the command that makes runs of it as the paper has it."""
        options = write_options(variant=variant, seeds=seeds, settings=self.settings)
        return write_command(self.row, budget="paper", options=options)


@functools.cache
def _resolve(arm: Arm, variant: str, budget: str) -> Recipe | None:
    try:
        return resolve(arm.row, variant=variant, budget=budget, changes=read_settings(arm.settings))
    except UserError:
        return None


@functools.cache
def _digest(arm: Arm, variant: str, budget: str, dataset: str) -> frozenset[str]:
    recipe = arm.recipe(variant, budget)
    if recipe is None:
        return frozenset()
    return frozenset((recipe.sha256(), override(recipe, {"data.name": dataset}).sha256()))
