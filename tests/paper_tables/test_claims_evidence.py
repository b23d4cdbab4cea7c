"""Claims: which runs speak for one, at which identity, beside what, and what is said of evidence that is not there."""

import math

import numpy as np
import pytest
from scipy import stats

from paper_tables.claims.arms import Arm
from paper_tables.claims.convergence import sooner
from paper_tables.claims.costs import faster
from paper_tables.claims.evidence import Printed
from paper_tables.claims.our_evidence import Ours
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.questions import better, fact, proven, ratio
from reproduce.data.cards import CARDS
from reproduce.recipes.registry import resolve
from reproduce.record.correct import write_correct
from reproduce.stats import two_samples
from tests.golden.cases import DATA, EMPTY, OTHER_DATA, frame, recipes, run
from tests.paper_tables.test_claims import arm, judge


@pytest.fixture
def paper():
    return recipes("hierarchical", budget="paper")


@pytest.mark.parametrize(
    ("budget", "change", "words"),
    [
        ("smoke", {}, "budget smoke, not paper; mini model, not paper scale; data shapes, not cifar10"),
        ("short", {}, "budget short, not paper"),
        ("paper", {"dataset": "cifar10-jpeg75"}, "data cifar10-jpeg75, not cifar10"),
        ("paper", {"recipe_sha256": "0" * 64}, "another recipe than this version's"),
    ],
)
def test_runs_of_another_identity_show_an_effect_and_decide_nothing(tmp_path, budget, change, words):
    plan = recipes("hierarchical", budget=budget)
    runs = frame([*arm(plan["vit"], 0.5, **change), *arm(plan["vit-ha"], 0.6, **change)], tmp_path)
    found = judge(better("vit-ha", "vit"), runs=runs).ours
    # mini models and a handful of steps do not even point somewhere
    assert (found.word, found.leaning) == ("undecided", None if budget == "smoke" else "holds")
    assert set(found.reason.split("; ")) == set(words.split("; "))
    assert found.parts[0].outcome.effect == pytest.approx(0.1)


def test_several_runs_against_one_decide_nothing_either(paper, tmp_path):
    runs = frame([*arm(paper["vit"], 0.84), run(paper["vit-ha"], 0, 0.9)], tmp_path)
    found = judge(better("vit-ha", "vit"), runs=runs).ours
    assert (found.word, found.leaning, found.parts[0].outcome.test) == ("undecided", None, "t, one new draw")


def test_arms_of_different_identity_never_meet(paper, tmp_path):
    smoke = recipes("hierarchical")
    runs = frame([*arm(paper["vit"], 0.8), *arm(smoke["vit-ha"], 0.5)], tmp_path)
    found = judge(better("vit-ha", "vit"), runs=runs).ours
    assert (found.word, found.reason) == ("not run", "no runs at a common identity")
    for change in ({"precision": "bf16"}, {"data_sha256": OTHER_DATA}, {"dataset": "cifar10-jpeg75"}):
        runs = frame([*arm(paper["vit"], 0.8), *arm(paper["vit-ha"], 0.9, **change)], tmp_path)
        assert judge(better("vit-ha", "vit"), runs=runs).ours.word == "not run"
    # of two that both have, the paper's wins over the larger number of seeds
    mixed = [
        *arm(paper["vit"], 0.84, 3),
        *arm(paper["vit-ha"], 0.87, 3),
        *arm(smoke["vit"], 0.5),
        *arm(smoke["vit-ha"], 0.4),
    ]
    found = judge(better("vit-ha", "vit"), runs=frame(mixed, tmp_path)).ours
    assert (found.word, found.parts[0].outcome.n, found.parts[0].outcome.basis) == ("holds", 3, "paper cifar10")


def test_failed_runs_and_other_variants_stay_out(paper, tmp_path):
    runs = frame([*arm(paper["vit"], 0.8), *arm(paper["vit-ha"], 0.9, status="failed")], tmp_path)
    assert judge(better("vit-ha", "vit"), runs=runs).ours.reason == "no run of vit-ha"
    other = recipes("hierarchical", variant="as-run", budget="paper")
    runs = frame([*arm(paper["vit"], 0.8), *arm(other["vit-ha"], 0.9)], tmp_path)
    assert judge(better("vit-ha", "vit"), runs=runs).ours.word == "not run"


def test_an_arm_with_settings_is_only_its_own_runs(tmp_path):
    plan = recipes("hierarchical", budget="paper")["learned-content"]
    changed = resolve("learned-content", changes={"model.transpose_content": "true"})
    part = better("learned-content", "learned-content model.transpose_content=true")
    runs = frame(arm(plan, 0.9), tmp_path)
    missing = judge(part, runs=runs).ours
    assert missing.reason == "no run of learned-content model.transpose_content=true"
    assert missing.commands == (
        "attnrepro train learned-content --budget paper --seeds 0-4 --set model.transpose_content=true",
    )
    others = [run(changed, seed, 0.85 + seed / 1000, run_id=f"changed-{seed}") for seed in range(3)]
    runs = frame([*arm(plan, 0.9), *others], tmp_path)
    assert judge(part, runs=runs).ours.word == "holds"
    odd = judge(better("vit", "vit model.nonsense=1"), runs=runs).ours
    assert (odd.word, odd.reason) == ("not run", "settings that this version lacks: model.nonsense=1")


def test_rows_that_this_version_lacks_are_no_error():
    found = judge(better("no-such-row", "vit"), sooner("no-such-row", "vit"), ratio("no-such-row", "vit", 0, 1)).ours
    assert found.word == "not run"
    assert "rows that this version lacks: no-such-row" in found.reason


def test_sizes_times_and_facts(paper, tmp_path):
    assert judge(ratio("vit", "vit-ha", 5, 7)).ours.word == "holds"
    assert judge(ratio("vit", "vit-ha", 7, math.inf)).ours.word == "fails"
    assert judge(ratio("vit", "vit-ha", 5, 5.8)).published.word == "holds"  # 37.4 / 6.53, printed
    runs = frame([*arm(paper["vit"], 0.8, latency_ms=3.0), *arm(paper["vit-ha"], 0.8, latency_ms=2.0)], tmp_path)
    found = judge(faster("vit-ha", "vit"), runs=runs)
    assert (found.ours.word, found.ours.parts[0].outcome.effect) == ("holds", pytest.approx(1.5))
    assert found.published.parts[0].outcome.effect == pytest.approx(7.094 / 6.302)
    runs = frame([*arm(paper["vit"], 0.8), *arm(paper["vit-ha"], 0.8, device="cuda", latency_ms=2.0)], tmp_path)
    assert "different devices" in judge(faster("vit-ha", "vit"), runs=runs).ours.reason
    assert judge(proven("two is even", lambda: (True, 0.0), "", "parity")).ours.word == "holds"
    assert judge(fact("nothing", lambda _: Missing("no way"))).ours.reason == "no way"


def test_curves_come_from_committed_histories_and_the_published_plot(paper, tmp_path, monkeypatch):
    monkeypatch.setattr("paper_tables.claims.measured_files.MEASURED", tmp_path)
    part = sooner("learned-content-ha", "learned-content")
    published = judge(part).published.parts[0].outcome
    assert published.toward == "holds"
    assert published.effect == pytest.approx(27.5, abs=0.1)  # epochs, of the digitised curves
    runs = frame([run(paper[row], 0, 0.8) for row in ("learned-content", "learned-content-ha")], tmp_path)
    assert "no history" in judge(part, runs=runs).ours.reason
    (tmp_path / "histories").mkdir()
    for run_id, values in zip(runs["run_id"], ((0.3, 0.6, 0.86), (0.3, 0.85, 0.87)), strict=True):
        lines = [f"{epoch},{value},\n" for epoch, value in enumerate(values, 1)]
        (tmp_path / "histories" / f"{run_id}.csv").write_text("epoch,test_top1,test_loss\n" + "".join(lines))
    found = judge(part, runs=runs).ours
    assert (found.word, found.leaning) == ("undecided", None)  # one curve each: no spread, no test
    assert found.reason == "one run per arm: seeds are not covered"
    assert found.parts[0].outcome.note == "levels of test accuracy from 0.3 to 0.86: mean epochs 1.5 and 2.0"


def test_an_arm_reads_rows_and_settings():
    assert Arm.read("vit model.depth=3 epochs=2") == Arm("vit", ("model.depth=3", "epochs=2"))
    assert str(Arm.read("vit  epochs=2")) == "vit epochs=2"
    assert Arm("vit").recipe("described", "paper").row == "vit"
    assert Arm("vit", ("model.depth=nine",)).recipe("described", "paper") is None


def test_sizes_are_those_of_the_variant_that_speaks():
    counts = {
        ("vit", "as-run"): {"params": 5},
        ("vit", "described"): {"params": 7},
        ("vit-ha", "described"): {"params": 9},
    }
    as_run = Ours(EMPTY, variant="as-run", counts=counts)
    assert [as_run.count(row) for row in ("vit", "vit-ha")] == [5, 9]  # a row without the variant: the described one
    assert Ours(EMPTY, counts=counts).count("vit") == 7


def test_evidence_says_what_it_lacks():
    ours, printed = Ours(EMPTY, ("hierarchical",), local=False), Printed(("hierarchical",))
    assert isinstance(ours.maps("learned", "query", ()), Missing)
    assert isinstance(printed.maps("learned", "query", ()), Missing)
    assert isinstance(printed.curves(["vit"]), Missing)
    assert isinstance(printed.samples(("vit", "vit epochs=1")), Missing)
    assert printed.count("vit") == 37.4e6
    assert isinstance(printed.samples(("vit",)).samples[0], two_samples.Sample)
    assert DATA != OTHER_DATA
    assert Outcome(toward="holds").p_value is None


def test_the_number_of_test_images_has_to_be_the_data_s(paper, tmp_path):
    """Runs whose ledger does not say are taken at their data's word; those that say 500 decide nothing."""
    runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.87)], tmp_path)
    for images, word in ((10_000, "holds"), (500, "undecided"), (math.nan, "holds")):
        runs["test_images"] = images
        found = judge(better("vit-ha", "vit"), runs=runs).ours
        assert found.word == word
    runs["test_images"] = 500
    assert judge(better("vit-ha", "vit"), runs=runs).ours.reason == "measured on 500 test images, not 10,000"


def test_single_runs_are_paired_by_the_images_that_they_got_right(paper, tmp_path, monkeypatch):
    """2,000 images that the first alone gets right, 1,500 that the second alone does: the rest tells nothing."""
    monkeypatch.setattr("paper_tables.claims.measured_files.MEASURED", tmp_path)
    runs = frame([run(paper["vit"], 0, 0.75), run(paper["vit-ha"], 0, 0.8)], tmp_path)
    apart = judge(better("vit-ha", "vit"), runs=runs).ours.parts[0].outcome
    assert apart.test == "z, two proportions"
    first, second = np.zeros((2, 10_000), bool)
    first[:2000], second[2000:3500] = True, True
    first[4000:], second[4000:] = True, True
    for run_id, right in zip(runs["run_id"], (second, first), strict=True):
        path = tmp_path / "correct" / f"{run_id}.json"
        write_correct(path, data=DATA, images=10_000, bits={"selected": np.packbits(right).tobytes()})
    found = judge(better("vit-ha", "vit"), runs=runs).ours
    outcome = found.parts[0].outcome
    assert (outcome.test, outcome.covers, outcome.effect) == ("McNemar, exact", "test images", pytest.approx(0.05))
    assert outcome.p_value == pytest.approx(stats.binomtest(2000, 3500).pvalue)
    assert (found.word, found.leaning) == ("undecided", None)  # test images are not seeds


def test_runs_under_an_older_fingerprint_of_the_same_images_meet_the_newer_ones(paper, tmp_path):
    card = CARDS["cifar10-jpeg75"]
    old = arm(paper["vit"], 0.84, dataset=card.name, data_sha256=card.older[0])
    new = arm(paper["vit-ha"], 0.87, dataset=card.name, data_sha256=card.content)
    found = judge(better("vit-ha", "vit"), runs=frame([*old, *new], tmp_path)).ours
    assert (found.word, found.leaning) == ("undecided", "holds")
    other = arm(paper["vit-ha"], 0.87, dataset=card.name, data_sha256=OTHER_DATA)
    assert judge(better("vit-ha", "vit"), runs=frame([*old, *other], tmp_path)).ours.word == "not run"
