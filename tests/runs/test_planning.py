"""Pairing by seed and by image, and what is planned from a test: against scipy, by simulation, by the test itself."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from reproduce.stats.intervals import ALPHA
from reproduce.stats.planning import margin_held, runs_needed
from reproduce.stats.sample import Answers, Sample
from reproduce.stats.two_samples import contrast, detectable, equivalence, holm, holm_level, one_sided

SEEDS = range(8)


def paired(first, second):
    return Sample.of(first, 10_000, range(len(first))), Sample.of(second, 10_000, range(len(second)))


def test_runs_of_the_same_seeds_are_compared_seed_by_seed():
    random = np.random.default_rng(1)
    one, two = random.normal(0.9, 0.01, (2, 8))
    found = contrast(*paired(one, two), 0.003)
    assert found.p_value == pytest.approx(reference.ttest_rel(one - 0.003, two).pvalue, rel=1e-6)
    low, high = reference.ttest_rel(one, two).confidence_interval()
    assert (found.interval.low, found.interval.high) == pytest.approx((low, high), rel=1e-6)
    assert (found.test, found.freedom) == ("paired t", 7)
    turned = contrast(Sample.of(one[::-1], 10_000, list(SEEDS)[::-1]), Sample.of(two, 10_000, SEEDS), 0.003)
    assert turned == found  # in any order of the ledger
    for seeds in (range(1, 9), [0] * 8, ()):  # other seeds, seeds that repeat, seeds not known
        assert contrast(Sample.of(one, 10_000, SEEDS), Sample.of(two, 10_000, seeds)).test == "Welch"


def test_a_small_gap_on_every_seed_is_seen_by_pairing_alone():
    """.70 +- .03 points on each of eight seeds that differ among themselves by a point: more than half a point?"""
    random = np.random.default_rng(2)
    base = random.normal(0.86, 0.01, 8)
    moved = base + 0.0070 + random.normal(0, 0.0003, 8)
    assert equivalence(*paired(moved, base), 0.005).p_value < 1e-5
    assert equivalence(Sample.of(moved), Sample.of(base), 0.005).p_value > 0.2


def test_runs_that_agree_to_the_image_are_known_to_an_image():
    one, two = paired([0.9, 0.9, 0.9], [0.8, 0.8, 0.8])
    assert 0 < contrast(one, two).p_value < 1e-6
    assert contrast(one, two).error == pytest.approx(math.sqrt(2 / 12) / 10_000 / math.sqrt(3))


@pytest.mark.parametrize(("only", "other"), [(30, 60), (5, 5), (0, 12), (0, 0)])
def test_two_runs_on_the_same_images_are_compared_image_by_image(only, other):
    images = 1000
    first, second = np.zeros((2, images), bool)
    first[:only] = second[only : only + other] = True
    first[500:900] = second[500:900] = True
    one, two = (
        Sample.of([share.mean()], images, answers=Answers("data", images, np.packbits(share).tobytes()))
        for share in (first, second)
    )
    found = contrast(one, two)
    wanted = reference.binomtest(only, only + other).pvalue if only + other else 1.0
    assert (found.p_value, found.test, found.covers) == (pytest.approx(wanted), "McNemar, exact", "test images")
    assert found.interval.low < (only - other) / images < found.interval.high
    apart = contrast(one, Sample.of([second.mean()], images, answers=Answers("other", images, two.answers.bits)))
    assert apart.test == "z, two proportions"
    if only + other > 20:
        assert found.interval.high - found.interval.low < apart.interval.high - apart.interval.low


def test_the_paired_interval_covers_the_truth():
    """Bonett and Price: 95 % of the time, within what 3,000 draws can tell."""
    random, images = np.random.default_rng(3), 500
    shares = (0.06, 0.03, 0.8, 0.11)  # first alone, second alone, both, none
    hits = 0
    for only, other, *_ in random.multinomial(images, shares, 3000):
        first, second = np.zeros((2, images), bool)
        first[:only] = second[only : only + other] = True
        one, two = (Sample.of([s.mean()], images, answers=Answers("", images, np.packbits(s).tobytes())) for s in
                    (first, second))  # fmt: skip
        found = contrast(one, two).interval
        hits += found.low <= 0.03 <= found.high
    assert hits / 3000 == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("level", [0.05, 0.05 / 9])
@pytest.mark.parametrize(
    ("gap", "test"),
    [
        (0.006, contrast),
        (0.012, lambda one, two: equivalence(one, two, 0.02)),
        (0.014, lambda one, two: one_sided(one, two, 0.02, "non-superiority")),
        (-0.013, lambda one, two: one_sided(one, two, 0.02, "non-inferiority")),
    ],
)
def test_so_many_runs_settle_it_in_four_of_five_repetitions(level, gap, test):
    """The number comes from ten runs with exactly this gap and spread; that many are then drawn again and again."""
    pattern = np.array([-1.5, -1, -0.5, -0.2, 0, 0, 0.2, 0.5, 1, 1.5])
    pattern *= 0.01 / pattern.std(ddof=1)
    runs = runs_needed(test(Sample.of(0.8 + gap + pattern), Sample.of(0.8 - pattern)), level)
    assert runs is not None
    random = np.random.default_rng(7)
    sides = 2000
    drawn = random.normal(0.8, 0.01, (sides, 2, runs)) + np.array([gap, 0])[:, None]
    found = np.mean([test(Sample.of(one), Sample.of(two)).p_value < level for one, two in drawn])
    assert found == pytest.approx(0.8, abs=0.045), runs
    assert runs_needed(test(Sample.of([0.8]), Sample.of([0.8, 0.81])), level) is None


@given(
    values=st.lists(st.floats(0.3, 0.7), min_size=3, max_size=9),
    level=st.floats(0.001, 0.05),
    asked=st.sampled_from(["difference", "equivalence", "non-superiority", "non-inferiority"]),
)
def test_a_claim_holds_just_beyond_the_margin_that_is_printed(values, level, asked):
    one, two = Sample.of(values), Sample.of([value * 0.9 for value in values[::-1]])
    if one.deviation < 1e-3:
        return

    def test(margin):
        if asked == "equivalence":
            return equivalence(one, two, margin), abs(one.mean - two.mean) < margin
        if asked == "difference":
            return contrast(one, two, margin), one.mean - two.mean > margin
        inside = one.mean - two.mean < margin if asked == "non-superiority" else one.mean - two.mean > -margin
        return one_sided(one, two, margin, asked), inside

    margin = margin_held(test(0.02)[0], level)
    if margin < 1e-3:
        return
    wider = -1e-6 if asked == "difference" else 1e-6
    for shift, word in ((wider, True), (-wider, False)):
        found, inside = test(margin + shift)
        assert (inside and found.p_value < level) == word


def test_a_detectable_difference_is_one_of_the_corrected_level():
    assert detectable(0.01, 20, 0.05 / 9) > detectable(0.01, 20) > detectable(0.01, 20, sides=1)
    random = np.random.default_rng(5)
    gap = detectable(0.02 * math.sqrt(2 / 16), 30, 0.005)
    draws = random.normal(0, 0.02, (2000, 2, 16))
    power = np.mean([contrast(Sample.of(one + gap), Sample.of(two)).p_value < 0.005 for one, two in draws])
    assert power == pytest.approx(0.8, abs=0.03)


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=8), more=st.integers(0, 5))
def test_a_level_is_what_holm_leaves(values, more):
    size = len(values) + more
    for index, corrected in enumerate(holm(values, size)):
        assert (values[index] < holm_level(values, index, size)) == (corrected < ALPHA)


@given(
    values=st.lists(st.floats(0, 1), min_size=2, max_size=8),
    other=st.floats(0, 1),
    at=st.integers(0, 7),
)
def test_what_else_was_run_never_makes_a_claim_less_sure(values, other, at):
    """A claim that has not been run counts as p = 1: whatever it turns out to be, nothing gets worse."""
    at %= len(values)
    before = holm([1.0 if index == at else value for index, value in enumerate(values)])
    after = holm([other if index == at else value for index, value in enumerate(values)])
    for index in range(len(values)):
        if index != at:
            assert after[index] <= before[index]
