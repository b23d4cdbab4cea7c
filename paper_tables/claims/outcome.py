"""What is answered to a question: the words of verdicts, an outcome, and what is missing. No torch."""

from dataclasses import dataclass
from typing import Literal

from reproduce.stats.two_samples import Contrast

Word = Literal["holds", "fails", "as printed", "undecided", "not run"]
WORDS: tuple[Word, ...] = ("holds", "fails", "as printed", "undecided", "not run")
Side = Literal["holds", "fails"]


@dataclass(frozen=True)
class Obstacle:
    """A reason why numbers cannot decide a claim: another budget, other data, a single run.

    Attributes:
        said: the reason, in a few words.
        mute: they cannot even point somewhere: a mini model, too few epochs, one run.
        foreign: they are of something else than the paper's setting, so that a printed value is not beside them.
    """

    said: str
    mute: bool = False
    foreign: bool = True


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One answer: the side that the numbers are on, how large the effect is, and how sure that is.

    ``n`` is the number of runs per arm, None where no run is behind it: a count of parameters, an identity. Such an
    answer is exact; one of runs needs a ``p_value``. ``covers`` names the uncertainty that the interval and the test
    are about, ``tested`` is the test itself, from which it follows what more runs would tell. ``printed`` says that the
    answer is arithmetic of single numbers that a paper prints; ``readings`` of how many the surest it is, where one
    is enough.
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
    obstacles: tuple[Obstacle, ...] = ()
    tested: Contrast | None = None
    printed: bool = False
    readings: int = 1
    note: str = ""
    commands: tuple[str, ...] = ()  # what would remove the obstacles, where it is not more training

    @property
    def exact(self) -> bool:
        """Whether nothing about it is random."""
        return self.n is None and self.p_value is None


@dataclass(frozen=True)
class Missing:
    """There is nothing to answer from: why, and which commands would make it."""

    reason: str
    commands: tuple[str, ...] = ()
