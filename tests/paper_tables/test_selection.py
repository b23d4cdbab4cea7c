"""What may share a cell, and which runs speak where there are several kinds."""

import pytest

from reproduce.data.cards import CARDS
from reproduce.recipes.settings import override
from tests.golden.cases import DATA, OTHER_DATA, build, frame, row_of, run


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "bf16"},
        {"recipe_sha256": "0" * 64},
        {"status": "failed"},
        {"status": "running"},
        {"row": "vit-ha"},
        {"data_sha256": OTHER_DATA, "started": "2020"},
    ],
)
def test_runs_of_another_identity_stay_out(smoke, tmp_path, change):
    runs = [run(smoke["vit"], seed, 0.5) for seed in (0, 1)]
    odd = run(smoke["vit"], 2, 0.9, run_id="odd", **change)
    found = row_of(build("3", smoke, frame([*runs, odd], tmp_path)), "vit").measured["top1"]
    assert (found.mean, found.n) == (0.5, 2)


def test_a_newer_stray_run_hides_nothing(smoke, tmp_path):
    runs = [run(smoke["vit"], seed, 0.5) for seed in (0, 1, 2)] + [run(smoke["vit-ha"], 0, 0.5)]
    stray = [run(smoke["vit"], 7, 0.7, data_sha256=OTHER_DATA, dataset="photos", started="2026-12-01")]
    built = build("3", smoke, frame([*runs, *stray], tmp_path))
    assert (built.data_sha256, built.dataset) == (DATA, "shapes")
    assert row_of(built, "vit").measured["top1"].n == 3
    assert any("left out: vit 1" in note for note in built.notes)
    asked = build("3", smoke, frame([*runs, *stray], tmp_path), data_sha256=dict.fromkeys(smoke, OTHER_DATA))
    assert (asked.data_sha256, asked.dataset) == (OTHER_DATA, "photos")
    assert row_of(asked, "vit-ha").verdict.word == "not run"  # one table, one data set


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"seeds": 1}, {"seeds": 9, "dataset": "cifar10-jpeg75"}),  # the official data before any number of seeds
        ({"seeds": 1}, {"seeds": 9, "test_images": 50}),  # all of its test images, too
        ({"seeds": 1, "rows": 2}, {"seeds": 5}),  # then rows
        ({"seeds": 3}, {"seeds": 2, "started": "2026-12-01"}),  # then seeds, never the day
    ],
)
def test_evidence_is_chosen_by_what_it_is(paper, tmp_path, first, second):
    runs = []
    for sha, kind in ((DATA, first), (OTHER_DATA, second)):
        more = {key: value for key, value in kind.items() if key not in ("seeds", "rows")} | {"data_sha256": sha}
        for row in [*paper][: kind.get("rows", 1)]:
            runs += [run(paper[row], s, 0.8, run_id=f"{sha[:2]}-{row}-{s}", **more) for s in range(kind["seeds"])]
    for order in (runs, runs[::-1]):
        assert build("3", paper, frame(order, tmp_path)).data_sha256 == DATA


def test_runs_under_an_older_fingerprint_of_the_same_images_share_a_cell(paper, tmp_path):
    card = CARDS["cifar10-jpeg75"]
    plan = {row: override(recipe, {"data.name": card.name}) for row, recipe in paper.items()}
    runs = [run(plan["vit"], 0, 0.8, data_sha256=card.older[0]), run(plan["vit"], 1, 0.81, data_sha256=card.content)]
    for asked in (None, {"vit": card.older[0]}, {"vit": card.content}):
        built = build("3", plan, frame(runs, tmp_path), frame(runs, tmp_path), data_sha256=asked)
        assert row_of(built, "vit").measured["top1"].n == row_of(built, "vit").committed["top1"].n == 2
        assert built.data_sha256 == card.content


def test_a_seed_counts_once_and_none_of_its_runs_is_hidden(smoke, tmp_path):
    first = run(smoke["vit"], 0, 0.5)
    again = run(smoke["vit"], 0, 0.6, run_id="again", started="2026-12-01T00:00:00+00:00")
    found = row_of(build("3", smoke, frame([again, first, run(smoke["vit"], 1, 0.6)], tmp_path)), "vit").measured
    assert found["top1"].n == 2
    assert found["top1"].mean == pytest.approx((0.55 + 0.6) / 2)


def test_wall_times_of_other_devices_are_not_averaged(smoke, tmp_path):
    runs = [run(smoke["vit"], 0, 0.5, latency_ms=1.0, device="cuda:0"), run(smoke["vit"], 1, 0.5, latency_ms=9.0)]
    found = row_of(build("3", smoke, frame(runs, tmp_path)), "vit").measured["latency_ms"]
    assert (found.mean, found.n) == (9.0, 1)
