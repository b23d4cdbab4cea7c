"""The questions that claims ask of accuracies and sizes, ready to be used in a line: better, similar, near, ratio.

    better("vit-ha", "vit")                       mean accuracy is higher
    better("vit-ha", "vit", by=0.05)              by at least five points
    similar("cnn-convae", "cnn-eca", within=0.02) within two points (two one-sided tests)
    ratio("vit", "vit-ha", 5, math.inf)           sizes, exact
    fact("any sentence", function)                a function of evidence of one's own

Each returns a :class:`Part`. Those of training curves are in ``convergence.py``, of time and memory in ``costs.py``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from paper_tables.claims.claim import Part
from paper_tables.claims.evidence import Evidence
from paper_tables.claims.judge import union
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.tested import compare, side
from reproduce.stats.sample import Sample
from reproduce.stats.two_samples import Asked, contrast, equivalence, gap_of, one_sided

ROUNDING = 1e-9


def better(winner: str, loser: str, by: float = 0.0, metric: str = "top1") -> Part:
    """Return the part that ``winner`` has the higher mean, by at least ``by`` (a share)."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples((winner, loser), metric)
        if isinstance(found, Missing):
            return found
        first, second = found.samples
        return compare(found, contrast(first, second, by), first.mean - second.mean >= by)

    margin = "" if by == 0 else f" by {_points(by)}"
    return Part(label=f"{winner} over {loser}{margin}", examine=examine, rows=(winner, loser), random=True)


def similar(one: str, other: str, within: float, metric: str = "top1") -> Part:
    """Return the part that two means differ by no more than ``within``."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples((one, other), metric)
        if isinstance(found, Missing):
            return found
        first, second = found.samples
        gap = abs(first.mean - second.mean)
        return compare(found, equivalence(first, second, within), gap <= within * (1 + ROUNDING))

    return Part(label=f"{one} and {other} within {_points(within)}", examine=examine, rows=(one, other), random=True)


def no_gain(changed: str, plain: str, within: float) -> Part:
    """Return the part that ``changed`` gains less than ``within`` on ``plain``, if anything: a test of non-superiority.

    One-sided, on the side where the numbers are: that the gain is below the margin, or that it is above. A gain that
    is sure but small holds; a loss of any size holds.
    """
    label = f"{changed} gains less than {_points(within)} on {plain}"
    return _against_margin(changed, plain, within, "non-superiority", label)


def no_loss(changed: str, plain: str, within: float) -> Part:
    """Return the part that ``changed`` loses less than ``within`` against ``plain``: a test of non-inferiority."""
    label = f"{changed} loses less than {_points(within)} against {plain}"
    return _against_margin(changed, plain, within, "non-inferiority", label)


def _against_margin(changed: str, plain: str, within: float, asked: Asked, label: str) -> Part:
    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples((changed, plain))
        if isinstance(found, Missing):
            return found
        first, second = found.samples
        gap = first.mean - second.mean
        holds = gap < within if asked == "non-superiority" else gap > -within
        return compare(found, one_sided(first, second, within, asked), holds)

    return Part(label=label, examine=examine, rows=(changed, plain), random=True)


def moves(changed: str, plain: str, beyond: float) -> Part:
    """Return the part that a change moves the mean by more than ``beyond``, in either direction."""
    inner = similar(changed, plain, beyond)

    def examine(evidence: Evidence) -> Outcome | Missing:
        answer = inner.examine(evidence)
        if isinstance(answer, Missing):
            return answer
        return replace(answer, toward=side(answer.toward == "fails"))

    label = f"{changed} is more than {_points(beyond)} from {plain}"
    return Part(label=label, examine=examine, rows=(changed, plain), random=True)


def narrows(wide: tuple[str, str], narrow: tuple[str, str]) -> Part:
    """Return the part that the first of ``wide`` leads the second by more than the first of ``narrow`` its second."""
    rows = (*wide, *narrow)

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples(rows)
        if isinstance(found, Missing):
            return found
        one, two, three, four = found.samples
        tested = contrast(gap_of(one, two), gap_of(three, four))
        return compare(found, tested, tested.interval.mean > 0)

    label = f"{wide[0]} over {wide[1]} by more than {narrow[0]} over {narrow[1]}"
    return Part(label=label, examine=examine, rows=rows, random=True)


def either(label: str, parts: Sequence[Part]) -> Part:
    """Return the part that at least one of ``parts`` holds: what a sentence says that has several readings."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        return union([part.examine(evidence) for part in parts], [part.label for part in parts])

    rows = tuple(dict.fromkeys(row for part in parts for row in part.rows))
    return Part(label=label, examine=examine, rows=rows, random=any(part.random for part in parts))


def near(row: str, within: float, metric: str = "top1", of: str = "top1") -> Part:
    """Return the part that ``row``'s mean lies within ``within`` of the published value ``of``.

    What is printed is a fixed number, not a draw of anything: the error is that of our runs alone.
    """

    def examine(evidence: Evidence) -> Outcome | Missing:
        found, wanted = evidence.samples((row,), metric), evidence.printed(row, of)
        if isinstance(found, Missing):
            return found
        if wanted is None or (evidence.side == "published" and metric == of):
            return Missing(f"no other value of {row} is printed to compare with")
        found = evidence.held_against_print(row, found)
        if isinstance(found, Missing):
            return found
        ours = found.samples[0]
        tested = equivalence(ours, Sample.fixed(wanted.value, ours.n), within)
        return compare(found, tested, abs(ours.mean - wanted.value) <= within * (1 + ROUNDING))

    return Part(label=f"{row} within {_points(within)} of the paper", examine=examine, rows=(row,), random=True)


def ratio(first: str, second: str, low: float, high: float, column: str = "params") -> Part:
    """Return the part that ``first`` has between ``low`` and ``high`` times as many parameters (or MACs)."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        one, two = evidence.count(first, column), evidence.count(second, column)
        if isinstance(one, Missing):
            return one
        if isinstance(two, Missing):
            return two
        basis = "as printed" if evidence.side == "published" else "exact counts, paper scale"
        return Outcome(toward=side(low <= one / two <= high), effect=one / two, unit="x", basis=basis)

    what = {"params": "parameters", "macs_fast": "MACs", "macs_naive": "MACs, naive form"}[column]
    bounds = [f"at least {low:g}x"] * (low > 0) + [f"at most {high:g}x"] * (not math.isinf(high))
    return Part(label=f"{first} / {second}, {what}: {' and '.join(bounds)}", examine=examine, rows=(first, second))


def adds(changed: str, plain: str, most: int, column: str = "params") -> Part:
    """Return the part that ``changed`` has at most ``most`` parameters (or MACs) more than ``plain``."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        one, two = evidence.count(changed, column), evidence.count(plain, column)
        if isinstance(one, Missing):
            return one
        if isinstance(two, Missing):
            return two
        basis = "as printed" if evidence.side == "published" else "exact counts, paper scale"
        return Outcome(toward=side(one - two <= most), effect=one - two, unit="parameters", basis=basis)

    return Part(label=f"{changed} has at most {most} more than {plain}", examine=examine, rows=(changed, plain))


def as_printed(row: str, column: str = "params") -> Part:
    """Return the part that the exact count of ``row`` rounds to the printed one."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        printed, count = evidence.printed(row, column), evidence.count(row, column)
        if isinstance(count, Missing):
            return count
        if printed is None or evidence.side == "published":
            return Missing(f"no {column} of {row} are printed")
        digits, _, power = printed.text.partition("e")
        last = 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))  # the value of the last printed digit
        return Outcome(
            toward=side(abs(count - printed.value) <= last / 2),
            effect=count / printed.value,
            unit="x",
            test="rounds to the printed number",
            basis=f"{count:,.0f} against {printed.printed()}",
        )

    return Part(label=f"{row}, {column} as printed", examine=examine, rows=(row,))


def fact(
    label: str, function: Callable[[Evidence], Outcome | Missing], rows: tuple[str, ...] = (), random: bool = False
) -> Part:
    """Return a part of one's own; ``random`` where runs answer it."""
    return Part(label=label, examine=function, rows=rows, random=random)


def proven(label: str, function: Callable[[], tuple[bool, float]], unit: str, test: str) -> Part:
    """Return a part that needs no evidence but a computation: whether it holds, and the number that shows it."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        if evidence.side == "published":
            return Missing("a computation, nothing printed")
        holds, effect = function()
        effect = 0.0 if abs(effect) < ROUNDING else effect  # what rounding leaves differs from machine to machine
        return Outcome(toward=side(holds), effect=effect, unit=unit, test=test, basis="computed here")

    return Part(label=label, examine=examine)


def _points(share: float) -> str:
    return f"{100 * share:g} point{'' if share == 0.01 else 's'}"
