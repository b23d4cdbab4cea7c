"""From samples of runs to outcomes: the tests that parts share. Seeds are what is tested over, always.

compare(found, tested, holds=True)                         # two arms
hold_against(values, Limit(0.5, "of heads", "t"), basis)        # one number per run against a limit of ours
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paper_tables.claims.evidence import Found
from paper_tables.claims.outcome import Obstacle, Outcome, Side
from reproduce.stats.intervals import ALPHA
from reproduce.stats.sample import Sample
from reproduce.stats.two_samples import Contrast, contrast, same_ranks, same_spread

POINTS = "points"


@dataclass(frozen=True)
class Limit:
    """What one number per run is held against: its value, its unit, and whether it is to be reached or to be kept.

    ``step`` is how coarse the numbers are (a share of 54 heads, an epoch of every tenth): no spread is below its
    rounding, so that runs which happen to agree are not taken for certainty.
    """

    value: float
    unit: str
    test: str
    reached: bool = True  # at least ``value``; otherwise at most
    step: float = 0.0


def side(holds: bool) -> Side:
    """Return the word for whether something holds."""
    return "holds" if holds else "fails"


def spread_at_least(sample: Sample, step: float) -> Sample:
    """Return the sample with the error of values that are known to multiples of ``step``."""
    return replace(sample, step=step)


def hold_against(values: Sequence[float], limit: Limit, basis: str, obstacles: tuple[Obstacle, ...] = ()) -> Outcome:
    """Return whether the mean of one number per run keeps to ``limit``: a t test over the runs."""
    sample = spread_at_least(Sample.of(values), limit.step)
    tested = contrast(sample, Sample.fixed(limit.value, sample.n))
    interval = tested.interval
    single = tested.p_value is None
    return Outcome(
        toward=side(sample.mean >= limit.value if limit.reached else sample.mean <= limit.value),
        effect=sample.mean,
        low=None if interval.low is None else interval.low + limit.value,
        high=None if interval.high is None else interval.high + limit.value,
        unit=limit.unit,
        n=sample.n,
        p_value=tested.p_value,
        test=tested.test if single else f"{limit.test} (t over runs)",
        covers=tested.covers,
        basis=basis,
        obstacles=obstacles,
        tested=tested,
        note=limit.test if single else "",
    )


def compare(found: Found, tested: Contrast, holds: bool) -> Outcome:
    """Return the outcome of a test of two arms' means."""
    interval = tested.interval
    return Outcome(
        toward=side(holds),
        effect=interval.mean,
        low=interval.low,
        high=interval.high,
        unit=POINTS,
        n=min(sample.n for sample in found.samples),
        p_value=tested.p_value,
        test=tested.test,
        covers=tested.covers,
        basis=found.basis,
        obstacles=found.obstacles,
        tested=tested,
        note=_robust(found.samples),
    )


@functools.lru_cache(maxsize=1024)  # a claim is put to every identity: the same runs are met again
def _robust(samples: tuple[Sample, ...]) -> str:
    """Return what methods without normal errors say of the same runs; nothing where only summaries are known."""
    if len(samples) != 2:
        return ""
    ranks = same_ranks(*samples)
    scatter = same_spread(*(sample.values for sample in samples))
    said = [] if ranks is None else [f"Mann-Whitney p = {ranks:.3g}"]
    said += [f"spreads differ (Brown-Forsythe p = {scatter:.2g})"] if scatter is not None and scatter < ALPHA else []
    return "; ".join(said)
