"""Two sets of runs against each other: is one better, are they the same, what would not have shown. No torch.

    gap = contrast(Sample.of([0.91, 0.92, 0.91]), Sample.of([0.87, 0.86, 0.88]))
    gap.interval, gap.p_value                    # Welch over seeds; paired t where both have the same seeds
    equivalence(one, other, margin=0.01)         # two one-sided tests
    holm([0.01, 0.04, 0.03])                     # corrected for their number

A sample is either runs or what a paper prints of them: mean, standard deviation, number. One run has no spread: only
the error of its test images can be told, and :attr:`Contrast.covers` says so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal

from reproduce.stats import intervals
from reproduce.stats.intervals import ALPHA, BOOTSTRAP_FROM, Interval
from reproduce.stats.sample import Sample, mean_deviation, widen

Covers = Literal["seeds", "test images", "nothing"]
Asked = Literal["difference", "equivalence", "non-superiority", "non-inferiority"]
POWER = 0.8
_SEED = 20200107


@dataclass(frozen=True)
class Contrast:
    """A difference of means with its 95 % interval and a test; ``p_value`` is None where the numbers allow none.

    ``covers`` names the only uncertainty that is in the interval; ``detectable`` is the difference that the test would
    have found in four of five repetitions at the 5 % level. ``error`` and ``freedom`` are the standard error of the
    difference and its degrees of freedom, ``asked`` and ``margin`` the hypothesis: :mod:`reproduce.stats.planning`
    makes of them how many runs would settle it.
    """

    interval: Interval
    p_value: float | None
    test: str
    covers: Covers
    detectable: float | None = None
    error: float = 0.0
    freedom: float = math.inf
    asked: Asked = "difference"
    margin: float = 0.0

    @property
    def sides(self) -> int:
        """How many sides the test has: two for a difference, else one."""
        return 2 if self.asked == "difference" else 1


def contrast(first: Sample, second: Sample, margin: float = 0.0) -> Contrast:
    """Test whether mean(first) - mean(second) is ``margin``; the p value is two-sided.

    Runs of the same seeds are compared seed by seed (paired t), single runs whose answers are known image by image
    (McNemar's exact test where the margin is 0); all others as two samples (Welch).
    """
    gap = first.mean - second.mean
    interval, error, freedom, test, covers = _spread(first, second, pooled=margin == 0)
    if covers == "nothing":
        return Contrast(interval, None, test, covers, margin=margin)
    if error == 0:
        return Contrast(interval, 1.0 if gap == margin else 0.0, test, covers, margin=margin)
    p_value = min(1.0, 2 * tail(abs(gap - margin) / error, freedom))
    if margin == 0 and (only := _discordant(first, second)) is not None:
        p_value, test = _binomial(*only), "McNemar, exact"
    return Contrast(interval, p_value, test, covers, detectable(error, freedom), error, freedom, margin=margin)


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
        return Contrast(interval, None, test, covers, asked="equivalence", margin=margin)
    if error == 0:
        return Contrast(interval, 0.0 if gap != margin else 1.0, test, covers, asked="equivalence", margin=margin)
    p_value = tail(abs(margin - gap) / error, freedom)
    found = detectable(error, freedom, sides=1)
    return Contrast(interval, p_value, test, covers, found, error, freedom, "equivalence", margin)


def one_sided(first: Sample, second: Sample, margin: float, asked: Asked) -> Contrast:
    """Test whether ``first`` gains less (``non-superiority``) or loses less (``non-inferiority``) than ``margin``.

    The p value is one-sided, on the side where the data are: that the gain is below the margin, or that it is above.
    """
    edge = margin if asked == "non-superiority" else -margin
    two = contrast(first, second, edge)
    if two.p_value is None:
        return replace(two, asked=asked, margin=margin)
    return replace(two, p_value=two.p_value / 2, test=f"{two.test}, one-sided against the margin", asked=asked,
                   margin=margin, detectable=detectable(two.error, two.freedom, sides=1))  # fmt: skip


def gap_of(first: Sample, second: Sample) -> Sample:
    """Return the difference of two arms as a sample of its own, to be compared with another difference.

    Seed by seed where both have the same seeds; else with the standard error of Welch, counted as that of the smaller
    number of runs.
    """
    if first.seeds and first.seeds == second.seeds:
        gaps = [one - two for one, two in zip(first.values, second.values, strict=True)]
        return Sample.of(gaps, seeds=first.seeds)
    found = contrast(first, second)
    known = found.covers == "seeds" and min(first.n, second.n) > 1
    n = min(first.n, second.n)
    return Sample(found.interval.mean, found.error * math.sqrt(n) if known else None, n)


def detectable(error: float, freedom: float = math.inf, level: float = ALPHA, sides: int = 2) -> float:
    """Return the least true difference that a test finds with probability 0.8, to a good approximation.

    Args:
        error: standard error of the difference.
        freedom: degrees of freedom of the test; infinite for a normal one.
        level: of the test; the corrected one where several are made.
        sides: one or two.
    """
    return error * (quantile(1 - level / sides, freedom) + quantile(POWER, freedom))


def holm(p_values: Sequence[float], of: int | None = None) -> list[float]:
    """Return p values corrected for their number (Holm 1979), in the given order: the least times m, and so on.

    ``of`` is the number of hypotheses on the list, where those that have no p value count as well; by default all have.
    """
    size = len(p_values) if of is None else max(of, len(p_values))
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (size - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def holm_level(p_values: Sequence[float], index: int, of: int | None = None) -> float:
    """Return the level below which ``p_values[index]`` would be significant after Holm, the others being as they are.

    It is alpha over the number of hypotheses that the others leave open; more significant ones can only raise it.
    """
    size = len(p_values) if of is None else max(of, len(p_values))
    others = [value for at, value in enumerate(p_values) if at != index]
    return ALPHA / (size - sum(value < ALPHA for value in holm(others, size)))


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
    """Return the difference of means with a bootstrap interval (BCa); None below 10 runs per arm or without spread.

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
        error, freedom, name = _over_seeds(first, second)
        half = quantile(1 - ALPHA / 2, freedom) * error if error else 0.0
        return Interval(gap, gap - half, gap + half, n, name), error, freedom, name, "seeds"
    single = next((sample for sample in (first, second) if sample.deviation), None)
    if single is not None and single.deviation is not None:
        # the one run is a new draw of the other's distribution under the null hypothesis
        error, freedom = single.deviation * math.sqrt(1 + 1 / single.n), single.n - 1.0
        half = quantile(1 - ALPHA / 2, freedom) * error
        return Interval(gap, gap - half, gap + half, n, "t, one new draw"), error, freedom, "t, one new draw", "seeds"
    only = _discordant(first, second)
    if only is not None:
        interval, error = _paired_images(*only, first.answers.images if first.answers else 0)
        return interval, error, math.inf, interval.method, "test images"
    shares = 0 <= min(first.mean, second.mean) <= max(first.mean, second.mean) <= 1
    if first.trials and second.trials and shares:
        one, two = first.trials * first.n, second.trials * second.n
        interval = intervals.newcombe(first.mean, one, second.mean, two)
        share = (first.mean * one + second.mean * two) / (one + two)
        each = (share, share) if pooled else (first.mean, second.mean)
        error = math.sqrt(each[0] * (1 - each[0]) / one + each[1] * (1 - each[1]) / two)
        return interval, error, math.inf, "z, two proportions", "test images"
    return Interval(gap, None, None, n, "one run"), 0.0, 1.0, "none: no spread is known", "nothing"


def _over_seeds(first: Sample, second: Sample) -> tuple[float, float, str]:
    """Return standard error, degrees of freedom and name: of the differences by seed where both have the same seeds."""
    if first.seeds and first.seeds == second.seeds:
        gaps = [one - two for one, two in zip(first.values, second.values, strict=True)]
        deviation = widen(mean_deviation(gaps)[1] or 0.0, first, second)
        error, freedom, name = deviation / math.sqrt(first.n), first.n - 1.0, "paired t"
    else:
        error, freedom = intervals.welch(first.spread, first.n, second.spread, second.n)
        name = "Welch"
    return error, freedom, name if error else "equal values"


def _discordant(first: Sample, second: Sample) -> tuple[int, int] | None:
    """Return how many images the first alone and the second alone got right; None unless both answered the same."""
    one, two = first.answers, second.answers
    if one is None or two is None or (one.data, one.images) != (two.data, two.images) or max(first.n, second.n) > 1:
        return None
    ours, theirs = int.from_bytes(one.bits, "big"), int.from_bytes(two.bits, "big")
    return (ours & ~theirs).bit_count(), (theirs & ~ours).bit_count()


def _binomial(first: int, second: int) -> float:
    """Return McNemar's exact two-sided p value of two discordant counts (1947)."""
    from scipy import stats as scipy_stats

    return float(scipy_stats.binomtest(first, first + second).pvalue) if first + second else 1.0


def _paired_images(first: int, second: int, images: int) -> tuple[Interval, float]:
    """Return the difference of two shares of the same images: adjusted Wald interval (Bonett and Price 2012)."""
    one, two = (first + 1) / (images + 2), (second + 1) / (images + 2)
    error = math.sqrt((one + two - (one - two) ** 2) / (images + 2))
    half = quantile(1 - ALPHA / 2, math.inf) * error
    middle = one - two
    return Interval((first - second) / images, middle - half, middle + half, 1, "z, the same images"), error


def tail(score: float, freedom: float) -> float:
    """Return the probability above ``score`` under Student's t, or the normal where ``freedom`` is infinite."""
    if math.isinf(freedom):
        return math.erfc(score / math.sqrt(2)) / 2
    from scipy import special

    return float(special.stdtr(freedom, -score))


def quantile(share: float, freedom: float) -> float:
    """Return the quantile of Student's t, or of the normal where ``freedom`` is infinite."""
    if math.isinf(freedom):
        return NormalDist().inv_cdf(share)
    from scipy import special

    return float(special.stdtrit(freedom, share))
