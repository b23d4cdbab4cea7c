"""One row of the registry: the described recipe at the paper's budget, and what other variants and budgets change."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reproduce.recipes.recipe import Recipe

Changes = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A recipe and the changes that make its other variants and budgets (dotted keys, as ``--set`` takes them)."""

    recipe: Recipe
    variants: Mapping[str, Changes] = field(default_factory=dict)
    smoke: Changes = field(default_factory=dict)
    short_epochs: int = 30

    def variant_names(self) -> tuple[str, ...]:
        """Return the variants that this row has; ``described`` always."""
        return ("described", *self.variants)


def scale_schedule(recipe: Recipe, epochs: int) -> Recipe:
    """Return ``recipe`` cut to ``epochs``, its warm-up and milestones shortened in proportion (at least 1 epoch)."""
    ratio = epochs / recipe.epochs
    schedule = replace(
        recipe.schedule,
        warmup=max(1, round(recipe.schedule.warmup * ratio)) if recipe.schedule.warmup else 0,
        milestones=tuple(max(1, round(step * ratio)) for step in recipe.schedule.milestones),
    )
    return replace(recipe, epochs=epochs, schedule=schedule, evaluate_every=1)
