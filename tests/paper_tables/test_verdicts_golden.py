"""Golden verdicts: forged ledgers with a known truth, each with the word that a careful person would give.

The ledgers are written through the public API; ``ATTNREPRO_REGEN=1`` writes the rendered tables anew, never the words.
"""

import os
from pathlib import Path
from statistics import NormalDist

import pytest

from paper_tables.formats.render import render
from reproduce.recipes.registry import TABLES
from tests.golden.cases import OTHER_DATA, build, frame, recipes, row_of, run

FOLDER = Path(__file__).parents[1] / "golden" / "verdicts"
GATES = TABLES["gates"].rows
PRINTED = dict(zip(GATES, (0.667, 0.667, 0.642, 0.665, 0.675, 0.665, 0.602, 0.607, 0.669), strict=True))
NOTHING = {"top1_last": None, "top1_best": None, "top1_val_selected": None, "status": "diverged"}


def sixteen(recipe, mean, deviation=0.02):
    """Sixteen seeds that are a normal sample to the letter: its quantiles, in an order that is not theirs."""
    scores = [NormalDist().inv_cdf((7 * seed % 16 + 0.5) / 16) for seed in range(16)]
    return [run(recipe, seed, round(mean + deviation * score, 4)) for seed, score in enumerate(scores)]


def all_equal(_):
    """Nine rows x 16 seeds, each with the mean that is printed."""
    plan = recipes("gates", budget="paper")
    return "gates", plan, [one for row in GATES for one in sixteen(plan[row], PRINTED[row])]


def one_effect(_):
    """The same, but the plain network is six points worse than printed."""
    plan = recipes("gates", budget="paper")
    gaps = {"cnn": -0.06}
    return "gates", plan, [one for row in GATES for one in sixteen(plan[row], PRINTED[row] + gaps.get(row, 0.0))]


def nine_rows_off_by_a_little(_):
    """Nine rows x 16 seeds, each half a point off: within the margin, and nothing is to be made of it."""
    plan = recipes("gates", budget="paper")
    runs = [sixteen(plan[row], PRINTED[row] + (-1) ** place * 0.005, 0.015) for place, row in enumerate(GATES)]
    return "gates", plan, [one for row in runs for one in row]


def lost_seeds(plan):
    """Collapsed, diverged and unscored seeds beside good ones, and a row of which none has finished."""
    runs = [run(plan["vit"], seed, value) for seed, value in enumerate((0.842, 0.10, 0.843, 0.1003, 0.844))]
    runs += [run(plan["vit-ha"], 0, 0.877)] + [run(plan["vit-ha"], seed, 0.0, **NOTHING) for seed in range(1, 5)]
    runs += [run(plan["san-pair"], seed, 0.818 + seed / 1000) for seed in range(3)]
    runs += [run(plan["san-pair"], 3, 0.8, top1_val_selected=None)]
    runs += [run(plan["san-patch"], seed, 0.0, **NOTHING) for seed in range(2)]
    return "hierarchical", plan, runs


def mixed_data(plan):
    """Forty runs on the official images, and one of another folder that is newer and better."""
    runs = [run(plan[row], seed, 0.842 + seed % 3 / 1000) for row in ("vit", "san-pair") for seed in range(20)]
    stray = {"dataset": "photos", "data_sha256": OTHER_DATA, "started": "2026-12-24T00:00:00+00:00"}
    return "hierarchical", plan, [*runs, run(plan["vit"], 0, 0.99, run_id="stray", **stray)]


def too_little(plan):
    """One seed, and two."""
    runs = [run(plan["vit"], 0, 0.843), run(plan["vit-ha"], 0, 0.877), run(plan["vit-ha"], 1, 0.876)]
    return "hierarchical", plan, runs


def fifty_images(_):
    """The audit's case: two runs on fifty test images, .18 on average, against .667."""
    plan = recipes("gates", budget="paper")
    return "gates", plan, [run(plan["cnn"], seed, value, test_images=50) for seed, value in enumerate((0.12, 0.24))]


AGREE = dict.fromkeys(GATES, "agrees")
WIDE = ("cnn-linae", "cnn-linae-eca")  # whose printed runs spread too far for sixteen of them to show it
SCENES = {
    all_equal: AGREE,
    one_effect: AGREE | {"cnn": "differs"},
    nine_rows_off_by_a_little: AGREE | dict.fromkeys(WIDE, "undecided"),
    lost_seeds: dict.fromkeys(("vit", "vit-ha", "san-pair", "san-patch"), "undecided"),
    mixed_data: {"vit": "agrees", "san-pair": "differs"},
    too_little: dict.fromkeys(("vit", "vit-ha"), "undecided"),
    fifty_images: {"cnn": "not comparable"},
}


@pytest.mark.parametrize(("scene", "words"), SCENES.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_golden_verdicts(scene, words, paper, tmp_path):
    name, plan, runs = scene(paper)
    built = build(name, plan, frame(runs, tmp_path))
    assert {row.row: row.verdict.word for row in built.rows} == dict.fromkeys(plan, "not run") | words
    found = render(built, "md")
    path = FOLDER / f"{scene.__name__}.md"
    if os.environ.get("ATTNREPRO_REGEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8", newline="")
    assert found == path.read_bytes().decode("utf-8")


def test_the_stray_run_is_named_and_hides_none(paper, tmp_path):
    name, plan, runs = mixed_data(paper)
    built = build(name, plan, frame(runs, tmp_path))
    assert row_of(built, "vit").measured["top1"].n == 20
    assert any("left out: vit 1" in note for note in built.notes)
