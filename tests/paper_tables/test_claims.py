"""Claims: how parts and p values are combined into one word, and what each word is made of."""

import json

import pytest
from scipy import stats

from paper_tables.claims.assess import assess
from paper_tables.claims.claim import Claim, Study
from paper_tables.claims.outcome import Missing
from paper_tables.claims.questions import better, either, fact, near, no_gain, no_loss, proven, similar
from paper_tables.claims.render import render
from reproduce.errors import UserError
from tests.golden.cases import EMPTY, frame, recipes, run

COUNTS = {
    ("vit", "described"): {"params": 600, "macs_fast": 7},
    ("vit-ha", "described"): {"params": 100, "macs_fast": 8},
}


def claim(*parts, **more):
    return Claim(**{"id": "T1", "statement": "It is so.", "source": "here", "needs": "runs", "parts": parts, **more})


def judge(*parts, runs=EMPTY, **more):
    study = Study(name="test", title="Test", claims=(claim(*parts, **more),), tables=("hierarchical", "accuracy"))
    return assess(study, runs, counts=COUNTS, local=False).claims[0]


@pytest.fixture
def paper():
    return recipes("hierarchical", budget="paper")


STEPS = (-2, 1, 0, 2, -1)
OTHER_STEPS = (1, -2, 2, -1, 0)  # of hierarchical rows: seeds do not move in step


def arm(recipe, middle, n=5, **more):
    steps = OTHER_STEPS if recipe.row.endswith("-ha") else STEPS
    return [run(recipe, seed, middle + step / 1000, **more) for seed, step in zip(range(n), steps, strict=False)]


def test_better_holds_fails_and_stays_open(paper, tmp_path):
    runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.87)], tmp_path)
    found = judge(better("vit-ha", "vit"), runs=runs).ours
    assert (found.word, found.parts[0].outcome.effect) == ("holds", pytest.approx(0.03))
    wanted = stats.ttest_rel([0.87 + s / 1000 for s in OTHER_STEPS], [0.84 + s / 1000 for s in STEPS]).pvalue
    assert (found.parts[0].outcome.p_value, found.p_value) == pytest.approx((wanted, wanted), rel=1e-6)
    assert found.parts[0].outcome.test == "paired t"
    assert judge(better("vit", "vit-ha"), runs=runs).ours.word == "fails"
    assert judge(better("vit-ha", "vit", by=0.05), runs=runs).ours.word == "fails"
    same = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.8405)], tmp_path)
    found = judge(better("vit-ha", "vit"), runs=same).ours
    assert (found.word, found.leaning) == ("undecided", None)
    assert "would often not show" in found.reason
    assert found.runs > 5
    assert found.commands == tuple(f"attnrepro train {row} --budget paper --seeds 0-{found.runs - 1}" for row in
                                   ("vit-ha", "vit"))  # fmt: skip


def test_similar_is_an_equivalence_and_not_the_lack_of_a_difference(paper, tmp_path):
    runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.845)], tmp_path)
    assert judge(similar("vit", "vit-ha", 0.02), runs=runs).ours.word == "holds"
    assert judge(similar("vit", "vit-ha", 0.002), runs=runs).ours.word == "fails"
    wide = [run(paper["vit"], seed, 0.84 + step / 20) for seed, step in enumerate((-1, 1, 0))]
    runs = frame([*wide, *arm(paper["vit-ha"], 0.84)], tmp_path)
    assert judge(similar("vit", "vit-ha", 0.02), runs=runs).ours.word == "undecided"


def test_no_gain_fails_beyond_the_margin_alone(paper, tmp_path):
    """A gain that is sure but smaller than the margin is what the label calls no gain."""
    for top1, word in ((0.83, "holds"), (0.8402, "holds"), (0.85, "holds"), (0.8603, "undecided"), (0.88, "fails")):
        runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], top1)], tmp_path)
        found = judge(no_gain("vit-ha", "vit", 0.02), runs=runs).ours
        assert found.word == word, top1
    assert found.parts[0].part.label == "vit-ha gains less than 2 points on vit"
    gaps = [0.04 + (one - other) / 1000 for one, other in zip(OTHER_STEPS, STEPS, strict=True)]
    wanted = stats.ttest_1samp(gaps, 0.02, alternative="greater").pvalue
    assert found.parts[0].outcome.p_value == pytest.approx(wanted, rel=1e-6)


def test_no_loss_is_its_mirror(paper, tmp_path):
    for top1, word in ((0.85, "holds"), (0.838, "holds"), (0.8197, "undecided"), (0.80, "fails")):
        runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], top1)], tmp_path)
        assert judge(no_loss("vit-ha", "vit", 0.02), runs=runs).ours.word == word, top1


def test_near_compares_with_what_is_printed(paper, tmp_path):
    runs = frame(arm(paper["vit"], 0.845), tmp_path)  # printed 0.843: a fixed number
    found = judge(near("vit", 0.02), runs=runs).ours
    assert (found.word, found.parts[0].outcome.covers) == ("holds", "seeds")
    assert judge(near("vit", 0.02), runs=runs).published is None  # nothing to compare it with
    far = frame(arm(paper["vit"], 0.80), tmp_path)
    assert judge(near("vit", 0.02), runs=far).ours.word == "fails"
    one = judge(near("vit", 0.02), runs=frame(arm(paper["vit"], 0.845, 1), tmp_path)).ours
    assert (one.word, one.leaning) == ("undecided", None)
    for change in ({"budget": "short"}, {"dataset": "cifar10-jpeg75"}):  # beside a printed value only what it is of
        other = [line | change for line in arm(paper["vit"], 0.845)]
        found = judge(near("vit", 0.02), runs=frame(other, tmp_path)).ours
        assert (found.word, found.parts[0].outcome) == ("not run", None)
        assert "not comparable with a printed value" in found.parts[0].reason


def test_one_run_an_arm_never_decides(paper, tmp_path):
    runs = frame([run(paper["vit"], 0, 0.6), run(paper["vit-ha"], 0, 0.9)], tmp_path)
    found = judge(better("vit-ha", "vit"), runs=runs).ours
    assert (found.word, found.leaning) == ("undecided", None)
    assert "seeds are not covered" in found.reason
    assert found.parts[0].outcome.covers == "test images"
    assert found.commands == tuple(
        f"attnrepro train {row} --budget paper --seeds 0-4" for row in ("vit-ha", "vit")
    )  # fmt: skip


def test_a_claim_has_one_p_value_and_its_study_one_fixed_list(paper, tmp_path):
    runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.8445)], tmp_path)
    part = better("vit-ha", "vit")
    one = judge(part, runs=runs)
    raw = one.ours.parts[0].outcome.p_value
    assert 0.02 < raw < 0.05
    assert (one.ours.word, one.ours.p_value, one.ours.corrected) == ("holds", raw, pytest.approx(raw))
    # of a claim of several parts the least sure one speaks: their number is no reason for a correction
    many = judge(*[part] * 4, runs=runs)
    assert (many.ours.word, many.ours.p_value) == ("holds", raw)
    # that one of them fails is the least of several p values, and pays for it
    lost = judge(*[better("vit", "vit-ha")] * 4, runs=runs)
    assert (lost.ours.word, lost.ours.p_value) == ("undecided", pytest.approx(4 * raw))
    # the list is that of the study's claims, run or not
    others = (claim(better("san-patch", "san-pair"), id=f"T{number}") for number in (2, 3))
    study = Study(name="test", title="Test", claims=(claim(part), *others), tables=("hierarchical",))
    first, second, _ = assess(study, runs, counts=COUNTS, local=False).claims
    assert (first.ours.word, first.ours.corrected) == ("undecided", pytest.approx(3 * raw))
    assert second.ours.word == "not run"


def test_claims_on_single_printed_numbers_are_called_so():
    """Arithmetic of what is printed; whether it is beyond the error of the test images is said beside it."""
    found = judge(better("vit-ha", "vit", by=0.033)).published
    assert (found.word, found.leaning) == ("as printed", "holds")
    assert found.parts[0].outcome.test == "arithmetic of the printed numbers"
    assert "beyond the error of the test images: no" in found.parts[0].outcome.note
    wrong = judge(better("vit-ha", "vit", by=0.05)).published
    assert (wrong.word, wrong.leaning) == ("as printed", "fails")
    assert judge(better("vit-ha", "vit"), better("no-such-row", "vit")).published.word == "undecided"


def test_one_of_several_readings_is_enough(paper, tmp_path):
    runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.87)], tmp_path)
    yes, no = better("vit-ha", "vit"), better("vit", "vit-ha")
    found = judge(either("either", [no, yes]), runs=runs).ours
    assert found.word == "holds"
    alone = judge(yes, runs=runs).ours.p_value
    assert found.p_value == pytest.approx(2 * alone)  # the least of two
    assert "vit-ha over vit" in found.parts[0].outcome.note
    assert judge(either("either", [no, no]), runs=runs).ours.word == "fails"
    assert judge(either("either", [yes, better("no-such-row", "vit")]), runs=runs).ours.word == "not run"


def test_a_claim_holds_where_all_parts_do_and_fails_where_one_does(paper, tmp_path):
    yes, no = (
        proven(name, lambda holds=holds: (holds, 1.0), "", "t") for name, holds in (("yes", True), ("no", False))
    )
    absent = fact("absent", lambda _: Missing("not here", ("attnrepro doctor",)))
    assert judge(yes, yes).ours.word == "holds"
    assert (judge(yes, no).ours.word, judge(yes, no).ours.reason) == ("fails", "1 of 2 parts: no")
    assert judge(no, absent).ours.word == "fails"
    half = judge(yes, absent).ours
    assert (half.word, half.reason, half.commands) == ("undecided", "1 of 2 parts not run", ("attnrepro doctor",))
    assert judge(absent, absent).ours.word == "not run"


def test_the_order_of_the_ledger_does_not_matter(paper, tmp_path):
    runs = frame([*arm(paper["vit"], 0.84), *arm(paper["vit-ha"], 0.87)], tmp_path)
    study = Study(name="t", title="T", claims=(claim(better("vit-ha", "vit")),), tables=("hierarchical",))
    one, two = (render([assess(study, ledger_, counts=COUNTS)], "json") for ledger_ in (runs, runs.iloc[::-1]))
    assert one == two


def test_json_has_every_field(paper, tmp_path):
    study = Study(name="t", title="T", claims=(claim(better("vit-ha", "vit")),), tables=("hierarchical",))
    document = json.loads(render([assess(study, EMPTY, counts=COUNTS)], "json"))
    found = document["studies"][0]["claims"][0]
    assert {"id", "statement", "source", "needs", "verdict", "reason", "parts", "commands", "published"} <= set(found)
    part = found["published"]["parts"][0]
    assert {"effect", "test", "p_value", "p_corrected", "covers", "verdict"} <= set(part)
    assert {"value", "low", "high", "unit", "n"} <= set(part["effect"])
    with pytest.raises(UserError, match="no format") as caught:
        render([], "jsn")
    assert "json" in caught.value.hint
