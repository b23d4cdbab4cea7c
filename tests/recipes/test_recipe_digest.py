"""What names a run: a digest of the settings that are not at their defaults, and defaults that never change."""

import dataclasses
import json
import os
from pathlib import Path

from reproduce.recipes.architectures import FAMILIES
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import ENTRIES, resolve

# A recorded digest leaves defaults out, so a default that changed would give an old name to a new setting.
# ATTNREPRO_REGEN=1 adds new fields to this file; it never changes an old one.
DEFAULTS = Path(__file__).parents[1] / "golden" / "defaults.json"


def defaults_of(kind: type) -> dict[str, object]:
    found: dict[str, object] = {}
    for item in dataclasses.fields(kind):
        if item.default_factory is not dataclasses.MISSING:
            found[item.name] = defaults_of(item.default_factory)  # type: ignore[arg-type]
        elif item.default is not dataclasses.MISSING:
            found[item.name] = item.default
    return found


def add(old: object, new: object) -> object:
    """Return ``old`` with the keys that only ``new`` has."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return old
    return {key: add(old[key], new[key]) if key in old else new[key] for key in new}


def test_defaults_are_what_they_were() -> None:
    groups = {"recipe": Recipe, **FAMILIES}
    found = {name: json.loads(json.dumps(defaults_of(kind))) for name, kind in groups.items()}
    recorded = json.loads(DEFAULTS.read_text()) if DEFAULTS.exists() else {}
    if os.environ.get("ATTNREPRO_REGEN"):
        DEFAULTS.write_text(json.dumps(add(recorded, found), indent=1, sort_keys=True) + "\n")
    assert found == recorded, "a default changed, or a field is not recorded yet (ATTNREPRO_REGEN=1)"


def test_a_digest_ignores_the_label_and_defaults_and_nothing_else() -> None:
    recipe = resolve("vit")
    assert dataclasses.replace(recipe, label="another").sha256() == recipe.sha256()
    assert Recipe.from_json(recipe.to_json()).sha256() == recipe.sha256()
    document = json.loads(recipe.to_json())
    del document["drop_last"], document["optimiser"]["kind"]  # as written before these settings were there
    assert Recipe.from_json(json.dumps(document)).sha256() == recipe.sha256()
    assert resolve("vit", changes={"drop_last": True}).sha256() != recipe.sha256()
    assert resolve("vit", changes={"optimiser.kind": "adam"}).sha256() != recipe.sha256()


def test_digests_tell_all_recipes_apart() -> None:
    seen: dict[str, tuple[str, str, str]] = {}
    for row, entry in ENTRIES.items():
        for variant in entry.variant_names():
            for budget in ("smoke", "short", "paper"):
                key = (row, variant, budget)
                digest = resolve(row, variant=variant, budget=budget).sha256()
                assert seen.setdefault(digest, key) == key
