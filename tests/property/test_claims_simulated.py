"""Verdicts on forged runs with a known truth: error rates of words, unrelated rows, pairing, and what more runs do."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_tables.claims.assess import assess
from paper_tables.claims.claim import Claim, Study
from paper_tables.claims.evidence import Evidence, Found
from paper_tables.claims.judge import judge
from paper_tables.claims.outcome import Missing
from paper_tables.claims.questions import better, moves, near, no_gain
from paper_tables.claims.studies.registry import STUDIES
from reproduce.recipes.registry import resolve
from reproduce.stats.intervals import ALPHA
from reproduce.stats.sample import Sample
from tests.golden.cases import frame, recipes, run

GATES = STUDIES["gates"]
ROWS = ("cnn", "cnn-eca", "cnn-cbam", "cnn-deep", "cnn-convae", "cnn-convae-eca", "cnn-linae", "cnn-linae-eca")
ROWS += ("cnn-spatial-eca",)
DRAWS = 1000


@pytest.fixture(autouse=True, scope="module")
def bare():
    """Leave out the notes of other tests (ranks, spreads): they decide nothing and take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("paper_tables.claims.tested._robust", lambda samples: "")
        yield


class Drawn(Evidence):
    """Runs that are drawn, not read: of every arm a sample of sixteen seeds or so; what is no accuracy is missing."""

    def __init__(self, samples):
        super().__init__(("gates",))
        self.drawn = samples

    def samples(self, arms, metric="top1"):
        if metric != "top1" or any(arm not in self.drawn for arm in arms):
            return Missing("not drawn")
        return Found(tuple(self.drawn[arm] for arm in arms), "drawn")

    def curves(self, rows, column="test_top1"):
        return Missing("not drawn")

    def maps(self, row, kind, columns):
        return Missing("not drawn")

    def count(self, row, column="params"):
        return Missing("not drawn")


def draw(random, means, spread, runs):
    """Return a sample per row, as independent as different seeds are."""
    return {
        row: Sample.of(random.normal(mean, spread, runs), seeds=range(at * runs, (at + 1) * runs))
        for at, (row, mean) in enumerate(means.items())
    }


@functools.cache
def words(means, runs, spread=0.02, draws=DRAWS):
    """Return how often each claim of the gates gets each word; ``means`` are (row, true accuracy)."""
    random, found = (
        np.random.default_rng(11),
        {claim.id: dict.fromkeys(("holds", "fails"), 0) for claim in GATES.claims},
    )
    claims = [claim for claim in GATES.claims if claim.random]
    for _ in range(draws):
        evidence = Drawn(draw(random, dict(means), spread, runs))
        asked = [(claim.parts, [part.examine(evidence) for part in claim.parts]) for claim in claims]
        for claim, verdict in zip(claims, judge(asked, GATES.tests), strict=True):
            if verdict.word in ("holds", "fails"):
                found[claim.id][verdict.word] += 1
    return {id_: {word: count / draws for word, count in counts.items()} for id_, counts in found.items()}


def shifted(**gaps):
    return tuple((row, 0.66 + gaps.get(row.replace("-", "_"), 0.0)) for row in ROWS)


# three standard errors of a share of .05 over the draws
SLACK = 3 * math.sqrt(0.05 * 0.95 / DRAWS)


def test_with_all_gates_equal_nothing_true_fails_and_nothing_false_holds():
    """Deviation .02, 16 runs each: gate-1, 1c, 3, 3c and 5 are true; that one gate beats another is not."""
    found = words(shifted(), 16)
    assert all(found[id_]["fails"] <= ALPHA + SLACK for id_ in ("gate-1", "gate-1c", "gate-3", "gate-3c", "gate-5"))
    assert sum(found[id_]["fails"] for id_ in ("gate-1", "gate-1c", "gate-3", "gate-3c", "gate-5")) <= ALPHA + SLACK
    assert sum(found[id_]["holds"] for id_ in ("gate-1b", "gate-3b", "gate-4")) <= ALPHA + SLACK


@pytest.mark.parametrize("row", ["cnn_eca", "cnn_linae_eca"])
def test_at_the_edge_of_the_margin_gate_1_holds_no_more_often_than_its_level(row):
    """One of five gates is exactly two points away, so that the claim is false: it holds in 5 % at the very most."""
    found = words(shifted(**{row: -0.02}), 64)
    assert found["gate-1"]["holds"] <= ALPHA / GATES.tests + SLACK
    assert found["gate-1"]["fails"] <= ALPHA + SLACK


def test_so_many_runs_as_are_asked_for_make_equal_gates_equal():
    """Sixteen runs do not tell two points with five gates; what is said to settle it does, in most of the cases."""
    few, many = words(shifted(), 16)["gate-1"]["holds"], words(shifted(), 60, draws=150)["gate-1"]["holds"]
    assert few < 0.15
    assert many > 0.8


def test_a_true_effect_is_found_and_a_true_gain_fails_the_claim_of_none():
    found = words(shifted(cnn_linae=-0.06, cnn_linae_eca=-0.06, cnn_convae_eca=0.06), 16)
    assert found["gate-4"]["holds"] > 0.9
    assert found["gate-3"]["fails"] > 0.9  # a hybrid six points above its components
    assert found["gate-1"]["fails"] > 0.9


def test_a_fixed_target_is_met_by_runs_that_meet_it():
    """With the truth exactly the printed numbers five runs of deviation .002 are within a point of them, mostly."""
    random = np.random.default_rng(12)
    part, target = near("vit", 0.01), 0.843

    class AtTarget(Drawn):
        def printed(self, row, metric="top1"):
            return Evidence.printed(self, row, metric)

    held = {0.0: 0, 0.01: 0}
    for gap in held:
        for _ in range(DRAWS):
            evidence = AtTarget({"vit": Sample.of(random.normal(target + gap, 0.002, 5))})
            evidence.tables = ("hierarchical",)
            held[gap] += judge([((part,), [part.examine(evidence)])], 1)[0].word == "holds"
    assert held[0.0] / DRAWS > 0.95
    assert held[0.01] / DRAWS <= ALPHA + SLACK  # exactly at the margin it is false


def study(*parts):
    claims = [
        Claim(id=f"T{number}", statement="It is so.", source="here", needs="runs", parts=(part,))
        for number, part in enumerate(parts)
    ]
    return Study(name="test", title="Test", claims=tuple(claims), tables=("hierarchical",))


ASKED = study(better("vit-ha", "vit"), no_gain("vit-ha", "vit", 0.02), better("san-pair-ha", "san-pair"),
              better("san-patch-ha", "san-patch"))  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(
    gap=st.sampled_from([-0.01, 0.0, 0.003, 0.004, 0.02, 0.05]),
    other=st.sampled_from([-0.1, 0.0, 0.004, 0.1]),
    spread=st.sampled_from([0.001, 0.01]),
)
def test_unrelated_rows_flip_no_word(tmp_path_factory, gap, other, spread):
    """Whatever other rows find, a word that stands stays, and one that is open is decided by its own numbers only."""
    plan, folder = recipes("hierarchical", budget="paper"), tmp_path_factory.mktemp("runs")

    def runs(row, middle, shift=0):
        random = np.random.default_rng(len(row) + shift)
        return [run(plan[row], seed, float(middle + random.normal(0, spread))) for seed in range(6)]

    own = [*runs("vit", 0.8), *runs("vit-ha", 0.8 + gap, 1)]
    more = [*runs("san-pair", 0.7), *runs("san-pair-ha", 0.7 + other, 2), *runs("san-patch", 0.7, 3),
            *runs("san-patch-ha", 0.7 + other, 4)]  # fmt: skip
    alone, together = (
        assess(ASKED, frame(kept, folder), counts={}, local=False).claims for kept in (own, [*own, *more])
    )
    for before, after in zip(alone[:2], together[:2], strict=True):
        assert before.ours.p_value == after.ours.p_value
        assert after.ours.corrected <= before.ours.corrected + 1e-12
        assert after.ours.word in (before.ours.word, before.ours.parts[0].outcome.toward)
        if before.ours.word != "undecided":
            assert after.ours.word == before.ours.word


def test_a_slip_of_seven_tenths_of_a_point_on_every_seed_is_decided_by_pairing(tmp_path):
    """.70 +- .03 points on each of five seeds that differ by a point among themselves: more than half a point."""
    setting = "model.transpose_content=true"
    plain, slip = resolve("learned-content"), resolve("learned-content", changes=dict([setting.split("=")]))
    base = (0.851, 0.872, 0.859, 0.868, 0.844)
    moved = (0.0070, 0.0067, 0.0073, 0.0071, 0.0069)
    kept = [run(plain, seed, top1) for seed, top1 in enumerate(base)]
    pairs = [run(slip, seed, top1 - down, run_id=f"slip-{seed}") for seed, (top1, down) in
             enumerate(zip(base, moved, strict=True))]  # fmt: skip
    asked = study(moves(f"learned-content {setting}", "learned-content", 0.005))
    found = assess(asked, frame([*kept, *pairs], tmp_path), counts={}, local=False).claims[0].ours
    assert (found.word, found.parts[0].outcome.test) == ("holds", "paired t, equivalence (TOST)")
    others = [line | {"seed": line["seed"] + 10} for line in pairs]
    apart = assess(asked, frame([*kept, *others], tmp_path), counts={}, local=False).claims[0].ours
    assert (apart.word, apart.parts[0].outcome.test) == ("undecided", "Welch, equivalence (TOST)")
    assert apart.runs > found.parts[0].outcome.n
