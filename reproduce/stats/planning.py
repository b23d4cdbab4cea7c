"""What a test would have needed: how many runs would settle a question, and at which margin it would hold. No torch.

    runs_needed(contrast(one, other), level=0.05 / 9)      # runs per arm, 80 % power
    margin_held(equivalence(one, other, 0.02), level=0.05 / 9)

Both take the measured difference and spread for the true ones: what is planned is the same experiment, larger.
"""

import math

from reproduce.stats.two_samples import POWER, Contrast, quantile

MOST = 10_000  # runs per arm; who would need more need not be told how many


def runs_needed(tested: Contrast, level: float) -> int | None:
    """Return the least runs per arm with which ``tested`` is settled at ``level`` in four of five repetitions.

    None where no number is known to: a difference at the very margin, a spread that is not one of seeds, or more than
    :data:`MOST`.

    Args:
        tested: a contrast of runs.
        level: of the test, corrected for the others that are made.
    """
    now, gap = tested.interval.n, tested.interval.mean
    distance = abs(abs(gap) - tested.margin) if tested.asked == "equivalence" else abs(gap - _edge(tested))
    if tested.covers != "seeds" or now < 2 or tested.error == 0 or distance == 0:
        return None

    def settles(runs: int) -> bool:
        error = tested.error * math.sqrt(now / runs)
        freedom = tested.freedom * (runs - 1) / (now - 1)
        return error * (quantile(1 - level / tested.sides, freedom) + quantile(POWER, freedom)) <= distance

    if not settles(MOST):
        return None
    low, high = 1, MOST  # low does not settle it, high does
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settles(middle) else (middle, high)
    return high


def margin_held(tested: Contrast, level: float) -> float | None:
    """Return the margin at which a claim with one would just hold at ``level``: the least, of a lead the greatest.

    None where the question has no margin, or one of the arms no spread over seeds.
    """
    if tested.p_value is None or tested.covers != "seeds" or tested.interval.n < 2 or not tested.margin:
        return None
    gap, half = tested.interval.mean, quantile(1 - level / tested.sides, tested.freedom) * tested.error
    held = {
        "difference": gap - half,
        "equivalence": abs(gap) + half,
        "non-superiority": gap + half,
        "non-inferiority": half - gap,
    }
    return held[tested.asked]


def _edge(tested: Contrast) -> float:
    return -tested.margin if tested.asked == "non-inferiority" else tested.margin
