"""The measurements of one arm: single runs, or what a paper prints of them. No torch.

Sample.of([0.91, 0.92, 0.91], trials=10_000, seeds=[0, 1, 2])
Sample.printed(0.667, 0.0186, 16)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answers:
    """Which test images one run got right: bits packed as numpy does, high bit first, over ``images`` of ``data``."""

    data: str
    images: int
    bits: bytes


@dataclass(frozen=True)
class Sample:
    """Accuracies (or other measurements) of one arm; ``deviation`` has n - 1 below it, None for one run.

    ``trials`` is the number of test images behind one run, None where the values are no shares of images. Where
    ``seeds`` are known ``values`` are in their order; ``answers`` are those of a single run; ``step`` is how coarse
    values are that are known to a multiple of it only: an epoch of every tenth, a share of 54 heads.
    """

    mean: float
    deviation: float | None
    n: int
    trials: int | None = None
    values: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    answers: Answers | None = None
    step: float = 0.0

    @classmethod
    def of(
        cls,
        values: Sequence[float],
        trials: int | None = None,
        seeds: Sequence[int] = (),
        answers: Answers | None = None,
    ) -> "Sample":
        """Return the sample of single runs, in any order; ``seeds`` are theirs, one per value, or not known."""
        found = [float(value) for value in values]
        if not found or not all(map(math.isfinite, found)):
            raise ValueError("a sample needs finite values, at least one")
        known = sorted(zip(seeds, found, strict=True)) if len(set(seeds)) == len(found) else []
        ordered = tuple(value for _, value in known) if known else tuple(sorted(found))
        mean, deviation = mean_deviation(ordered)
        return cls(mean, deviation, len(ordered), trials, ordered, tuple(seed for seed, _ in known), answers)

    @classmethod
    def printed(cls, mean: float, deviation: float | None, n: int | None, trials: int | None = None) -> "Sample":
        """Return the sample that a paper prints: with its sample deviation over ``n`` runs, or one run."""
        n = n or 1
        return cls(mean, None, 1, trials) if n == 1 or deviation is None else cls(mean, deviation, n, trials)

    @classmethod
    def fixed(cls, value: float, n: int) -> "Sample":
        """Return a number that is known exactly: against ``n`` runs Welch's test is then the one-sample t test."""
        return cls(value, 0.0, n)

    @property
    def spread(self) -> float:
        """The deviation with the error of rounding to ``step`` in it, of variance step^2 / 12.

        Accuracies over t images come in steps of 1 / t: runs that happen to agree are known no better than that.
        """
        return widen(self.deviation or 0.0, self)


def mean_deviation(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and sample deviation of ``values``; the deviation of a single one is None."""
    if min(values) == max(values):
        return values[0], 0.0 if len(values) > 1 else None  # exactly: a rounded mean may differ from equal values
    mean = math.fsum(values) / len(values)
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def widen(deviation: float, *samples: Sample) -> float:
    """Return a deviation of values of ``samples``, with the error of their steps: of accuracies only where it is 0."""
    steps = math.hypot(*(sample.step for sample in samples))
    if not (steps or deviation):
        steps = math.hypot(*(1 / sample.trials for sample in samples if sample.trials))
    return math.hypot(deviation, steps / math.sqrt(12))
