"""Intervals and tests against closed forms, scipy, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats as reference

from reproduce.stats import intervals

ONE, THREE = [0.943], [0.941, 0.944, 0.939]


def test_t_interval_is_scipys():
    found = intervals.summarise(THREE)
    low, high = reference.t.interval(0.95, 2, loc=np.mean(THREE), scale=reference.sem(THREE))
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(THREE), low, high), abs=1e-14)
    assert (found.n, found.method) == (3, "t")


def test_bootstrap_takes_over_at_ten():
    values = list(np.random.default_rng(5).normal(0.9, 0.01, 12))
    assert intervals.summarise(values[:9]).method == "t"
    found = intervals.summarise(values)
    assert found.method == "BCa bootstrap"
    assert found.low < found.mean < found.high
    # For a symmetrical mean the widened bootstrap lands near Student's interval.
    low, high = reference.t.interval(0.95, 11, loc=np.mean(values), scale=reference.sem(values))
    assert found.high - found.low == pytest.approx(high - low, rel=0.15)


def test_bootstrap_is_scipys_bca_at_the_widened_level():
    values = sorted(np.random.default_rng(6).gamma(2.0, 1.0, 15))
    tail = reference.norm.cdf(reference.t.ppf(0.025, 14) * math.sqrt(15 / 14))
    wanted = reference.bootstrap(
        (values,), np.mean, confidence_level=1 - 2 * tail, n_resamples=20_000, random_state=np.random.default_rng(1)
    ).confidence_interval
    found = intervals.summarise(values)
    assert (found.low, found.high) == pytest.approx(tuple(wanted), rel=0.02)
    assert intervals.RESAMPLES >= 9999


def test_degenerate_intervals():
    assert intervals.summarise([0.5]) == intervals.Interval(0.5, None, None, 1, "one run")
    for n in (2, 9, 10, 40):
        assert intervals.summarise([0.1] * n) == intervals.Interval(0.1, 0.1, 0.1, n, "equal values")
    spread = intervals.summarise([0.5] * 11 + [0.6])  # one odd value among equal ones
    assert spread.low <= spread.mean <= spread.high
    for values in ([], [0.1, math.nan], [math.inf]):
        with pytest.raises(ValueError, match="needs"):
            intervals.summarise(values)


def test_wilson_is_the_closed_form():
    # Newcombe 1998, Table I: 81 of 263
    found = intervals.wilson(81, 263)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)
    assert (intervals.wilson(0, 20).low, round(intervals.wilson(0, 20).high, 4)) == (0.0, 0.1611)
    assert (round(intervals.wilson(29, 29).low, 4), intervals.wilson(29, 29).high) == (0.8830, 1.0)
    wanted = reference.binomtest(9430, 10_000).proportion_ci(method="wilson")
    assert (intervals.wilson(9430, 10_000).low, intervals.wilson(9430, 10_000).high) == pytest.approx(
        tuple(wanted), abs=1e-12
    )
    for successes, trials in ((1, 0), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="not a share"):
            intervals.wilson(successes, trials)


def test_one_run_against_one_run_is_the_two_proportion_test():
    found = intervals.compare([0.9], 10_000, published=0.91, published_trials=10_000)
    table = [[9000, 1000], [9100, 900]]
    assert found.p_value == pytest.approx(reference.chi2_contingency(table, correction=False).pvalue, rel=1e-9)
    assert found.test == "z, two proportions of test images; seeds are not covered"
    assert intervals.compare([1.0], 50, published=1.0, published_trials=50).p_value == 1.0


def test_seeds_against_one_run_is_the_t_test_of_one_new_draw():
    found = intervals.compare(THREE, published=0.95)
    deviation = np.std(THREE, ddof=1)
    statistic = (np.mean(THREE) - 0.95) / (deviation * math.sqrt(1 + 1 / 3))
    assert found.p_value == pytest.approx(2 * reference.t.sf(abs(statistic), 2), rel=1e-12)
    assert found.test == "t, one new draw"
    # The same as Student's two-sample test with a second sample of one.
    assert found.p_value == pytest.approx(reference.ttest_ind(THREE, [0.95]).pvalue, rel=1e-9)


def test_mean_and_spread_is_welch():
    found = intervals.compare(THREE, published=0.95, published_n=5, published_spread=0.004)
    wanted = reference.ttest_ind_from_stats(
        np.mean(THREE), np.std(THREE, ddof=1), 3, 0.95, 0.004, 5, equal_var=False
    ).pvalue
    assert found.p_value == pytest.approx(wanted, rel=1e-9)
    assert found.test == "Welch"
    one = intervals.compare([0.94], published=0.95, published_n=5, published_spread=0.004)
    assert one.p_value == pytest.approx(2 * reference.t.sf(0.01 / (0.004 * math.sqrt(1.2)), 4), rel=1e-9)


def test_comparisons_without_a_spread():
    assert intervals.compare(ONE, published=0.943).p_value is None
    assert intervals.compare([5.1], 10_000, published=5.3, published_trials=10_000).p_value is None  # no shares
    same = intervals.compare([0.94, 0.94], 10_000, published=0.95, published_trials=10_000)
    assert same.test == "z, two proportions of test images; seeds are not covered"
    assert intervals.compare([5.0, 5.0], published=5.0).p_value == 1.0
    assert intervals.compare([5.0, 5.0], published=5.1).p_value == 0.0
    assert intervals.compare([0.5, 0.5], published=0.5, published_n=3, published_spread=0.0).p_value == 1.0
    with pytest.raises(ValueError, match="at least one"):
        intervals.compare([], published=0.5)


def test_verdicts():
    near = intervals.judge(intervals.compare([0.944], 10_000, published=0.943, published_trials=10_000), 0.944, 0.943)
    assert near.word == "agrees"
    assert "+0.0010" in near.reason
    assert "would not show" in near.reason
    far = intervals.judge(intervals.compare([0.9], 10_000, published=0.943, published_trials=10_000), 0.9, 0.943)
    assert (far.word, "p < 0.001" in far.reason, "-0.0430" in far.reason) == ("differs", True, True)
    assert intervals.judge(intervals.compare(ONE, published=0.943), 0.943, 0.943).word == "not comparable"
    assert {near.word, far.word} <= set(intervals.WORDS)


def test_resolution_is_where_the_verdict_turns():
    for values, more in ((THREE, {}), ([0.9], {"published_trials": 10_000})):
        found = intervals.compare(values, 10_000, published=0.95, **more)
        edge = np.mean(values) + found.resolution
        inside = intervals.compare(values, 10_000, published=edge - 2e-3, **more)
        outside = intervals.compare(values, 10_000, published=edge + 2e-3, **more)
        assert inside.p_value > intervals.ALPHA > outside.p_value


def test_difference():
    found = intervals.difference(THREE, [0.90, 0.91])
    wanted = reference.ttest_ind(THREE, [0.90, 0.91], equal_var=False).confidence_interval()
    assert (found.low, found.high) == pytest.approx(tuple(wanted), rel=1e-9)
    # Newcombe 1998 (second paper), Table II, method 10, example (a): 56/70 - 48/80 has unequal trials; the closed
    # form with equal trials is checked by hand.
    one, two = intervals.wilson(56, 70), intervals.wilson(48, 70)
    found = intervals.difference([56 / 70], [48 / 70], 70)
    assert found.low == pytest.approx(8 / 70 - math.hypot(one.mean - one.low, two.high - two.mean))
    assert found.high == pytest.approx(8 / 70 + math.hypot(one.high - one.mean, two.mean - two.low))
    assert intervals.difference([0.5], [0.4]).low is None
    assert intervals.difference([0.5, 0.6], [0.4], 100).low is None
    assert intervals.difference([0.5] * 2, [0.4] * 3).method == "equal values"


# -- simulation: the intervals cover the truth, the tests keep their level ---------------------------------------------


def share_covering(intervals, truth) -> float:
    return float(np.mean([found.low <= truth <= found.high for found in intervals]))


@pytest.mark.parametrize("n", [2, 3, 5, 9])
def test_t_covers(n):
    draws = np.random.default_rng(n).normal(0.9, 0.01, (3000, n))
    assert share_covering(map(intervals.summarise, draws), 0.9) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("n", [10, 12])
def test_bootstrap_covers(n):
    draws = np.random.default_rng(n).normal(0.9, 0.01, (1000, n))  # at 6,000 draws: 0.940 and 0.946
    assert share_covering(map(intervals.summarise, draws), 0.9) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("share", "trials"), [(0.94, 10_000), (0.86, 10_000), (0.5, 1000), (0.9, 1000)])
def test_wilson_covers(share, trials):
    hits = np.random.default_rng(7).binomial(trials, share, 4000)
    assert share_covering((intervals.wilson(int(hit), trials) for hit in hits), share) == pytest.approx(0.95, abs=0.015)


def test_differences_cover():
    random = np.random.default_rng(8)
    pairs = zip(random.normal(0.9, 0.01, (2000, 4)), random.normal(0.88, 0.02, (2000, 5)), strict=True)
    assert share_covering((intervals.difference(*pair) for pair in pairs), 0.02) == pytest.approx(0.95, abs=0.015)
    ones, twos = random.binomial(1000, 0.9, 3000) / 1000, random.binomial(1000, 0.86, 3000) / 1000
    found = (intervals.difference([one], [two], 1000) for one, two in zip(ones, twos, strict=True))
    assert share_covering(found, 0.04) == pytest.approx(0.95, abs=0.015)


def test_tests_keep_their_level():
    random = np.random.default_rng(9)
    level = [
        np.mean([intervals.compare(r[:3], published=r[3]).p_value < 0.05 for r in random.normal(0.9, 0.01, (3000, 4))]),
        np.mean(
            [
                intervals.compare([one / 10_000], 10_000, published=two / 10_000, published_trials=10_000).p_value
                < 0.05
                for one, two in random.binomial(10_000, 0.9, (3000, 2))
            ]
        ),
        np.mean(
            [
                intervals.compare(
                    r[:4], published=r[4:].mean(), published_n=5, published_spread=r[4:].std(ddof=1)
                ).p_value
                < 0.05
                for r in random.normal(0.9, 0.01, (3000, 9))
            ]
        ),
    ]
    assert level == pytest.approx([0.05] * 3, abs=0.012)
