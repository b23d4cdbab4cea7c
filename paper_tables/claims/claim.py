"""The vocabulary of claims: what a claim is made of, and what is said of it.

A claim has parts; a part asks a body of evidence one question and gets an :class:`Outcome` or learns what is
:class:`Missing`. The claim holds where every part does, and fails where one fails.
"""

from collections.abc import Callable
from dataclasses import dataclass

from paper_tables.claims.evidence import Evidence
from paper_tables.claims.outcome import Missing, Outcome, Side, Word


@dataclass(frozen=True, kw_only=True)
class Part:
    """One question: a label to print, the function of evidence that answers it, and the rows whose runs it asks.

    ``random`` says that runs answer it, so that the answer is a test: of those a study's claims are corrected for.
    """

    label: str
    examine: Callable[[Evidence], Outcome | Missing]
    rows: tuple[str, ...] = ()
    random: bool = False


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One checkable sentence of a study, in our words.

    Attributes:
        id: unique within all studies.
        statement: what is claimed.
        source: where: paper, section, table or line.
        needs: what decides it, in a few words.
        parts: all of them must hold.
        table: whose printed values speak for the paper; the row's own table where empty.
        note: what a reader must know to judge the verdict.
    """

    id: str
    statement: str
    source: str
    needs: str
    parts: tuple[Part, ...]
    table: str = ""
    note: str = ""

    @property
    def random(self) -> bool:
        """Whether a test is among its parts."""
        return any(part.random for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class Study:
    """The claims of one study; ``trials`` is the number of test images behind one printed accuracy."""

    name: str
    title: str
    claims: tuple[Claim, ...]
    tables: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    trials: int = 10_000
    seeds: str = "0-4"  # how many runs per arm its claims about means deserve

    @property
    def tests(self) -> int:
        """How many claims are tested, whatever has been run: the fixed list that Holm's correction is over."""
        return sum(claim.random for claim in self.claims)


@dataclass(frozen=True, kw_only=True)
class PartVerdict:
    """What the evidence says of one part.

    Attributes:
        word: the verdict; ``leaning`` is where numbers point that may not decide.
        corrected: the p value after the correction for all claims of the study.
        detectable: the least difference that the test, corrected, finds with a power of 80 %.
        margin: of a question with a margin the one at which it would just hold.
        runs: how many runs per arm would settle it, the measured difference and spread being the true ones.
    """

    part: Part
    word: Word
    reason: str
    outcome: Outcome | None = None
    corrected: float | None = None
    leaning: Side | None = None
    detectable: float | None = None
    margin: float | None = None
    runs: int | None = None
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClaimVerdict:
    """What one body of evidence says of a claim; ``p_value`` is of the claim as a whole, before and after Holm."""

    word: Word
    reason: str
    parts: tuple[PartVerdict, ...]
    leaning: Side | None = None
    p_value: float | None = None
    corrected: float | None = None

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of all parts, each once."""
        return tuple(dict.fromkeys(command for part in self.parts for command in part.commands))

    @property
    def margin(self) -> float | None:
        """The margin at which all parts would hold that have one and the same unit; None where none has or one lacks.

        Of leads it is the smallest, of tolerances the largest.
        """
        asked = [part for part in self.parts if part.outcome and part.outcome.tested and part.outcome.tested.margin]
        held = [part.margin for part in asked if part.margin is not None]
        if not held or len(held) < sum(part.part.random for part in self.parts):
            return None
        lead = any(part.outcome.tested.asked == "difference" for part in asked if part.outcome and part.outcome.tested)
        return min(held) if lead else max(held)

    @property
    def runs(self) -> int | None:
        """How many runs per arm would settle every open part; None where of one it is not known, or none is open."""
        needed = [part.runs for part in self.parts if part.word == "undecided"]
        known = [runs for runs in needed if runs is not None]
        return max(known) if known and len(known) == len(needed) else None


@dataclass(frozen=True)
class Assessed:
    """A claim with its verdict on our evidence, and on the published values where they speak to it."""

    claim: Claim
    ours: ClaimVerdict
    published: ClaimVerdict | None = None


@dataclass(frozen=True)
class Assessment:
    """All claims of a study, assessed; ``tests`` is the number of claims that p values are corrected for."""

    study: Study
    variant: str
    claims: tuple[Assessed, ...]
    tests: int = 0
