"""From claims and evidence to verdicts: parts are asked, p values corrected within the study, words combined. No torch.

assessment = assess(find_study("re"), runs)
assessment.claims[0].ours.word            # holds | fails | undecided | not run
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paper_tables.claims.arms import Arm
from paper_tables.claims.claim import Assessed, Assessment, Claim, ClaimVerdict, Part, PartVerdict, Study
from paper_tables.claims.evidence import Printed
from paper_tables.claims.measured_files import read_counts
from paper_tables.claims.our_evidence import Key, Ours
from paper_tables.claims.outcome import Missing, Outcome, Side, Word
from reproduce.recipes.recipe import BUDGETS
from reproduce.stats.intervals import ALPHA
from reproduce.stats.two_samples import holm

if TYPE_CHECKING:
    import pandas as pd

ARITHMETIC = "arithmetic of the printed numbers"
ONE_RUN = "one run an arm: seeds are not covered"
NO_TEST = "no test over seeds"


@dataclass(frozen=True)
class _Asked:
    claim: Claim
    part: Part
    answer: Outcome | Missing


def assess(
    study: Study,
    runs: "pd.DataFrame",
    *,
    variant: str = "described",
    only: str | None = None,
    counts: Mapping[tuple[str, str], Any] | None = None,
    local: bool = True,
) -> Assessment:
    """Return every claim of ``study`` with its verdict on ``runs`` and on the published values.

    The p values of all parts that may decide are corrected together (Holm), those that may not among themselves, and
    those of the published values on their own; ``only`` chooses what is shown, not what is corrected for.

    Args:
        study: whose claims.
        runs: rows of a ledger; the committed ones, this machine's, or both.
        variant: whose runs speak.
        only: the id of one claim.
        counts: exact counts by (row, variant); by default the committed ones.
        local: whether curves and maps beside the runs' weights on this machine count, not committed ones alone.
    """
    counts, cache = read_counts() if counts is None else counts, dict[Arm, dict[Key, Any]]()
    ours: list[_Asked] = []
    notes: dict[str, str] = {}
    for claim in study.claims:
        evidence, answers = _ask_runs(
            claim, Ours(runs, (claim.table, *study.tables), study.trials, study.seeds, variant, counts, local, cache)
        )
        ours += [_Asked(claim, part, answer) for part, answer in zip(claim.parts, answers, strict=True)]
        notes[claim.id] = " ".join(filter(None, [claim.note, _say_diverged(evidence, claim)]))
    printed = [
        _Asked(
            claim,
            part,
            _by_arithmetic(
                claim, _checked(part.examine(Printed((claim.table, *study.tables), study.trials, study.seeds, counts)))
            ),
        )
        for claim in study.claims
        for part in claim.parts
    ]
    judged, tests = _judge(ours)
    judged_printed, printed_tests = _judge(printed)
    assessed = []
    for claim in study.claims:
        mine = combine([verdict for asked, verdict in judged if asked.claim is claim])
        theirs = combine([verdict for asked, verdict in judged_printed if asked.claim is claim])
        if only is None or claim.id == only:
            mine = _with_commands(mine, variant, study.seeds)
            told = replace(claim, note=notes[claim.id])
            assessed.append(Assessed(told, mine, None if theirs.word == "not run" else theirs))
    return Assessment(study, variant, tuple(assessed), (tests, printed_tests))


def combine(parts: Sequence[PartVerdict]) -> ClaimVerdict:
    """Return the verdict on a claim: fails where one part fails, holds where all hold, else open."""
    words = [part.word for part in parts]
    sides = [part.word if part.word in ("holds", "fails") else part.leaning for part in parts]
    leaning: Side | None = "fails" if "fails" in sides else "holds" if set(sides) == {"holds"} else None
    if "fails" in words:
        failing = [part for part in parts if part.word == "fails"]
        return ClaimVerdict("fails", _say(failing, len(parts), "fails"), tuple(parts), "fails")
    if set(words) == {"holds"}:
        return ClaimVerdict("holds", _say(parts, len(parts), "holds"), tuple(parts), "holds")
    if set(words) == {"not run"}:
        return ClaimVerdict("not run", _unique(part.reason for part in parts), tuple(parts))
    reasons = [part.reason for part in parts if part.word == "undecided"]
    absent = words.count("not run")
    reasons += [f"{absent} of {len(parts)} parts not run"] if absent else []
    return ClaimVerdict("undecided", _unique(reasons), tuple(parts), leaning)


def _ask_runs(claim: Claim, evidence: Ours) -> tuple[Ours, list[Outcome | Missing]]:
    """Return the runs of one identity that speak for the whole claim, and what its parts learn from them.

    All parts read the same budget, precision and data. Of several identities the one at which most parts can be
    decided comes first, then the nearest to the paper's: what they find does not count.
    """
    rows = tuple(dict.fromkeys(row for part in claim.parts for row in part.rows))
    sources = [evidence.at(identity) for identity in evidence.identities(rows)] or [evidence]
    asked = [(source, [_covered(_checked(part.examine(source))) for part in claim.parts]) for source in sources]
    return max(asked, key=lambda one: _rank(*one))


def _rank(source: Ours, answers: Sequence[Outcome | Missing]) -> Any:
    keys = sorted(source.identity.items())
    of_runs = [answer for answer in answers if isinstance(answer, Outcome) and answer.n is not None]
    if not of_runs:
        return (0, False, keys)
    (budget, *_, precision) = keys[0][1] if keys else ("", "")
    return (
        sum(not answer.obstacles for answer in of_runs),
        True,
        BUDGETS.index(budget) if budget in BUDGETS else -1,
        len(of_runs),
        -max(len(answer.obstacles) for answer in of_runs),
        precision == "fp32",
        min(answer.n or 0 for answer in of_runs),
        keys,
    )


def _checked(answer: Outcome | Missing) -> Outcome | Missing:
    """Return the answer, or what is wrong with it: a number that is none can neither be printed nor decide."""
    if isinstance(answer, Outcome):
        numbers = (answer.effect, answer.low, answer.high, answer.p_value)
        if any(number is not None and not math.isfinite(number) for number in numbers):
            return Missing("the effect is not a finite number")
    return answer


def _covered(answer: Outcome | Missing) -> Outcome | Missing:
    """Return the answer of runs, with the obstacle that no spread over seeds is behind it where none is."""
    if isinstance(answer, Missing) or answer.n is None:
        return answer
    lacking = ONE_RUN if answer.n < 2 else NO_TEST if answer.p_value is None and not answer.obstacles else None
    return answer if lacking is None else replace(answer, obstacles=(*answer.obstacles, lacking))


def _say_diverged(evidence: Ours, claim: Claim) -> str:
    rows = [row for part in claim.parts for row in part.rows]
    lost = [f"{gone} of {of} runs of {arm}" for arm, gone, of in evidence.count_diverged(rows)]
    return f"Diverged and left out: {', '.join(lost)}." if lost else ""


def _by_arithmetic(claim: Claim, answer: Outcome | Missing) -> Outcome | Missing:
    """Return the answer of printed numbers to a claim about those very numbers: whatever their error, they are so."""
    if isinstance(answer, Missing) or not claim.printed or answer.p_value is None:
        return answer
    alone = f"beyond sampling error: {'yes' if answer.p_value < ALPHA else 'no'}, p = {answer.p_value:.2g}"
    return replace(answer, p_value=None, test=ARITHMETIC, covers="nothing", note=alone)


def _judge(asked: Sequence[_Asked]) -> tuple[list[tuple[_Asked, PartVerdict]], int]:
    """Return the verdict on every part, and how many tests were corrected together."""
    corrected: dict[int, float] = {}
    deciding: list[int] = []
    for may_decide in (True, False):
        family = [
            index
            for index, one in enumerate(asked)
            if isinstance(one.answer, Outcome)
            and one.answer.p_value is not None
            and (not one.answer.obstacles) == may_decide
        ]
        p_values = [answer.p_value for index in family if isinstance(answer := asked[index].answer, Outcome)]
        corrected |= dict(zip(family, holm([p for p in p_values if p is not None]), strict=True))
        deciding = family if may_decide else deciding
    return [(one, _judge_part(one, corrected.get(index))) for index, one in enumerate(asked)], len(deciding)


def _judge_part(asked: _Asked, corrected: float | None) -> PartVerdict:
    answer = asked.answer
    if isinstance(answer, Missing):
        return PartVerdict(asked.part, "not run", answer.reason, commands=answer.commands)
    exact = answer.p_value is None and not answer.test.startswith("none")
    sure = exact or (corrected is not None and corrected < ALPHA)
    leaning: Side | None = answer.toward if sure else None
    if answer.obstacles:
        return PartVerdict(
            asked.part, "undecided", "; ".join(answer.obstacles), answer, corrected, leaning, answer.commands
        )
    if sure:
        return PartVerdict(asked.part, answer.toward, answer.test, answer, corrected, leaning)
    blind = (
        "" if answer.detectable is None else f"; a gap under {100 * answer.detectable:.1f} points would often not show"
    )
    return PartVerdict(asked.part, "undecided", f"within the error{blind}", answer, corrected)


def _say(parts: Sequence[PartVerdict], of: int, word: Word) -> str:
    if of == 1:
        return parts[0].reason
    if word == "holds":
        return f"all {of} parts"
    return f"{len(parts)} of {of} parts: {', '.join(part.part.label for part in parts)}"


def _unique(reasons: Any) -> str:
    return "; ".join(dict.fromkeys(reason for text in reasons for reason in text.split("; ") if reason))


def _with_commands(verdict: ClaimVerdict, variant: str, seeds: str) -> ClaimVerdict:
    """Give every part that is open the commands that would settle it."""
    parts = []
    for part in verdict.parts:
        wanted = part.commands
        if part.word == "undecided" and not wanted and part.outcome is not None and part.outcome.obstacles:
            arms = [Arm.read(row) for row in part.part.rows]
            wanted = tuple(arm.command(variant, seeds) for arm in arms if arm.recipe(variant, "paper"))
        parts.append(replace(part, commands=tuple(dict.fromkeys(wanted))))
    return replace(verdict, parts=tuple(parts))
