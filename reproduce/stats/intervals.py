"""Intervals over seeds, and whether a measurement agrees with a published one. No torch; scipy inside functions.

summarise([0.941, 0.944, 0.939])                                  # mean and 95 % interval over three seeds
wilson(9430, 10_000)                                              # one run: the test set's own noise
compare([0.941, 0.944, 0.939], published=0.943).p_value
"""

import math
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Word = Literal["agrees", "differs", "not comparable", "not run"]
WORDS: tuple[str, ...] = typing.get_args(Word)
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
BOOTSTRAP_FROM = 10  # runs; fewer get a t interval
RESAMPLES = 9999
_SEED = 20191108  # of the bootstrap's own draws, so that a table is a pure function of its ledger


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval; ``low`` and ``high`` are None where ``n`` runs allow none."""

    mean: float
    low: float | None
    high: float | None
    n: int
    method: str


@dataclass(frozen=True)
class Comparison:
    """A test of ours against the published value; ``p_value`` is None where the numbers allow no test.

    ``resolution`` is the smallest gap that the test would have called a difference: what "agrees" is worth.
    """

    p_value: float | None
    test: str
    resolution: float | None = None


@dataclass(frozen=True)
class Verdict:
    """One of :data:`WORDS` and the sentence that says why."""

    word: Word
    reason: str


def summarise(values: Sequence[float]) -> Interval:
    """Return the mean over runs and its 95 % interval: Student's t below 10 runs, bootstrap (BCa) from 10 on.

    The order of ``values`` does not matter. Equal values give an interval of width zero. The bootstrap is BCa with
    tails widened for the number of runs (Hesterberg 2015, The American Statistician 69(4), the "expanded" interval):
    without that it covers the truth in 89 % of cases, not 95, at ten runs of normal data.
    """
    ordered = sorted(float(value) for value in values)
    n = len(ordered)
    if n == 0:
        raise ValueError("an interval needs at least one value")
    if not all(map(math.isfinite, ordered)):
        raise ValueError("an interval needs finite values")
    mean = math.fsum(ordered) / n
    if n == 1:
        return Interval(mean, None, None, 1, "one run")
    if ordered[0] == ordered[-1]:
        return Interval(ordered[0], ordered[0], ordered[0], n, "equal values")
    if n < BOOTSTRAP_FROM:
        from scipy import special

        half = float(special.stdtrit(n - 1, 1 - ALPHA / 2)) * _deviation(ordered) / math.sqrt(n)
        return Interval(mean, mean - half, mean + half, n, "t")
    low, high = _bootstrap(ordered)
    return Interval(mean, low, high, n, "BCa bootstrap")


def wilson(successes: int, trials: int) -> Interval:
    """Return one run's share of right answers with its Wilson 95 % interval over ``trials`` test images."""
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is not a share")
    z = _normal_quantile(1 - ALPHA / 2)
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # At 0 and 1 the bound is the share itself; rounding must not put it on the wrong side.
    return Interval(share, min(max(0.0, middle - half), share), max(min(1.0, middle + half), share), 1, "Wilson")


def compare(
    values: Sequence[float],
    trials: int | None = None,
    *,
    published: float,
    published_n: int | None = 1,
    published_spread: float | None = None,
    published_trials: int | None = None,
) -> Comparison:
    """Test our runs against a published value; the two-sided p value says how odd so large a gap would be by chance.

    Args:
        values: our runs, one value a seed.
        trials: test images behind each of ours (accuracies only).
        published: the published value, or the mean of several runs.
        published_n: how many runs that is; None (not stated) counts as one.
        published_spread: their standard deviation; None where not stated.
        published_trials: test images behind the published value.
    """
    ordered = sorted(float(value) for value in values)
    if not ordered:
        raise ValueError("a comparison needs at least one value")
    n, mean = len(ordered), math.fsum(ordered) / len(ordered)
    if published_spread is not None and (published_n or 1) > 1:
        return _against_many(ordered, published, published_spread, int(published_n or 1))
    deviation = _deviation(ordered) if n > 1 else 0.0
    if n > 1 and deviation > 0:
        # The published run is one new draw of our distribution under the null hypothesis.
        return _t_test(mean - published, deviation * math.sqrt(1 + 1 / n), n - 1, "t, one new draw")
    if trials and published_trials and min(mean, published) >= 0 and max(mean, published) <= 1:
        return _two_proportions(mean, trials * n, published, published_trials)
    if n > 1:
        return Comparison(1.0 if mean == published else 0.0, "equal runs")
    return Comparison(None, "none: one run, and the size of a test set is not known")


def judge(comparison: Comparison, mean: float, published: float) -> Verdict:
    """Return ``agrees`` or ``differs`` at the 5 % level; a comparison without a p value is not comparable."""
    if comparison.p_value is None:
        return Verdict("not comparable", f"no test: {comparison.test.removeprefix('none: ')}")
    chance = "p < 0.001" if comparison.p_value < 0.001 else f"p = {comparison.p_value:.3f}"
    reason = f"{mean - published:+.4f} against the published {published:g}, {chance} ({comparison.test})"
    if comparison.p_value < ALPHA:
        return Verdict("differs", reason)
    blind = "" if not comparison.resolution else f"; a gap under {comparison.resolution:.4f} would not show"
    return Verdict("agrees", reason + blind)


def difference(ours: Sequence[float], theirs: Sequence[float], trials: int | None = None) -> Interval:
    """Return mean(ours) - mean(theirs) with a 95 % interval: Welch over seeds, Newcombe for one run each.

    ``n`` is the smaller number of runs. Newcombe's interval joins the two Wilson intervals (1998, method 10).
    """
    first, second = summarise(ours), summarise(theirs)
    gap, n = first.mean - second.mean, min(first.n, second.n)
    if n > 1:
        error, freedom = welch(_deviation(sorted(ours)), first.n, _deviation(sorted(theirs)), second.n)
        if error == 0:
            return Interval(gap, gap, gap, n, "equal values")
        from scipy import special

        half = float(special.stdtrit(freedom, 1 - ALPHA / 2)) * error
        return Interval(gap, gap - half, gap + half, n, "Welch")
    if first.n == second.n == 1 and trials and 0 <= min(first.mean, second.mean) <= max(first.mean, second.mean) <= 1:
        return newcombe(first.mean, trials, second.mean, trials)
    return Interval(gap, None, None, n, "one run")


def welch(first_deviation: float, first_n: int, second_deviation: float, second_n: int) -> tuple[float, float]:
    """Return the standard error of a difference of means and Welch's degrees of freedom.

    Both samples have at least two values; without any spread the error is 0 and the freedom 1.
    """
    one, two = first_deviation**2 / first_n, second_deviation**2 / second_n
    if one + two == 0:
        return 0.0, 1.0
    share = one / (one + two)  # not squares of variances: those of tiny spreads vanish
    return math.sqrt(one + two), 1 / (share**2 / (first_n - 1) + (1 - share) ** 2 / (second_n - 1))


def newcombe(first: float, first_trials: int, second: float, second_trials: int) -> Interval:
    """Return the difference of two shares with its 95 % interval: two Wilson intervals joined (Newcombe 1998, 10)."""
    a = wilson(round(first * first_trials), first_trials)
    b = wilson(round(second * second_trials), second_trials)
    assert a.low is not None
    assert a.high is not None
    assert b.low is not None
    assert b.high is not None
    gap = first - second
    low = gap - math.hypot(a.mean - a.low, b.high - b.mean)
    return Interval(gap, low, gap + math.hypot(a.high - a.mean, b.mean - b.low), 1, "Newcombe")


def _deviation(values: Sequence[float]) -> float:
    if min(values) == max(values):
        return 0.0  # exactly: the rounded mean of equal values may differ from them
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _normal_quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def _t_test(gap: float, error: float, freedom: float, test: str) -> Comparison:
    from scipy import special

    p_value = min(1.0, 2 * float(special.stdtr(freedom, -abs(gap / error))))
    return Comparison(p_value, test, float(special.stdtrit(freedom, 1 - ALPHA / 2)) * error)


def _bootstrap(ordered: Sequence[float], resamples: int = RESAMPLES) -> tuple[float, float]:
    import numpy as np
    from scipy import stats

    n = len(ordered)
    tail = float(stats.norm.cdf(stats.t.ppf(ALPHA / 2, n - 1) * math.sqrt(n / (n - 1))))
    found = stats.bootstrap(
        (np.asarray(ordered),),
        np.mean,
        n_resamples=resamples,
        confidence_level=1 - 2 * tail,
        method="BCa",
        random_state=np.random.default_rng(_SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def _two_proportions(first: float, first_trials: int, second: float, second_trials: int) -> Comparison:
    pooled = (first * first_trials + second * second_trials) / (first_trials + second_trials)
    error = math.sqrt(pooled * (1 - pooled) * (1 / first_trials + 1 / second_trials))
    # Without error both shares are 0 or both are 1.
    p_value = math.erfc(abs(first - second) / error / math.sqrt(2)) if error else 1.0
    test = "z, two proportions of test images; seeds are not covered"
    return Comparison(p_value, test, _normal_quantile(1 - ALPHA / 2) * error)


def _against_many(ordered: Sequence[float], published: float, spread: float, published_n: int) -> Comparison:
    n, mean = len(ordered), math.fsum(ordered) / len(ordered)
    if n == 1:
        error, freedom, test = spread * math.sqrt(1 + 1 / published_n), float(published_n - 1), "t, one new draw"
    else:
        (error, freedom), test = welch(_deviation(ordered), n, spread, published_n), "Welch"
    if error == 0:
        return Comparison(1.0 if mean == published else 0.0, "equal runs")
    return _t_test(mean - published, error, freedom, test)
