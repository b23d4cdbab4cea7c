"""Questions to training curves: which converges sooner, which is lower, where one ends. One curve per seed, tested so.

sooner("vit-ha", "vit")                               test accuracy
sooner("vit-ha", "vit", "train_loss")                 training loss
lower("ece176-proposed-pair", "ece176-baseline-pair", "last")
"""

import itertools
from collections.abc import Callable, Sequence

from paper_tables.claims.claim import Part
from paper_tables.claims.evidence import Curves, Evidence
from paper_tables.claims.measured_files import Point
from paper_tables.claims.outcome import Missing, Obstacle, Outcome
from paper_tables.claims.tested import Limit, hold_against, side, spread_at_least
from reproduce.stats.sample import Sample
from reproduce.stats.two_samples import Contrast, contrast

Curve = Sequence[Point]
WHAT = {"test_top1": "test accuracy", "train_loss": "training loss"}


def sooner(winner: str, loser: str, column: str = "test_top1") -> Part:
    """Return the part that ``winner`` converges in fewer epochs, whatever the level: see :func:`mean_epoch`."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.curves((winner, loser), column)
        if isinstance(found, Missing):
            return found
        curves = [curve for row in found.rows for curve in row]
        low, high = common_levels(curves, "loss" in column)
        if low >= high:
            return _unreached(found, f"no level of {WHAT[column]} is reached by all curves")
        at = [[mean_epoch(curve, low, high, "loss" in column) for curve in row] for row in found.rows]
        step = max(map(_step, curves))
        quick, slow = (
            spread_at_least(Sample.of([middle for _, middle, _ in epochs], seeds=seeds), step)
            for epochs, seeds in zip(at, found.seeds or ((), ()), strict=True)
        )
        gap = slow.mean - quick.mean
        if evidence.side == "published" and _overlap(found, at):
            return Missing("the published plots are read off at too few epochs to tell which is sooner")
        said = (
            f"levels of {WHAT[column]} from {low:.3g} to {high:.3g}: mean epochs {quick.mean:.1f} and {slow.mean:.1f}"
        )
        return _outcome(evidence, found, contrast(slow, quick), gap > 0, "epochs", "mean epoch over all levels", said)

    label = f"{winner} converges before {loser}, {WHAT[column]}"
    return Part(label=label, examine=examine, rows=(winner, loser), random=True)


def common_levels(curves: Sequence[Curve], down: bool) -> tuple[float, float]:
    """Return the range of levels that every curve goes through: from the best start to the worst best value.

    Losses count downwards (``down``), as their negatives.
    """
    signed = [[-value if down else value for _, value in curve] for curve in curves]
    low, high = max(values[0] for values in signed), min(max(values) for values in signed)
    return (-high, -low) if down else (low, high)


def mean_epoch(curve: Curve, low: float, high: float, down: bool = False) -> tuple[float, float, float]:
    """Return the epoch at which a curve first reaches a level, averaged over all levels between ``low`` and ``high``.

    No level is chosen: it is the area beside the curve, up to its best value so far, over the height of the range.
    Returned are (earliest, middle, latest): with every level reached right after the point before it, on a straight
    line between both, and at the point after it. Levels that are never reached count with the last epoch.
    """
    sign = -1.0 if down else 1.0
    bottom, top = sorted((sign * low, sign * high))
    epoch, best = curve[0][0], sign * curve[0][1]
    reached = min(max(best, bottom), top)
    earliest = middle = latest = (reached - bottom) * epoch
    for after, value in curve[1:]:
        value *= sign
        if value > best:
            start, end = (min(max(level, bottom), top) for level in (best, value))
            crossing = epoch + (after - epoch) * ((start + end) / 2 - best) / (value - best)
            earliest += (end - start) * epoch
            middle += (end - start) * crossing
            latest += (end - start) * after
            best = value
        epoch = after
    never = max(top - max(best, bottom), 0.0) * epoch
    return tuple((part + never) / (top - bottom) for part in (earliest, middle, latest))  # type: ignore[return-value]


def lower(winner: str, loser: str, when: str) -> Part:
    """Return the part that ``winner``'s training loss is below ``loser``'s: in the ``first`` or ``last`` epoch."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.curves((winner, loser), "train_loss")
        if isinstance(found, Missing):
            return found
        at = 0 if when == "first" else -1
        one, two = (
            Sample.of([curve[at][1] for curve in row], seeds=seeds)
            for row, seeds in zip(found.rows, found.seeds or ((), ()), strict=True)
        )
        return _outcome(evidence, found, contrast(one, two), one.mean < two.mean, "nats",
                        f"{when} training loss, {winner} minus {loser}")  # fmt: skip

    label = f"{winner}: {when} training loss is below {loser}'s"
    return Part(label=label, examine=examine, rows=(winner, loser), random=True)


def settles(row: str, label: str, column: str, measure: Callable[[Curve], float], limit: Limit) -> Part:
    """Return the part that a number of each of ``row``'s curves keeps to ``limit``."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.curves((row,), column)
        if isinstance(found, Missing):
            return found
        return hold_against([measure(curve) for curve in found.rows[0]], limit, found.basis, found.obstacles)

    return Part(label=f"{row}: {label}", examine=examine, rows=(row,), random=True)


def _outcome(
    evidence: Evidence, found: Curves, tested: Contrast, holds: bool, unit: str, what: str, note: str = ""
) -> Outcome:
    printed = evidence.side == "published"  # one drawn curve each: of a paper there is no second run to ask for
    return Outcome(
        toward=side(holds),
        effect=tested.interval.mean,
        low=tested.interval.low,
        high=tested.interval.high,
        unit=unit,
        n=min(map(len, found.rows)),
        p_value=tested.p_value,
        test=what if printed else tested.test if tested.p_value is None else f"{what} ({tested.test})",
        covers="nothing: one curve each" if printed else tested.covers,
        basis=found.basis,
        obstacles=found.obstacles,
        tested=tested,
        note=note,
    )


def _unreached(found: Curves, reason: str) -> Outcome:
    lacking = Obstacle(reason, mute=True, foreign=False)
    return Outcome(toward="fails", n=min(map(len, found.rows)), test="none: no common level", basis=found.basis,
                   obstacles=(*found.obstacles, lacking))  # fmt: skip


def _overlap(found: Curves, at: Sequence[Sequence[tuple[float, float, float]]]) -> bool:
    """Say whether two drawn curves, read at different epochs, leave open which is sooner."""
    one, two = ([epoch for epoch, _ in row[0]] for row in found.rows)
    (early, _, late), (other_early, _, other_late) = at[0][0], at[1][0]
    return one != two and early <= other_late and other_early <= late


def _step(curve: Curve) -> float:
    """Return the largest gap between two epochs of a curve: how well the epoch of a crossing is known."""
    return max((later[0] - sooner[0] for sooner, later in itertools.pairwise(curve)), default=0)
