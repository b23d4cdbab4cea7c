"""Two sets of runs against each other: is one better, are they the same, what would not have shown. No torch.

    gap = contrast(Sample.of([0.91, 0.92, 0.91]), Sample.of([0.87, 0.86, 0.88]))
    gap.interval, gap.p_value                    # Welch over seeds
    equivalence(one, other, margin=0.01)         # two one-sided tests
    holm([0.01, 0.04, 0.03])                     # corrected for their number

A sample is either runs or what a paper prints of them: mean, standard deviation, number. One run has no spread: only
the error of its test images can be told, and :attr:`Contrast.covers` says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

from reproduce.stats import intervals
from reproduce.stats.intervals import ALPHA, BOOTSTRAP_FROM, Interval

Covers = Literal["seeds", "test images", "nothing"]
POWER = 0.8
_SEED = 20200107


@dataclass(frozen=True)
class Sample:
    """Accuracies (or other measurements) of one arm; ``deviation`` has n - 1 below it, None for one run.

    ``trials`` is the number of test images behind one run, None where the values are no shares of images.
    """

    mean: float
    deviation: float | None
    n: int
    trials: int | None = None
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Sequence[float], trials: int | None = None) -> "Sample":
        """Return the sample of single runs, in any order."""
        ordered = tuple(sorted(float(value) for value in values))
        if not ordered or not all(map(math.isfinite, ordered)):
            raise ValueError("a sample needs finite values, at least one")
        mean = math.fsum(ordered) / len(ordered)
        if ordered[0] == ordered[-1]:
            return cls(ordered[0], 0.0 if len(ordered) > 1 else None, len(ordered), trials, ordered)
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (len(ordered) - 1))
        return cls(mean, deviation, len(ordered), trials, ordered)

    @classmethod
    def printed(cls, mean: float, deviation: float | None, n: int | None, trials: int | None = None) -> "Sample":
        """Return the sample that a paper prints: with its sample deviation over ``n`` runs, or one run."""
        n = n or 1
        return cls(mean, None, 1, trials) if n == 1 or deviation is None else cls(mean, deviation, n, trials)


@dataclass(frozen=True)
class Contrast:
    """A difference of means with its 95 % interval and a test; ``p_value`` is None where the numbers allow none.

    ``covers`` names the only uncertainty that is in the interval; ``detectable`` is the difference that the test would
    have found in four of five repetitions.
    """

    interval: Interval
    p_value: float | None
    test: str
    covers: Covers
    detectable: float | None = None


def contrast(first: Sample, second: Sample, margin: float = 0.0) -> Contrast:
    """Test whether mean(first) - mean(second) is ``margin``; the p value is two-sided."""
    gap = first.mean - second.mean
    interval, error, freedom, test, covers = _spread(first, second, pooled=margin == 0)
    if covers == "nothing":
        return Contrast(interval, None, test, covers)
    if error == 0:
        return Contrast(interval, 1.0 if gap == margin else 0.0, test, covers)
    p_value = min(1.0, 2 * _tail(abs(gap - margin) / error, freedom))
    return Contrast(interval, p_value, test, covers, detectable(error, freedom))


def equivalence(first: Sample, second: Sample, margin: float) -> Contrast:
    """Test whether the means lie within ``margin`` of each other (two one-sided tests, Schuirmann 1987).

    The p value is for the side on which the data are: that they are not equivalent where the difference is within the
    margin, that they are where it is beyond. Either way a small one settles the question that the data suggest.
    """
    if margin <= 0:
        raise ValueError("equivalence needs a margin above 0")
    gap = abs(first.mean - second.mean)
    interval, error, freedom, test, covers = _spread(first, second, pooled=False)
    test = f"{test}, equivalence (TOST)" if covers != "nothing" else test
    if covers == "nothing":
        return Contrast(interval, None, test, covers)
    if error == 0:
        return Contrast(interval, 0.0 if gap != margin else 1.0, test, covers)
    return Contrast(interval, _tail(abs(margin - gap) / error, freedom), test, covers, detectable(error, freedom))


def detectable(error: float, freedom: float = math.inf) -> float:
    """Return the least true difference that a two-sided 5 % test finds with probability 0.8, to a good approximation.

    Args:
        error: standard error of the difference.
        freedom: degrees of freedom of the test; infinite for a normal one.
    """
    return error * (_quantile(1 - ALPHA / 2, freedom) + _quantile(POWER, freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number (Holm 1979), in the given order: the least times m, and so on."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def same_spread(*groups: Sequence[float]) -> float | None:
    """Return the p value that groups of runs scatter alike (Brown and Forsythe 1974); None below three runs a group."""
    if len(groups) < 2 or min(map(len, groups)) < 3:
        return None
    from scipy import stats as scipy_stats

    if all(min(group) == max(group) for group in groups):
        return 1.0  # no spread anywhere: nothing to divide by
    return float(scipy_stats.levene(*map(sorted, groups), center="median").pvalue)


def same_ranks(first: Sample, second: Sample) -> float | None:
    """Return the two-sided p value of Mann and Whitney's rank test, which no outlier moves; None without the runs."""
    if min(len(first.values), len(second.values)) < 2:
        return None
    from scipy import stats as scipy_stats

    return float(scipy_stats.mannwhitneyu(first.values, second.values, alternative="two-sided").pvalue)


def resample(first: Sample, second: Sample, resamples: int = intervals.RESAMPLES) -> Interval | None:
    """Return the difference of means with a bootstrap interval (BCa); None below 10 runs an arm or without any spread.

    Drawn with a seed of its own, so that the same runs give the same interval.
    """
    if min(len(first.values), len(second.values)) < BOOTSTRAP_FROM or not (first.deviation or second.deviation):
        return None
    import numpy as np
    from scipy import stats as scipy_stats

    def gap(one: Any, two: Any, axis: int = -1) -> Any:
        return np.mean(one, axis=axis) - np.mean(two, axis=axis)

    found = scipy_stats.bootstrap(
        (np.asarray(first.values), np.asarray(second.values)),
        gap,
        n_resamples=resamples,
        method="BCa",
        random_state=np.random.default_rng(_SEED),
    ).confidence_interval
    return Interval(
        first.mean - second.mean, float(found.low), float(found.high), min(first.n, second.n), "BCa bootstrap"
    )


def _spread(first: Sample, second: Sample, pooled: bool) -> tuple[Interval, float, float, str, Covers]:
    """Return interval, standard error, degrees of freedom, the test's name and what it covers."""
    gap, n = first.mean - second.mean, min(first.n, second.n)
    if first.deviation is not None and second.deviation is not None:
        error, freedom = intervals.welch(first.deviation, first.n, second.deviation, second.n)
        half = _quantile(1 - ALPHA / 2, freedom) * error if error else 0.0
        name = "Welch" if error else "equal values"
        return Interval(gap, gap - half, gap + half, n, name), error, freedom, name, "seeds"
    single = next((sample for sample in (first, second) if sample.deviation), None)
    if single is not None and single.deviation is not None:
        # the one run is a new draw of the other's distribution under the null hypothesis
        error, freedom = single.deviation * math.sqrt(1 + 1 / single.n), single.n - 1.0
        half = _quantile(1 - ALPHA / 2, freedom) * error
        return Interval(gap, gap - half, gap + half, n, "t, one new draw"), error, freedom, "t, one new draw", "seeds"
    shares = 0 <= min(first.mean, second.mean) <= max(first.mean, second.mean) <= 1
    if first.trials and second.trials and shares:
        one, two = first.trials * first.n, second.trials * second.n
        interval = intervals.newcombe(first.mean, one, second.mean, two)
        share = (first.mean * one + second.mean * two) / (one + two)
        each = (share, share) if pooled else (first.mean, second.mean)
        error = math.sqrt(each[0] * (1 - each[0]) / one + each[1] * (1 - each[1]) / two)
        return interval, error, math.inf, "z, two proportions", "test images"
    return Interval(gap, None, None, n, "one run"), 0.0, 1.0, "none: no spread is known", "nothing"


def _tail(score: float, freedom: float) -> float:
    """Return the probability above ``score`` under Student's t, or the normal where ``freedom`` is infinite."""
    if math.isinf(freedom):
        return math.erfc(score / math.sqrt(2)) / 2
    from scipy import special

    return float(special.stdtr(freedom, -score))


def _quantile(share: float, freedom: float) -> float:
    if math.isinf(freedom):
        return NormalDist().inv_cdf(share)
    from scipy import special

    return float(special.stdtrit(freedom, share))
