"""The vocabulary of claims: what a claim is made of, and what is said of it.

A claim has parts; a part asks a body of evidence one question and gets an :class:`Outcome` or learns what is
:class:`Missing`. The claim holds where every part does, and fails where one fails.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from paper_tables.claims.evidence import Evidence
from paper_tables.claims.outcome import Missing, Outcome, Side, Word


@dataclass(frozen=True, kw_only=True)
class Part:
    """One question: a label to print, and the function of evidence that answers it."""

    label: str
    examine: Callable[[Evidence], Outcome | Missing]
    rows: tuple[str, ...] = ()


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
        printed: the sentence is about the printed numbers themselves, so that on the published side plain arithmetic
            decides; otherwise the printed numbers are tested as ours are.
        note: what a reader must know to judge the verdict.
    """

    id: str
    statement: str
    source: str
    needs: str
    parts: tuple[Part, ...]
    table: str = ""
    printed: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Study:
    """The claims of one study; ``trials`` is the number of test images behind one printed accuracy."""

    name: str
    title: str
    claims: tuple[Claim, ...]
    tables: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    trials: int = 10_000
    seeds: str = "0-4"  # how many runs an arm its claims about means deserve


@dataclass(frozen=True)
class PartVerdict:
    """What the evidence says of one part; ``leaning`` is where numbers point that may not decide."""

    part: Part
    word: Word
    reason: str
    outcome: Outcome | None = None
    corrected: float | None = None  # p value after Holm
    leaning: Side | None = None
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClaimVerdict:
    """What one body of evidence says of a claim."""

    word: Word
    reason: str
    parts: tuple[PartVerdict, ...]
    leaning: Side | None = None

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of all parts, each once."""
        return tuple(dict.fromkeys(command for part in self.parts for command in part.commands))


@dataclass(frozen=True)
class Assessed:
    """A claim with its verdict on our evidence, and on the published values where they speak to it."""

    claim: Claim
    ours: ClaimVerdict
    published: ClaimVerdict | None = None


@dataclass(frozen=True)
class Assessment:
    """All claims of a study, assessed; ``tests`` counts those corrected together: (ours deciding, published)."""

    study: Study
    variant: str
    claims: tuple[Assessed, ...]
    tests: tuple[int, int] = field(default=(0, 0))
