"""Where a study stands: what is settled and how, what is contradicted, what is open.

standing = stand(chapter, deviations, speeds)
standing.settled[0].way             # a key of WAYS

Settled is what is so: claims that hold, accuracies that agree. Contradicted is what is not so: claims that fail,
accuracies that differ, and what the text says and its own code or tables do not. Printed numbers that only point to a
side (single runs) contradict what they do not bear out, but settle nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from figures.report.chapter import Accuracy, Chapter
from figures.report.summary.next_step import Step, find_step, list_open
from figures.report.summary.speeds import Speed
from paper_tables.claims.claim import Assessed, ClaimVerdict, Study
from paper_tables.deviations import Deviation

Way = Literal["structure", "arithmetic", "printed numbers", "single printed numbers", "runs"]
WAYS: Mapping[Way, str] = {
    "structure": "counted in the networks that the repository builds",
    "arithmetic": "closed forms and small computations",
    "printed numbers": "the paper's own, with deviations of several runs, tested",
    "single printed numbers": "the paper's own, of one run each: no test over seeds",
    "runs": "networks trained here, at the paper's budget, size and data",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is known: the mark of the claim or of the table's row, what it says, and how it is known."""

    mark: str
    anchor: str  # where in the report more of it stands
    said: str
    way: Way
    claim: bool = True  # not a printed accuracy


@dataclass(frozen=True)
class Standing:
    """One study on the first page; ``open_accuracies`` of ``accuracies`` have no verdict yet."""

    study: Study
    settled: tuple[Finding, ...]
    contradicted: tuple[Finding, ...]
    slips: tuple[Deviation, ...]
    undecided: tuple[str, ...]
    not_run: tuple[str, ...]
    accuracies: int
    open_accuracies: int
    step: Step | None

    @property
    def open_claims(self) -> tuple[str, ...]:
        """The marks of the claims that runs have still to decide."""
        return (*self.undecided, *self.not_run)


def stand(chapter: Chapter, deviations: Iterable[Deviation], speeds: Mapping[str, Speed]) -> Standing:
    """Return where the study of ``chapter`` stands.

    Args:
        chapter: its tables and claims, judged.
        deviations: of all studies.
        speeds: measured speeds by row.
    """
    claims, accuracies = chapter.claims.claims, chapter.accuracies
    names = (chapter.study.name, *chapter.study.aliases)
    return Standing(
        study=chapter.study,
        settled=(*_claims(claims, "holds"), *_accuracies(accuracies, "agrees")),
        contradicted=(*_claims(claims, "fails"), *_accuracies(accuracies, "differs")),
        slips=tuple(one for one in deviations if one.contradicts and one.study in names),
        undecided=tuple(one.claim.id for one in claims if one.ours.word == "undecided"),
        not_run=tuple(one.claim.id for one in claims if one.ours.word == "not run"),
        accuracies=len({one.place for one in accuracies}),
        open_accuracies=len({one.place for one in list_open(accuracies)}),
        step=find_step(accuracies, speeds),
    )


def tell_way(verdict: ClaimVerdict, word: str) -> Way:
    """Return what our evidence for the ``word`` of a claim is: of several parts the least direct one's."""
    parts = [part for part in verdict.parts if part.outcome is not None and part.word == word]
    outcomes = [part.outcome for part in parts if part.outcome is not None]
    if any(not outcome.exact for outcome in outcomes):
        return "runs"
    return "arithmetic" if any(outcome.basis.startswith("computed") for outcome in outcomes) else "structure"


def _claims(claims: Sequence[Assessed], word: str) -> Iterable[Finding]:
    """Yield the claims whose verdict is ``word``: on our evidence first, else on the printed numbers.

    Exact answers are the same on either side, and said once. Where runs decide one thing and the printed numbers say
    the other, both are said.
    """
    for one in claims:
        if one.ours.word == word:
            yield Finding(one.claim.id, one.claim.id, one.claim.statement, tell_way(one.ours, word))
        elif one.published is not None and _on_print(one.published, word):
            way: Way = "single printed numbers" if one.published.word == "as printed" else "printed numbers"
            yield Finding(one.claim.id, one.claim.id, one.claim.statement, way)


def _on_print(verdict: ClaimVerdict, word: str) -> bool:
    """Return whether printed numbers decide a claim: by their own test, or against it by arithmetic alone."""
    return verdict.word == word or (verdict.word == "as printed" and verdict.leaning == word == "fails")


def _accuracies(accuracies: Iterable[Accuracy], word: str) -> Iterable[Finding]:
    for one in accuracies:
        if one.verdict.word == word:
            yield Finding(one.row.row, f"table-{one.table.name}", f"{one.name}: {word}", "runs", claim=False)
