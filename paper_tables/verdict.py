"""Whether a row's runs may be held against the paper at all, and what is said of all rows of a table together.

Runs that may not get their word here: another budget, scale, data set or setting, or another number of test images than
the official one. The rest are judged together, by the rule of :mod:`reproduce.stats.against_published`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paper_tables.published import Value
from paper_tables.selection import Choice, test_size
from reproduce.data.cards import find_by_content
from reproduce.recipes.recipe import Recipe
from reproduce.stats.against_published import Cell, Printed, Verdict, at_chance, judge

_NOT_SETTINGS = frozenset({"label", "table", "row", "data.name"})  # the data set is compared by its recorded name


@dataclass(frozen=True)
class Evidence:
    """What speaks for one row.

    ``recipe`` is what the runs ran, None for committed runs of another version, of which only the digest is known;
    ``reference`` is the recipe of the paper's budget, None where the row lacks the variant; ``values`` are printed.
    """

    choice: Choice | None
    recipe: Recipe | None
    reference: Recipe | None
    values: Mapping[str, Value]


def reach(
    rows: Mapping[str, Evidence], *, variant: str, headline: str, family: int, margin: float
) -> dict[str, Verdict]:
    """Return the verdict on every row of a table.

    Only runs of the paper's budget, scale, data and settings are held against the published value.

    Args:
        rows: what speaks for each row.
        variant: of the table.
        headline: which accuracy is compared.
        family: how many rows of the table have a published value to be held against.
        margin: within which accuracies agree.
    """
    examined = {row: _examine(one, variant, headline) for row, one in rows.items()}
    cells = {row: found for row, found in examined.items() if isinstance(found, Cell)}
    judged = judge(cells, family=family, margin=margin) if cells else {}
    return {row: found if isinstance(found, Verdict) else judged[row] for row, found in examined.items()}


def published_value(variant: str, values: Mapping[str, Value]) -> Value | None:
    """Return what the headline is held against: the paper's own number for its variant, a corrected one for ours."""
    preferred = {"original": "top1_original", "described": "top1_corrected"}.get(variant, "top1")
    return values.get(preferred, values.get("top1"))


def as_printed(value: Value) -> Printed:
    """Return a published value as the rule takes it."""
    return Printed(value.value, value.half_unit, value.n or 1, value.deviation)


def find_lost(
    values: Sequence[float],
    *,
    seeds: int,
    diverged: int,
    trials: int | None,
    classes: int | None,
    unscored: str = "",
) -> tuple[str, ...]:
    """Return a phrase for each way in which seeds were lost: no mean of the others stands for them.

    Args:
        values: the accuracies that there are, one per seed.
        seeds: how many seeds were run.
        diverged: how many of them diverged; the rest finished.
        trials: test images behind each accuracy.
        classes: of the data; an accuracy that guessing among them may reach is one of a network that has collapsed.
            Where either is None that is not looked for.
        unscored: the name of the accuracy that those which finished and have no value lack.
    """
    fallen = [f"{value:.4f}" for value in values if trials and classes and at_chance(value, trials, classes)]
    counted = (
        (diverged, "diverged"),
        (seeds - diverged - len(values), f"without a finite {unscored}"),
        (len(fallen), f"no better than chance among {classes} classes ({', '.join(fallen)})"),
    )
    return tuple(f"{count} of {seeds} seed{'s' * (seeds > 1)} {what}" for count, what in counted if count)


def changed_settings(recipe: Recipe, reference: Recipe) -> list[str]:
    """Return the dotted keys in which two recipes differ, names and printed labels aside."""
    ours, theirs = (_flat(json.loads(item.to_json()), "") for item in (recipe, reference))
    keys = (ours.keys() | theirs.keys()) - _NOT_SETTINGS
    return sorted(key for key in keys if ours.get(key) != theirs.get(key))


def _examine(one: Evidence, variant: str, headline: str) -> Verdict | Cell:
    """Return why the runs of a row are held against nothing, or what is to be judged."""
    if one.reference is None:
        return Verdict("not run", f"there is no variant '{variant}' of this row")
    if one.choice is None:
        return Verdict("not run", "no finished run of this recipe")
    choice, value = one.choice, published_value(variant, one.values)
    obstacles = _obstacles(choice, one.recipe, one.reference) or _check_images(choice, one.reference)
    if obstacles:
        return Verdict("not comparable", "; ".join(obstacles))
    if value is None:
        return Verdict("not comparable", "nothing is published for this row")
    if value.not_comparable:
        return Verdict("not comparable", f"{value.printed()} is {value.not_comparable}")
    runs = choice.values.get(headline, ())
    if not runs and not choice.diverged:
        return Verdict("not comparable", f"the runs have no {headline}")
    lost = find_lost(
        runs,
        seeds=choice.finished + choice.diverged,
        diverged=choice.diverged,
        trials=test_size(one.reference.data.name, one.reference),
        classes=one.reference.model.classes,
        unscored=headline,
    )
    return Cell(runs, as_printed(value), lost)


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


def _check_images(choice: Choice, reference: Recipe) -> list[str]:
    """Return what is wrong with the number of test images: a verdict needs the official one.

    Older runs have not recorded theirs; what is known of the content of their data stands for it.
    """
    if not choice.finished:
        return []
    official, measured = test_size(reference.data.name, reference), choice.test_images
    card = find_by_content(choice.identity.data_sha256)
    if measured is None and card is not None and reference.data.test_limit is None:
        measured = test_size(card.name, reference)
    if official is None:
        return [f"the official number of test images of {reference.data.name} is not known"]
    if measured is None:
        return ["on how many test images these runs were measured is not recorded"]
    return [] if measured == official else [f"{measured:,} test images, not {official:,}"]


def _flat(node: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    return {
        key: value
        for name, child in node.items()
        for key, value in _flat(child, f"{prefix}.{name}" if prefix else name).items()
    }
