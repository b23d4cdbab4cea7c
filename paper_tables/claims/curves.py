"""Questions to training curves: which is sooner, which is lower, where one ends. One curve a seed, tested over seeds.

sooner("vit-ha", "vit", 0.8)                          first epoch at a test accuracy of .8
lower("ece176-proposed-pair", "ece176-baseline-pair", "last")   training loss
"""

import itertools
import math
from collections.abc import Callable, Sequence

from paper_tables.claims.claim import Part
from paper_tables.claims.evidence import Curves, Evidence
from paper_tables.claims.measured_files import Point
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.tested import Limit, hold_against, side, spread_at_least
from reproduce.stats.two_samples import Contrast, Sample, contrast

Curve = Sequence[Point]
NO_LEVEL = "no curve reaches {level:g} within {last} epochs"


def sooner(winner: str, loser: str, level: float, column: str = "test_top1") -> Part:
    """Return the part that ``winner`` reaches ``level`` in fewer epochs: of accuracy upwards, of loss down.

    A curve that never does counts with the last epoch that all curves have: later than that is all that is known.
    """

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.curves((winner, loser), column)
        if isinstance(found, Missing):
            return found
        last = min(curve[-1][0] for row in found.rows for curve in row)
        reached = [[_reach(curve, level, column) for curve in row] for row in found.rows]
        if all(epoch > last for row in reached for epoch in row):
            return _unreached(found, evidence, NO_LEVEL.format(level=level, last=last))
        if evidence.side == "published" and reached[0] == reached[1]:
            return Missing(f"the published plots are read off at too few epochs to tell which is at {level:g} first")
        step = max(_step(curve) for row in found.rows for curve in row)
        quick, slow = (spread_at_least(Sample.of([min(epoch, last) for epoch in row]), step) for row in reached)
        said = [f"{row} {_say_epochs(at, last)}" for row, at in zip((winner, loser), reached, strict=True)]
        return _outcome(evidence, found, contrast(slow, quick), slow.mean > quick.mean, "epochs",
                        f"first epoch at {level:g}", " and ".join(said))  # fmt: skip

    return Part(label=f"{winner} reaches {level:g} before {loser}", examine=examine, rows=(winner, loser))


def lower(winner: str, loser: str, when: str) -> Part:
    """Return the part that ``winner``'s training loss is below ``loser``'s: in the ``first`` or ``last`` epoch."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.curves((winner, loser), "train_loss")
        if isinstance(found, Missing):
            return found
        at = 0 if when == "first" else -1
        one, two = (Sample.of([curve[at][1] for curve in row]) for row in found.rows)
        return _outcome(evidence, found, contrast(one, two), one.mean < two.mean, "nats",
                        f"{when} training loss, {winner} minus {loser}")  # fmt: skip

    return Part(label=f"{winner}: {when} training loss is below {loser}'s", examine=examine, rows=(winner, loser))


def settles(row: str, label: str, column: str, measure: Callable[[Curve], float], limit: Limit) -> Part:
    """Return the part that a number of each of ``row``'s curves keeps to ``limit``."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.curves((row,), column)
        if isinstance(found, Missing):
            return found
        return hold_against([measure(curve) for curve in found.rows[0]], limit, found.basis, found.obstacles)

    return Part(label=f"{row}: {label}", examine=examine, rows=(row,))


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
        note=note,
    )


def _unreached(found: Curves, evidence: Evidence, reason: str) -> Outcome | Missing:
    if evidence.side == "published":
        return Missing(reason)
    return Outcome(toward="fails", effect=None, n=min(map(len, found.rows)), test="none: level not reached",
                   basis=found.basis, obstacles=(*found.obstacles, reason))  # fmt: skip


def _reach(curve: Curve, level: float, column: str) -> float:
    """Return the first epoch whose value is past ``level``; infinite where none is."""
    down = "loss" in column
    return next((epoch for epoch, value in curve if (value <= level if down else value >= level)), math.inf)


def _step(curve: Curve) -> float:
    """Return the largest gap between two epochs of a curve: how well the epoch of a crossing is known."""
    return max((later[0] - sooner[0] for sooner, later in itertools.pairwise(curve)), default=0)


def _say_epochs(epochs: Sequence[float], last: int) -> str:
    late = sum(epoch > last for epoch in epochs)
    if len(epochs) == 1:
        return "never" if late else f"at epoch {epochs[0]:.0f}"
    mean = math.fsum(min(epoch, last) for epoch in epochs) / len(epochs)
    return f"at epoch {mean:.1f}" + (f" or later, {late} of {len(epochs)} never" if late else "")
