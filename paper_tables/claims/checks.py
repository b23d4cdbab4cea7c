"""The questions that claims ask, ready to be used in a line: better, similar, near, fewer, sooner.

    better("vit-ha", "vit")                       mean accuracy is higher
    better("vit-ha", "vit", by=0.05)              by at least five points
    similar("cnn-convae", "cnn-eca", within=0.02) within two points (two one-sided tests)
    ratio("vit", "vit-ha", 5, math.inf)           sizes, exact
    fact("any sentence", function)                a function of evidence of one's own

Each returns a :class:`Part`. A claim whose rows were run once is left undecided: one run each tells the error of the
test images, not how much another seed would change.
"""

import math
from collections.abc import Callable
from dataclasses import replace

from paper_tables.claims.claim import Missing, Outcome, Part, Side
from paper_tables.claims.evidence import Evidence, Found
from paper_tables.claims.files import Point
from reproduce.contrasts import Contrast, Sample, contrast, equivalence, resample, same_ranks, same_spread
from reproduce.stats import ALPHA

POINTS = "points"
ROUNDING = 1e-9
ONE_RUN = "one run an arm: seeds are not covered"
_SHOWN = {"ours": ONE_RUN, "published": ""}  # of a paper there is no second run to ask for


def better(winner: str, loser: str, by: float = 0.0, metric: str = "top1") -> Part:
    """Return the part that ``winner`` has the higher mean, by at least ``by`` (a share)."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples((winner, loser), metric)
        if isinstance(found, Missing):
            return found
        first, second = found.samples
        return _outcome(evidence, found, contrast(first, second, by), first.mean - second.mean >= by)

    margin = "" if by == 0 else f" by {_points(by)}"
    return Part(label=f"{winner} over {loser}{margin}", examine=examine, rows=(winner, loser))


def similar(one: str, other: str, within: float, metric: str = "top1") -> Part:
    """Return the part that two means differ by no more than ``within``."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples((one, other), metric)
        if isinstance(found, Missing):
            return found
        first, second = found.samples
        gap = abs(first.mean - second.mean)
        return _outcome(evidence, found, equivalence(first, second, within), gap <= within * (1 + 1e-9))

    return Part(label=f"{one} and {other} within {_points(within)}", examine=examine, rows=(one, other))


def no_gain(changed: str, plain: str, within: float) -> Part:
    """Return the part that ``changed`` is not better than ``plain``.

    It fails where ``changed`` is better at all, by however little, and holds where any gain is below ``within``: two
    one-sided tests, the first reported where it finds a gain, else the second.
    """

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples((changed, plain))
        if isinstance(found, Missing):
            return found
        first, second = found.samples
        gap = first.mean - second.mean
        above, below = contrast(first, second), contrast(first, second, within)
        if above.p_value is None or below.p_value is None:
            return _outcome(evidence, found, above, gap <= 0)
        gains, spared = (
            test.p_value / 2 if right else 1 - test.p_value / 2
            for test, right in ((above, gap > 0), (below, gap < within))
            if test.p_value is not None
        )
        gained = gains < ALPHA
        chosen = replace(above, p_value=gains if gained else spared, test=f"{above.test}, one-sided")
        return _outcome(evidence, found, chosen, not gained)

    label = f"{changed} gains less than {_points(within)} on {plain}"
    return Part(label=label, examine=examine, rows=(changed, plain))


def near(row: str, within: float, metric: str = "top1", of: str = "top1") -> Part:
    """Return the part that ``row``'s mean lies within ``within`` of the published value ``of``."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found, wanted = evidence.samples((row,), metric), evidence.printed_sample(row, of)
        if isinstance(found, Missing):
            return found
        if wanted is None or (evidence.side == "published" and metric == of):
            return Missing(f"no other value of {row} is printed to compare with")
        gap = abs(found.samples[0].mean - wanted.mean)
        tested = equivalence(found.samples[0], wanted, within)
        return _outcome(evidence, found, tested, gap <= within * (1 + 1e-9))

    return Part(label=f"{row} within {_points(within)} of the paper", examine=examine, rows=(row,))


def faster(winner: str, loser: str, what: str = "an image") -> Part:
    """Return the part that ``winner`` takes less time than ``loser``: for an image at batch 1, or to train an epoch."""
    metric = {"an image": "latency_ms", "an epoch": "images_per_second"}[what]

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.samples((winner, loser), metric)
        if isinstance(found, Missing):
            return found
        first, second = (sample.mean for sample in found.samples)
        rate = metric == "images_per_second" and evidence.side == "ours"  # papers print seconds
        speedup = first / second if rate else second / first
        return Outcome(
            toward=side(speedup > 1),
            effect=speedup,
            unit="x",
            n=min(sample.n for sample in found.samples),
            test="ratio of mean times",
            covers="nothing" if evidence.side == "published" else "one machine",
            basis=found.basis,
            obstacles=found.obstacles,
        )

    return Part(label=f"{winner} takes less time for {what} than {loser}", examine=examine, rows=(winner, loser))


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


def sooner(winner: str, loser: str, level: float, column: str = "test_top1") -> Part:
    """Return the part that ``winner``'s curve reaches ``level`` in fewer epochs: of accuracy upwards, of loss down."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        curves = [evidence.curve(row, column) for row in (winner, loser)]
        for found in curves:
            if isinstance(found, Missing):
                return found
        (one, basis, first), (two, _, second) = curves  # type: ignore[misc]
        quick, slow = (_reach(points, level, column) for points in (one, two))
        if math.isinf(quick) and math.isinf(slow):
            return Missing(f"neither curve reaches {level:g}")
        last = max(point[0] for point in (*one, *two))
        return Outcome(
            toward=side(quick < slow),
            effect=min(slow, last) - min(quick, last),
            unit="epochs",
            n=1,
            test=f"first epoch at {level:g}",
            covers="nothing: one curve each",
            basis=basis,
            obstacles=tuple(dict.fromkeys([*first, *second, *filter(None, [_SHOWN[evidence.side]])])),
            note=" and ".join(
                f"{row} {'never' if math.isinf(at) else f'at epoch {at:.0f}'}"
                for row, at in ((winner, quick), (loser, slow))
            ),
        )

    return Part(label=f"{winner} reaches {level:g} before {loser}", examine=examine, rows=(winner, loser))


def fact(label: str, function: Callable[[Evidence], Outcome | Missing], rows: tuple[str, ...] = ()) -> Part:
    """Return a part of one's own."""
    return Part(label=label, examine=function, rows=rows)


def proven(label: str, function: Callable[[], tuple[bool, float]], unit: str, test: str) -> Part:
    """Return a part that needs no evidence but a computation: whether it holds, and the number that shows it."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        if evidence.side == "published":
            return Missing("a computation, nothing printed")
        holds, effect = function()
        effect = 0.0 if abs(effect) < ROUNDING else effect  # what rounding leaves differs from machine to machine
        return Outcome(toward=side(holds), effect=effect, unit=unit, test=test, basis="computed here")

    return Part(label=label, examine=examine)


def side(holds: bool) -> Side:
    """Return the word for whether something holds."""
    return "holds" if holds else "fails"


def _points(share: float) -> str:
    return f"{100 * share:g} point{'' if share == 0.01 else 's'}"


def _reach(points: list[Point], level: float, column: str) -> float:
    """Return the first epoch whose value is past ``level``; infinite where none is."""
    down = "loss" in column
    return next((epoch for epoch, value in points if (value <= level if down else value >= level)), math.inf)


def _outcome(evidence: Evidence, found: Found, tested: Contrast, holds: bool) -> Outcome:
    interval = tested.interval
    single = (ONE_RUN,) if evidence.side == "ours" and min(sample.n for sample in found.samples) == 1 else ()
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
        obstacles=(*found.obstacles, *single),
        detectable=tested.detectable,
        note=_robust(found.samples),
    )


def _robust(samples: tuple[Sample, ...]) -> str:
    """Return what methods without normal errors say of the same runs; nothing where only summaries are known."""
    if len(samples) != 2:
        return ""
    ranks, drawn = same_ranks(*samples), resample(*samples)
    scatter = same_spread(*(sample.values for sample in samples))
    said = [] if ranks is None else [f"Mann-Whitney p = {ranks:.3g}"]
    said += [f"spreads differ (Brown-Forsythe p = {scatter:.2g})"] if scatter is not None and scatter < ALPHA else []
    if drawn is not None and drawn.low is not None and drawn.high is not None:
        said.append(f"bootstrap [{100 * drawn.low:+.2f}, {100 * drawn.high:+.2f}]")
    return "; ".join(said)
