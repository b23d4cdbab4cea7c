"""The numbers behind the figures of small networks whose weights come from a formula, against recorded ones.

``ATTNREPRO_REGEN=1 pytest tests/figures/test_golden.py`` writes them anew.
"""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from figures.attention_grid import choose_view, compute
from figures.centers import list_ellipse
from figures.maps.quantities import measure_heads
from figures.request import Request
from figures.subject import Subject
from reproduce.models.networks import build
from tests.browser.runs import fill_by_formula, image_by_formula, make_recipe

GOLDEN = Path(__file__).with_suffix(".json")
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "query row, learned-content": ("learned-content", {"query": "9,21"}),
    "query column, learned-content-ha": ("learned-content-ha", {"query": "", "slice": "column"}),
    "query row, learned": ("learned", {"query": "31,0"}),
    "average R1, vit": ("vit", {"average": True}),
    "average R0, quadratic-aniso": ("quadratic-aniso", {"average": True, "reading": "R0"}),
    "average R3, learned-content-ha": ("learned-content-ha", {"average": True, "reading": "R3"}),
    "offsets, san-pair-ha": ("san-pair-ha", {"average": True}),
    "offsets, san-patch": ("san-patch", {"query": ""}),
}


def numbers(case: str) -> list[list[list[float]]]:
    """Return a few numbers of every layer: three places of three columns."""
    row, asked = CASES[case]
    recipe = make_recipe(row)
    subject = Subject(fill_by_formula(build(recipe.model)), recipe, 1, "r", "shapes", "shapes", None, Path("x"))
    request = Request(**asked)
    pixel = (14, 16) if not request.query else tuple(map(int, request.query.split(",")))
    result = compute(subject, [image_by_formula()], choose_view(request, pixel, 32))  # type: ignore[arg-type]
    found = []
    for shown in result.shown:
        places = [0, shown.shape[1] // 2 + 1, shown.shape[1] - 1]
        found.append([[float(f"{shown[head, place]:.9g}") for place in places] for head in (0, len(shown) // 2, -1)])
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_are_the_recorded_ones(case: str) -> None:
    recorded = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    found = numbers(case)
    if os.environ.get("ATTNREPRO_REGEN"):
        GOLDEN.write_text(json.dumps({**recorded, case: found}, indent=1, sort_keys=True) + "\n")
        return
    assert np.array(found) == pytest.approx(np.array(recorded[case]), rel=2e-4, abs=1e-7)


def test_an_ellipse_and_a_head_whose_numbers_are_known() -> None:
    outline = list_ellipse(np.array([1.0, 2.0]), np.diag([4.0, 0.25]), 0.9, points=5)
    assert outline is not None
    radius = np.sqrt(4.605170186)
    assert sorted(outline[:4, 0].round(6)) == pytest.approx([1 - radius / 2, 1.0, 1.0, 1 + radius / 2], abs=1e-6)
    assert sorted(outline[:4, 1].round(6)) == pytest.approx([2 - 2 * radius, 2.0, 2.0, 2 + 2 * radius], abs=1e-6)
    uniform = measure_heads(np.full((2, 16, 16), 1 / 16))
    assert uniform["mass_within_1"][0] == pytest.approx((4 * 4 + 8 * 6 + 4 * 9) / 256)
    assert uniform["head_spread"][0] == 0.0
