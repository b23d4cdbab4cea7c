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


def test_bootstrap_takes_over_at_sixteen():
    values = list(np.random.default_rng(5).normal(0.9, 0.01, 18))
    assert intervals.summarise(values[:15]).method == "t"
    found = intervals.summarise(values)
    assert found.method == "BCa bootstrap"
    assert found.low < found.mean < found.high
    # For a symmetrical mean the widened bootstrap lands near Student's interval.
    low, high = reference.t.interval(0.95, 17, loc=np.mean(values), scale=reference.sem(values))
    assert found.high - found.low == pytest.approx(high - low, rel=0.15)


def test_the_interval_of_a_share_stays_between_zero_and_one():
    for values in ([0.02, 0.5], [0.98, 0.6], [0.01] * 15 + [0.9]):
        found = intervals.summarise(values, share=True)
        assert 0 <= found.low <= found.mean <= found.high <= 1
    assert intervals.summarise([0.02, 0.5]).low < 0  # no share: nothing is cut off


def test_bootstrap_is_scipys_bca_at_the_widened_level():
    values = sorted(np.random.default_rng(6).gamma(2.0, 1.0, 17))
    tail = reference.norm.cdf(reference.t.ppf(0.025, 16) * math.sqrt(17 / 16))
    wanted = reference.bootstrap(
        (values,), np.mean, confidence_level=1 - 2 * tail, n_resamples=20_000, random_state=np.random.default_rng(1)
    ).confidence_interval
    found = intervals.summarise(values)
    assert (found.low, found.high) == pytest.approx(tuple(wanted), rel=0.02)
    assert intervals.RESAMPLES >= 9999


def test_degenerate_intervals():
    assert intervals.summarise([0.5]) == intervals.Interval(0.5, None, None, 1, "one run")
    for n in (2, 9, 16, 40):
        assert intervals.summarise([0.1] * n) == intervals.Interval(0.1, 0.1, 0.1, n, "equal values")
    spread = intervals.summarise([0.5] * 17 + [0.6])  # one odd value among equal ones
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


# -- simulation: the intervals cover the truth, the tests keep their level ---------------------------------------------


def share_covering(found, truth) -> float:
    return float(np.mean([one.low <= truth <= one.high for one in found]))


@pytest.mark.parametrize("n", [2, 3, 5, 9, 15])
def test_t_covers(n):
    draws = np.random.default_rng(n).normal(0.9, 0.01, (3000, n))
    assert share_covering(map(intervals.summarise, draws), 0.9) == pytest.approx(0.95, abs=0.01)


def cover_by_bootstrap(draws, truth) -> float:
    found = [intervals._bootstrap(sorted(values), resamples=1999) for values in draws]
    return float(np.mean([low <= truth <= high for low, high in found]))


@pytest.mark.parametrize(
    ("n", "samples", "within"), [(16, 1000, 0.015), pytest.param(16, 8000, 0.01, marks=pytest.mark.slow)]
)
def test_bootstrap_covers(n, samples, within):
    draws = np.random.default_rng(n).normal(0.9, 0.01, (samples, n))
    assert cover_by_bootstrap(draws, 0.9) == pytest.approx(0.95, abs=within)


def test_skewed_seeds_are_covered_as_the_docstring_says():
    """Exponential seeds, with a long tail of bad runs: less than 95 %, and said so."""
    for n, said in ((3, 0.88), (5, 0.88), (9, 0.90)):
        draws = 0.9 - np.random.default_rng(n).exponential(0.01, (4000, n))
        assert share_covering(map(intervals.summarise, draws), 0.89) == pytest.approx(said, abs=0.015)
        assert f"{100 * said:.0f} %" in intervals.summarise.__doc__
    draws = 0.9 - np.random.default_rng(16).exponential(0.01, (800, 16))
    assert cover_by_bootstrap(draws, 0.89) == pytest.approx(0.93, abs=0.02)


@pytest.mark.parametrize(("share", "trials"), [(0.94, 10_000), (0.86, 10_000), (0.5, 1000), (0.9, 1000)])
def test_wilson_covers(share, trials):
    hits = np.random.default_rng(7).binomial(trials, share, 4000)
    assert share_covering((intervals.wilson(int(hit), trials) for hit in hits), share) == pytest.approx(0.95, abs=0.01)


def test_newcombe_covers():
    ones, twos = (np.random.default_rng(8).binomial(1000, share, 3000) / 1000 for share in (0.9, 0.86))
    found = (intervals.newcombe(one, 1000, two, 1000) for one, two in zip(ones, twos, strict=True))
    assert share_covering(found, 0.04) == pytest.approx(0.95, abs=0.01)


def test_newcombe_is_the_closed_form():
    # Newcombe 1998 (second paper), Table II, method 10, example (a): 56/70 - 48/80
    found = intervals.newcombe(56 / 70, 70, 48 / 80, 80)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
