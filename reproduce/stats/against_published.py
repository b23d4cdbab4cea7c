"""Our runs against a printed number: do they agree with it, differ from it, or is that not settled yet.

    printed = Printed(0.943, half_unit=0.0005)
    judge({"quadratic": Cell((0.941, 0.944, 0.939, 0.942, 0.943), printed)}, family=5)["quadratic"].word      # agrees

With the gap between our mean and the printed number, ``h`` (half a unit of the last printed digit), ``n`` seeds and
their deviation ``s``:

- ``agrees``: |gap| + h + t(.95, n-1) s / sqrt(n) is at most the margin. This is an equivalence (two one-sided tests):
  too little data can never pass for agreement.
- ``differs``: |gap| - h is more than one further run would stray, t s sqrt(1 + 1/n), with Holm's correction over the
  rows of the table.
- ``undecided``: everything else, with the seeds that would settle it. So is whatever has fewer than three seeds or a
  seed that was lost.

Where a paper prints mean, deviation and number of several runs, both words come from Welch's two-sample forms. What is
within the margin agrees even if the tiny difference is beyond chance. Rates of wrong words, by simulation, stand in
tests/stats/test_against_published.py.
"""

import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reproduce.stats.intervals import ALPHA, welch
from reproduce.stats.two_samples import POWER, Sample, holm

Word = Literal["agrees", "differs", "undecided", "not comparable", "not run"]
WORDS: tuple[Word, ...] = typing.get_args(Word)
LEAST_SEEDS = 3
MOST_SEEDS = 1000  # where a plan for more is none
CHANCE = 0.001  # level of the test that a network has learned anything


@dataclass(frozen=True)
class Verdict:
    """One of :data:`WORDS`, the sentence that says why, and how many seeds in all would settle what is undecided."""

    word: Word
    reason: str
    seeds_needed: int | None = None


@dataclass(frozen=True)
class Printed:
    """A printed accuracy: ``half_unit`` of its last digit, and of several runs their number and sample deviation."""

    value: float
    half_unit: float = 0.0
    n: int = 1
    deviation: float | None = None


@dataclass(frozen=True)
class Cell:
    """Our runs of one row, one accuracy per seed, beside the printed one; ``lost`` names seeds that no mean has."""

    values: tuple[float, ...]
    printed: Printed
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A cell in numbers.

    ``error`` is the standard error of the gap, ``draw`` how far one further run strays (the same where the paper
    prints several runs), both with ``freedom`` degrees; ``farthest`` is the 95 % bound on how far apart the two are.
    """

    gap: float
    error: float
    draw: float
    freedom: float
    farthest: float
    p_value: float
    test: str


def compare(cell: Cell) -> Comparison | None:
    """Return the comparison of a cell; None where it has too few seeds, a lost one, or seeds without any spread."""
    sample = Sample.of(cell.values) if cell.values else None
    if sample is None or sample.n < LEAST_SEEDS or cell.lost or not sample.deviation:
        return None
    gap = sample.mean - cell.printed.value
    error, draw, freedom = _errors(sample.deviation, sample.n, cell.printed)
    beyond = max(0.0, abs(gap) - cell.printed.half_unit)
    farthest = abs(gap) + cell.printed.half_unit + _quantile(1 - ALPHA, freedom) * error
    test = "Welch" if _has_spread(cell.printed) else "t, one new draw"
    return Comparison(gap, error, draw, freedom, farthest, min(1.0, 2 * _tail(beyond / draw, freedom)), test)


def judge(cells: Mapping[str, Cell], *, family: int, margin: float = 0.01) -> dict[str, Verdict]:
    """Return the verdict on every cell of a table.

    Args:
        cells: by row.
        family: how many rows of the table have a printed accuracy to be held against, run or not. Holm's correction is
            over that many, so that a word does not change because another row was left out.
        margin: how far from the printed accuracy still counts as the same.

    Raises:
        ValueError: more cells than the family has rows, or a margin that is not positive.
    """
    if len(cells) > family or margin <= 0:
        raise ValueError("a family has at least as many rows as are judged, and a margin is above 0")
    found = {row: compare(cell) for row, cell in cells.items()}
    tested = {row: one for row, one in found.items() if one is not None}
    p_values = [*(one.p_value for one in tested.values()), *[1.0] * (family - len(tested))]
    corrected = dict(zip(tested, holm(p_values), strict=False))
    return {
        row: _say_open(cells[row]) if one is None else _decide(cells[row], one, corrected[row], family, margin)
        for row, one in found.items()
    }


def at_chance(accuracy: float, test_images: int, classes: int) -> bool:
    """Return whether an accuracy is no better than guessing: a one-sided binomial test at the level 0.001.

    A network that has collapsed onto one class is right on its share of the test images, and no training tells more.
    """
    from scipy import special

    right = round(accuracy * test_images)
    return right == 0 or float(special.bdtrc(right - 1, test_images, 1 / classes)) >= CHANCE


def seeds_needed(
    deviation: float, gap: float, printed: Printed, *, family: int, margin: float, above: int
) -> int | None:
    """Return the least number of seeds, more than ``above``, that settles a cell with probability 0.8.

    That is: if the true gap is ``gap`` and seeds spread by ``deviation``, the rule says ``agrees`` or ``differs`` in
    four of five repetitions. ``differs`` is planned for at the level of the first step of Holm's correction. None where
    a thousand seeds would not do: then the printed number's own error, or a gap close to the margin, stands in the way.
    """
    for n in range(max(LEAST_SEEDS, above + 1), MOST_SEEDS + 1):
        error, draw, freedom = _errors(deviation, n, printed)
        inner = margin - printed.half_unit
        equal = _power(inner - abs(gap), error, freedom, ALPHA) + _power(inner + abs(gap), error, freedom, ALPHA) - 1
        beyond = _power(abs(gap) - printed.half_unit, error, freedom, ALPHA / 2 / family, draw / error)
        if max(equal, beyond) >= POWER:
            return n
    return None


def _decide(cell: Cell, one: Comparison, corrected: float, family: int, margin: float) -> Verdict:
    n, printed = len(cell.values), cell.printed
    apart = f"{one.gap:+.4f} against the published {printed.value:g}"
    points = f"{100 * margin:g} point{'s' * (margin != 0.01)}"
    chance = "p < 0.001" if corrected < 0.001 else f"p = {corrected:.3f}"
    test = f"{chance} ({one.test}; Holm over {family} row{'s' * (family > 1)})"
    if one.farthest <= margin:
        return Verdict("agrees", f"{apart}, at most {one.farthest:.4f} away (95 %), within the margin of {points}")
    if corrected < ALPHA:
        return Verdict("differs", f"{apart}, {test}")
    deviation = Sample.of(cell.values).deviation or 0.0
    needed = seeds_needed(deviation, one.gap, printed, family=family, margin=margin, above=n)
    plan = f"about {needed} seeds would settle it" if needed else "more seeds of this spread would not settle it"
    return Verdict(
        "undecided", f"{apart}, up to {one.farthest:.4f} away where the margin is {points}, {test}; {plan}", needed
    )


def _say_open(cell: Cell) -> Verdict:
    """Return why a cell cannot be decided whatever its mean is."""
    n = len(cell.values)
    if cell.lost:
        return Verdict("undecided", f"{', '.join(cell.lost)}: the mean of the others is not that of all seeds")
    if n < LEAST_SEEDS:
        runs = "one seed" if n == 1 else f"{n} seeds"
        return Verdict("undecided", f"{runs}: the rule asks for {LEAST_SEEDS} at least", LEAST_SEEDS)
    return Verdict("undecided", f"all {n} seeds have the same accuracy: how far seeds stray cannot be told")


def _has_spread(printed: Printed) -> bool:
    return printed.n > 1 and bool(printed.deviation)


def _errors(deviation: float, n: int, printed: Printed) -> tuple[float, float, float]:
    """Return the gap's standard error, how far one further run strays, and the degrees of freedom."""
    if _has_spread(printed) and printed.deviation is not None:
        error, freedom = welch(deviation, n, printed.deviation, printed.n)
        return error, error, freedom
    return deviation / math.sqrt(n), deviation * math.sqrt(1 + 1 / n), n - 1.0


def _power(room: float, error: float, freedom: float, tail: float, stretch: float = 1.0) -> float:
    """Return how often a t test at level ``tail`` is passed where the truth is ``room`` beyond its bound."""
    from scipy import special

    if room <= 0:
        return 0.0
    return 1 - float(special.nctdtr(freedom, room / error, _quantile(1 - tail, freedom) * stretch))


def _quantile(share: float, freedom: float) -> float:
    from scipy import special

    return float(special.stdtrit(freedom, share))


def _tail(score: float, freedom: float) -> float:
    from scipy import special

    return float(special.stdtr(freedom, -score))
