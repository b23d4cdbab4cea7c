"""From claims and evidence to verdicts: which runs speak for a claim, and what its parts learn from them. No torch.

assessment = assess(find_studies("re")[0], runs)
assessment.claims[0].ours.word            # holds | fails | as printed | undecided | not run
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paper_tables.claims.arms import Arm
from paper_tables.claims.claim import Assessed, Assessment, Claim, ClaimVerdict, PartVerdict, Study
from paper_tables.claims.evidence import Printed
from paper_tables.claims.judge import Answer, judge
from paper_tables.claims.our_evidence import Key, Ours
from paper_tables.claims.outcome import Missing, Obstacle, Outcome
from paper_tables.measured import read_counts
from paper_tables.selection import by_content
from reproduce.recipes.recipe import BUDGETS
from reproduce.stats.intervals import ALPHA

if TYPE_CHECKING:
    import pandas as pd

LEAST = 3  # runs per arm; of two the spread is as good as unknown, in tables as here
ARITHMETIC = "arithmetic of the printed numbers"
ONE_RUN = Obstacle("one run per arm: seeds are not covered", mute=True, foreign=False)
TWO_RUNS = Obstacle("two runs per arm: three decide", foreign=False)
NO_TEST = Obstacle("no test over seeds", mute=True, foreign=False)
MOST_RUNS = 1_000  # per arm; a command for more would not be typed


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

    The p values of claims are corrected together (Holm) over all tested claims of the study, run or not; those of
    evidence that may not decide among themselves, and those of the published values on their own. ``only`` chooses
    what is shown, not what is corrected for.

    Args:
        study: whose claims.
        runs: rows of a ledger; the committed ones, this machine's, or both.
        variant: whose runs speak.
        only: the id of one claim.
        counts: exact counts by (row, variant); by default the committed ones.
        local: whether curves and maps beside the runs' weights on this machine count, not committed ones alone.
    """
    counts, cache = read_counts() if counts is None else counts, dict[Arm, dict[Key, Any]]()
    runs, ours, printed = by_content(runs), [], []
    for claim in study.claims:
        about = ((claim.table, *study.tables), study.trials, study.seeds)
        mine = Ours(runs, *about, variant=variant, counts=counts, local=local, cache=cache)
        ours.append((claim.parts, _ask_runs(claim, mine)))
        print_ = Printed(*about, counts=counts)
        printed.append((claim.parts, [_as_printed(_checked(part.examine(print_))) for part in claim.parts]))
    verdicts = zip(study.claims, judge(ours, study.tests), judge(printed, study.tests), strict=True)
    assessed = tuple(
        Assessed(claim, _with_commands(mine, variant, study.seeds), None if theirs.word == "not run" else theirs)
        for claim, mine, theirs in verdicts
        if only is None or claim.id == only
    )
    return Assessment(study, variant, assessed, study.tests)


def _ask_runs(claim: Claim, evidence: Ours) -> list[Answer]:
    """Return what the parts of a claim learn from the runs of one identity that speak for the whole claim.

    All parts read the same budget, precision and data. Of several identities the one at which most parts can be
    decided comes first, then the nearest to the paper's: what they find does not count.
    """
    rows = tuple(dict.fromkeys(row for part in claim.parts for row in part.rows))
    sources = [evidence.at(identity) for identity in evidence.identities(rows)] or [evidence]
    asked = [(source, [_covered(_checked(part.examine(source))) for part in claim.parts]) for source in sources]
    return max(asked, key=lambda one: _rank(*one))[1]


def _rank(source: Ours, answers: Sequence[Answer]) -> Any:
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


def _checked(answer: Answer) -> Answer:
    """Return the answer, or what is wrong with it: a number that is none can neither be printed nor decide."""
    if isinstance(answer, Outcome):
        numbers = (answer.effect, answer.low, answer.high, answer.p_value)
        if any(number is not None and not math.isfinite(number) for number in numbers):
            return Missing("the effect is not a finite number")
    return answer


def _covered(answer: Answer) -> Answer:
    """Return the answer of runs, with the obstacle that no sure spread over seeds is behind it where none is."""
    if isinstance(answer, Missing) or answer.n is None:
        return answer
    lacking = ONE_RUN if answer.n < 2 else TWO_RUNS if answer.n < LEAST else None
    if lacking is None and answer.p_value is None and not answer.obstacles:
        lacking = NO_TEST
    return answer if lacking is None else replace(answer, obstacles=(*answer.obstacles, lacking))


def _as_printed(answer: Answer) -> Answer:
    """Return the answer of printed numbers; from single ones plain arithmetic: no test over seeds is in them."""
    if isinstance(answer, Missing) or answer.n is None or answer.n > 1:
        return answer
    told = answer.note
    if answer.p_value is not None:
        beyond = "yes" if answer.p_value < ALPHA else "no"
        told = f"beyond the error of the test images: {beyond}, p = {answer.p_value:.2g}" + (
            f"; {told}" if told else ""
        )
    test = ARITHMETIC if answer.p_value is not None or not answer.test else answer.test
    return replace(answer, p_value=None, test=test, covers="nothing", note=told, printed=True)


def _with_commands(verdict: ClaimVerdict, variant: str, seeds: str) -> ClaimVerdict:
    """Give every part that is open the commands that would settle it: at the paper's setting, with enough seeds."""
    parts = []
    for part in verdict.parts:
        wanted = part.commands
        if part.word == "undecided" and not wanted and part.outcome is not None:
            enough = seeds if part.outcome.obstacles else _seeds(part) if verdict.word == "undecided" else ""
            arms = [Arm.read(row) for row in part.part.rows] if enough else []
            wanted = tuple(arm.command(variant, enough) for arm in arms if arm.recipe(variant, "paper"))
        parts.append(replace(part, commands=tuple(dict.fromkeys(wanted))))
    return replace(verdict, parts=tuple(parts))


def _seeds(part: PartVerdict) -> str:
    """Return the seeds that would settle a part that is within the error; empty where no such number is in reach."""
    return f"0-{part.runs - 1}" if part.runs and part.runs <= MOST_RUNS else ""
