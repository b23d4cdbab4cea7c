"""Whether a row's runs may be held against the paper at all, and if so what the test says."""

import json
from collections.abc import Mapping
from typing import Any

from paper_tables.published import Value
from paper_tables.selection import Choice, test_size
from reproduce.recipes.recipe import Recipe
from reproduce.stats import intervals

_NOT_SETTINGS = frozenset({"label", "table", "row", "data.name"})  # the data set is compared by its recorded name


def reach(
    variant: str,
    headline: str,
    choice: Choice | None,
    recipe: Recipe | None,
    reference: Recipe | None,
    values: Mapping[str, Value],
    test_images: int | None,
) -> intervals.Verdict:
    """Return the verdict on one row's runs.

    Only runs of the paper's budget, scale, data and settings are held against the published value.

    Args:
        variant: of the table.
        headline: which accuracy is compared.
        choice: the runs, or None.
        recipe: what they ran; None for committed runs, of which only the digest is known.
        reference: the recipe of the paper budget; None where the row lacks the variant.
        values: the published values of the row.
        test_images: test images behind one run.
    """
    if reference is None:
        return intervals.Verdict("not run", f"there is no variant '{variant}' of this row")
    if choice is None:
        return intervals.Verdict("not run", "no finished run of this recipe")
    obstacles = _obstacles(choice, recipe, reference)
    if obstacles:
        return intervals.Verdict("not comparable", "; ".join(obstacles))
    value = _published(variant, values)
    if value is None:
        return intervals.Verdict("not comparable", "nothing is published for this row")
    runs = choice.values.get(headline)
    if not runs:
        return intervals.Verdict("not comparable", f"the runs have no {headline}")
    comparison = intervals.compare(
        runs,
        test_images,
        published=value.value,
        published_n=value.n,
        published_spread=value.deviation,
        published_trials=test_size(reference.data.name, reference),
    )
    return intervals.judge(comparison, intervals.summarise(runs).mean, value.value)


def changed_settings(recipe: Recipe, reference: Recipe) -> list[str]:
    """Return the dotted keys in which two recipes differ, names and printed labels aside."""
    ours, theirs = (_flat(json.loads(item.to_json()), "") for item in (recipe, reference))
    keys = (ours.keys() | theirs.keys()) - _NOT_SETTINGS
    return sorted(key for key in keys if ours.get(key) != theirs.get(key))


def _obstacles(choice: Choice, recipe: Recipe | None, reference: Recipe) -> list[str]:
    identity = choice.identity
    obstacles = []
    if identity.budget != "paper":
        obstacles.append(f"budget {identity.budget}, not paper")
    if identity.scale != "paper":
        obstacles.append(f"{identity.scale} model, not paper scale")
    if identity.dataset != reference.data.name:
        obstacles.append(f"data {identity.dataset}, not {reference.data.name}")
    if obstacles or identity.recipe_sha256 == reference.sha256():
        return obstacles
    if recipe is None:
        return ["another recipe than this version's"]
    changed = changed_settings(recipe, reference)
    return [f"changed settings: {', '.join(changed)}"] if changed else []


def _published(variant: str, values: Mapping[str, Value]) -> Value | None:
    """Return what the headline is held against: the paper's own number for its variant, a corrected one for ours."""
    preferred = {"original": "top1_original", "described": "top1_corrected"}.get(variant, "top1")
    return values.get(preferred, values.get("top1"))


def _flat(node: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    return {
        key: value
        for name, child in node.items()
        for key, value in _flat(child, f"{prefix}.{name}" if prefix else name).items()
    }
