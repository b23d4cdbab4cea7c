"""What is answered to a question: the words of verdicts, an outcome, and what is missing. No torch."""

from dataclasses import dataclass
from typing import Literal

Word = Literal["holds", "fails", "undecided", "not run"]
WORDS: tuple[Word, ...] = ("holds", "fails", "undecided", "not run")
Side = Literal["holds", "fails"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One answer: the side that the numbers are on, how large the effect is, and how sure that is.

    ``p_value`` is None where nothing is random (a count of parameters, an identity). ``covers`` names the uncertainty
    that the interval and the test are about. ``obstacles`` are reasons why these numbers cannot decide the claim:
    another budget, other data, a single run. ``n`` is the number of runs an arm, None where no run is behind it; that
    a single one decides nothing is seen to in ``assess.py``, for all parts alike.
    """

    toward: Side
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""  # points | x | share | epochs | rho | bits | an error | ...
    n: int | None = None
    p_value: float | None = None
    test: str = "exact"
    covers: str = ""
    basis: str = ""  # identity of the runs behind it
    obstacles: tuple[str, ...] = ()
    detectable: float | None = None
    note: str = ""
    commands: tuple[str, ...] = ()  # what would remove the obstacles, where it is not more training


@dataclass(frozen=True)
class Missing:
    """There is nothing to answer from: why, and which commands would make it."""

    reason: str
    commands: tuple[str, ...] = ()
