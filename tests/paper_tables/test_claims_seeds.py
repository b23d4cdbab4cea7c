"""What is tested over seeds, and which runs speak together: times, curves, identities, seeds that diverged."""

import json
import math

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from paper_tables.claims.assess import assess
from paper_tables.claims.convergence import lower, mean_epoch, sooner
from paper_tables.claims.costs import faster, lighter
from paper_tables.claims.outcome import Outcome
from paper_tables.claims.questions import better, fact, proven
from paper_tables.claims.render import render
from paper_tables.claims.studies.registry import STUDIES
from tests.golden.cases import EMPTY, frame, recipes, run
from tests.paper_tables.test_claims import arm, judge

PAIR = ("learned-content-ha", "learned-content")


@pytest.fixture
def paper():
    return recipes("hierarchical", budget="paper")


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Return a function that commits histories: a list of (run id, {column: values by epoch})."""
    monkeypatch.setattr("paper_tables.claims.measured_files.MEASURED", tmp_path)
    (tmp_path / "histories").mkdir()

    def commit(run_id, **columns):
        lines = [
            ",".join(map(str, (epoch, *cells))) for epoch, cells in enumerate(zip(*columns.values(), strict=True), 1)
        ]
        text = "\n".join([",".join(["epoch", *columns]), *lines, ""])
        (tmp_path / "histories" / f"{run_id}.csv").write_text(text)

    return commit


def timed(recipe, values, name="latency_ms", **more):
    return [run(recipe, seed, 0.8, **{"latency_ms": 4.0, name: value}, **more) for seed, value in enumerate(values)]


@pytest.mark.parametrize(
    ("part", "column"),
    [
        (faster("vit-ha", "vit"), "latency_ms"),
        (faster("vit-ha", "vit", "an epoch"), "images_per_second"),
        (lighter("vit-ha", "vit"), "peak_memory_mb"),
    ],
)
def test_costs_of_different_machines_decide_nothing(paper, tmp_path, part, column):
    one, two = (1.0, 1.1, 0.9), (2.0, 2.1, 1.9)
    slow, fast = (one, two) if column == "images_per_second" else (two, one)
    here = timed(paper["vit"], slow, column, device="cpu")
    same = judge(part, runs=frame([*here, *timed(paper["vit-ha"], fast, column, device="cpu")], tmp_path)).ours
    assert same.word == "holds"
    assert same.parts[0].outcome.basis == "paper cifar10, cpu"
    other = timed(paper["vit-ha"], fast, column, device="NVIDIA H200")
    found = judge(part, runs=frame([*here, *other], tmp_path)).ours
    assert (found.word, found.reason) == ("undecided", "measured on different devices")
    newer = timed(paper["vit-ha"], fast, column, device="cpu", torch="2.99")
    found = judge(part, runs=frame([*here, *newer], tmp_path)).ours
    assert (found.word, found.reason) == ("undecided", "measured with different versions of torch")


def test_a_time_is_tested_over_runs_on_its_logarithm(paper, tmp_path):
    single = frame([*timed(paper["vit"], [4.0]), *timed(paper["vit-ha"], [3.99])], tmp_path)
    found = judge(faster("vit-ha", "vit"), runs=single).ours
    assert (found.word, found.leaning, found.reason) == ("undecided", None, "one run per arm: seeds are not covered")
    runs = frame([*timed(paper["vit"], [4.0, 4.4, 4.2]), *timed(paper["vit-ha"], [2.0, 2.2, 2.1])], tmp_path)
    outcome = judge(faster("vit-ha", "vit"), runs=runs).ours.parts[0].outcome
    assert (outcome.effect, outcome.n) == (pytest.approx(2), 3)
    assert outcome.low * outcome.high == pytest.approx(4)  # symmetric about 2 as a factor
    assert outcome.p_value < 0.01
    alike = frame([*timed(paper["vit"], [4.0, 5.0, 3.0]), *timed(paper["vit-ha"], [3.9, 4.9, 2.9])], tmp_path)
    assert judge(faster("vit-ha", "vit"), runs=alike).ours.word == "undecided"
    assert judge(faster("vit-ha", "vit", by=3.0), runs=runs).ours.word == "fails"


def test_a_time_needs_the_paper_s_size_but_not_its_training(paper, tmp_path, monkeypatch):
    monkeypatch.setattr("paper_tables.claims.measured_files.MEASURED", tmp_path)
    for budget, word in (("short", "holds"), ("smoke", "undecided")):
        plan = recipes("hierarchical", budget=budget)
        runs = frame([*timed(plan["vit"], [4.0, 4.1, 4.2]), *timed(plan["vit-ha"], [2.0, 2.1, 2.2])], tmp_path)
        assert judge(faster("vit-ha", "vit"), runs=runs).ours.word == word
    (tmp_path / "bench").mkdir()
    missing = judge(faster("vit-ha", "vit"), runs=EMPTY).ours
    assert missing.commands[-1].startswith("attnrepro bench --cpu --suite latency")
    for session, ms in enumerate((2.0, 2.1, 2.2)):
        path = tmp_path / "bench" / f"latency-{session}.csv"
        path.write_text(f"case,ms\nvit/eager,4.0\nvit-ha/eager,{ms}\n")
    found = judge(faster("vit-ha", "vit"), runs=EMPTY).ours
    assert (found.word, found.parts[0].outcome.basis) == ("holds", "latency benchmark, random weights")
    path.unlink()
    assert judge(faster("vit-ha", "vit"), runs=EMPTY).ours.word == "undecided"


def test_curves_of_several_seeds_decide(paper, tmp_path, measured):
    """Ten epochs; all levels are reached at 3, 4 and 5, and at 7, 8 and 9."""
    runs = [run(paper[row], seed, 0.9) for row in PAIR for seed in range(3)]
    for one in runs:
        at = one["seed"] + (3 if one["row"] == PAIR[0] else 7)
        measured(one["run_id"], test_top1=[0.9 if epoch >= at else 0.5 for epoch in range(1, 11)])
    outcome = judge(sooner(*PAIR), runs=frame(runs, tmp_path)).ours.parts[0].outcome
    assert (outcome.effect, outcome.n, outcome.obstacles) == (pytest.approx(4), 3, ())
    assert 0 < outcome.low < 4 < outcome.high
    assert "levels of test accuracy from 0.5 to 0.9: mean epochs 3.5 and 7.5" in outcome.note
    assert judge(sooner(*PAIR), runs=frame(runs, tmp_path)).ours.word == "holds"
    assert judge(sooner(*PAIR[::-1]), runs=frame(runs, tmp_path)).ours.word == "fails"
    measured(runs[5]["run_id"], test_top1=[0.5] * 10)  # one seed learns nothing: there is no level for all
    flat = judge(sooner(*PAIR), runs=frame(runs, tmp_path)).ours
    assert (flat.word, flat.leaning) == ("undecided", None)
    assert flat.reason == "no level of test accuracy is reached by all curves"


@given(
    values=st.lists(st.floats(0.1, 0.95), min_size=2, max_size=12),
    share=st.floats(0.05, 1.0),
    down=st.booleans(),
)
def test_a_mean_epoch_is_the_mean_over_a_scan_of_levels(values, share, down):
    """Against a scan of levels, each of which is looked for along the curve's best value so far."""
    high = values[0] + share * (max(values) - values[0])
    assume(high > values[0] + 1e-3)
    curve = [(3 * number + 1, -value if down else value) for number, value in enumerate(values)]
    low_, high_ = (-high, -values[0]) if down else (values[0], high)
    early, middle, late = mean_epoch(curve, low_, high_, down)
    found = []
    for level in (values[0] + (high - values[0]) * (step + 0.5) / 500 for step in range(500)):
        at = next(number for number, value in enumerate(values) if value >= level)
        before = max(values[:at])
        found.append(3 * (at - 1) + 1 + 3 * (level - before) / (values[at] - before))
    assert early <= middle + 1e-9
    assert middle <= late + 1e-9
    assert middle == pytest.approx(sum(found) / len(found), abs=0.2)


def test_no_level_is_chosen_for_the_published_curves():
    """C11 flipped between levels of .855 and .86; one number over all levels says one thing of each pair."""
    parts = {part.rows: part for part in next(c for c in STUDIES["re"].claims if c.id == "C11").parts}
    found = judge(parts["learned", "learned-16h"], parts["learned-content", "learned-content-16h"]).published
    assert [part.leaning for part in found.parts] == ["holds", "fails"]
    assert [round(part.outcome.effect) for part in found.parts] == [18, -24]


def test_seeds_that_agree_to_the_epoch_have_the_error_of_an_epoch(paper, tmp_path, measured):
    runs = [run(paper[row], seed, 0.9) for row in PAIR for seed in range(2)]
    for one in runs:
        at = 4 if one["row"] == PAIR[0] else 5
        measured(one["run_id"], test_top1=[0.9 if epoch >= at else 0.5 for epoch in range(1, 11)])
    found = judge(sooner(*PAIR), runs=frame(runs, tmp_path)).ours
    assert found.word == "undecided"
    assert found.parts[0].outcome.p_value > 0.05


def test_plots_read_off_too_coarsely_do_not_tell():
    """Both ECE 176 curves are read at epochs 1 and 50: which fell first in between is not known."""
    part = judge(
        sooner("ece176-proposed-patch", "ece176-baseline-patch", "train_loss"), proven("1", lambda: (True, 1), "", "")
    ).published
    assert part is None


def test_losses_are_compared_over_seeds(paper, tmp_path, measured):
    runs = [run(paper[row], seed, 0.9) for row in PAIR for seed in range(3)]
    for one in runs:
        last = 0.5 + one["seed"] / 50 + (0 if one["row"] == PAIR[0] else 0.4)
        measured(one["run_id"], train_loss=[2.0 + one["seed"] / 10, last])
    found = judge(lower(*PAIR, "last"), runs=frame(runs, tmp_path)).ours
    assert (found.word, found.parts[0].outcome.effect) == ("holds", pytest.approx(-0.4))
    assert judge(lower(*PAIR, "first"), runs=frame(runs, tmp_path)).ours.word == "undecided"


@pytest.mark.parametrize("rise", [1.3, 1.0])
def test_overfitting_is_decided_by_seeds(tmp_path, measured, rise):
    plan = recipes("accuracy", budget="paper") | recipes("heads", budget="paper")
    runs = [run(plan[row], seed, 0.8) for row in ("learned-content", "learned-content-16h") for seed in range(3)]
    for one in runs:
        jitter = one["seed"] / 1000
        measured(one["run_id"], train_loss=[2.0, 0.5, 0.01 + jitter], test_loss=[2.0, 1.0, rise + jitter])
    found = assess(STUDIES["re"], frame(runs, tmp_path), only="C23", local=False).claims[0].ours
    assert found.word == ("holds" if rise > 1.1 else "fails")
    assert [part.outcome.n for part in found.parts] == [3] * 4


def test_all_parts_of_a_claim_read_one_identity(paper, tmp_path, measured):
    """One arm has fp32 runs alone, another bf16 alone: no verdict is put together from both."""
    vit = [*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.87)]
    san = [
        line | {"precision": "bf16", "run_id": f"{line['run_id']}-bf16"}
        for line in (*arm(paper["san-pair"], 0.8), *arm(paper["san-patch"], 0.85))
    ]
    found = judge(better("vit-ha", "vit"), better("san-patch", "san-pair"), runs=frame([*vit, *san], tmp_path)).ours
    assert (found.word, [part.word for part in found.parts]) == ("undecided", ["holds", "not run"])
    assert found.parts[1].reason == "no runs at a common identity"
    # curves, too
    for row in PAIR:
        measured(f"{row}-x", test_top1=[0.2, 0.9])
    mixed = [
        run(paper[row], 0, 0.9, run_id=f"{row}-x", precision=precision)
        for row, precision in zip(PAIR, ("fp32", "bf16"), strict=True)
    ]
    open_ = judge(sooner(*PAIR), runs=frame(mixed, tmp_path)).ours
    assert (open_.word, open_.reason) == ("not run", "no runs at a common identity")


def test_several_runs_in_bf16_go_before_one_in_fp32(paper, tmp_path):
    many = [
        line | {"precision": "bf16", "run_id": f"{line['run_id']}-bf16"}
        for line in (*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.87))
    ]
    single = [run(paper["vit"], 0, 0.84), run(paper["vit-ha"], 0, 0.87)]
    found = judge(better("vit-ha", "vit"), runs=frame([*many, *single], tmp_path)).ours
    assert (found.word, found.parts[0].outcome.n) == ("holds", 5)
    assert found.parts[0].outcome.basis == "paper cifar10 bf16"


def test_runs_that_diverged_leave_a_claim_undecided(paper, tmp_path):
    lost = [run(paper["vit-ha"], seed, 0.1, status="diverged", latency_ms=None) for seed in (3, 4)]
    runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.87, 3), *lost], tmp_path)
    found = judge(better("vit-ha", "vit"), runs=runs).ours
    assert (found.word, found.leaning, found.parts[0].outcome.n) == ("undecided", "holds", 3)
    assert found.reason == "2 of 5 runs of vit-ha lost"
    without = run(paper["vit"], 7, 0.5, top1_last=math.nan, top1_best=math.nan, top1_val_selected=math.nan)
    found = judge(
        better("vit-ha", "vit"), runs=frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.87), without], tmp_path)
    )
    assert (found.ours.word, found.ours.reason) == ("undecided", "1 of 6 runs of vit lost")
    again = frame([*arm(paper["vit"], 0.84), run(paper["vit"], 0, 0.1, status="diverged", run_id="earlier")], tmp_path)
    assert judge(better("vit-ha", "vit"), runs=again).ours.word == "not run"  # a seed that was run again counts
    again = pd.concat([again, frame(arm(paper["vit-ha"], 0.87), tmp_path)])
    assert judge(better("vit-ha", "vit"), runs=again).ours.word == "holds"


def test_a_seed_that_collapsed_leaves_a_claim_undecided(paper, tmp_path):
    """Four networks at .87 and one at a tenth, of ten classes: what their mean says is not about training."""
    fallen = [*arm(paper["vit-ha"], 0.87, 4), run(paper["vit-ha"], 4, 0.1)]
    found = judge(better("vit", "vit-ha"), runs=frame([*arm(paper["vit"], 0.95), *fallen], tmp_path)).ours
    assert (found.word, found.reason) == ("undecided", "1 of 5 runs of vit-ha no better than chance")


@pytest.mark.parametrize("effect", [math.inf, -math.inf, math.nan])
def test_an_effect_that_is_no_number_is_said_in_every_format(effect):
    part = fact("endless", lambda _: Outcome(toward="holds", effect=effect, unit="x"))
    study = STUDIES["re"]
    found = judge(part)
    assert (found.ours.word, found.ours.reason) == ("not run", "the effect is not a finite number")
    from paper_tables.claims.claim import Assessment

    for form in ("text", "md", "json"):
        assert "inf" not in render([Assessment(study, "described", (found,))], form, parts=True).replace("infer", "")
    json.loads(render([Assessment(study, "described", (found,))], "json"))
