"""From the answers of a claim's parts to words: one p value per claim, Holm over the study's fixed list of claims.

A claim that holds where all parts do has the largest p value of its parts (an intersection-union test, Berger 1982);
that it fails, since one part fails, has the least times their number (Bonferroni). The list that Holm's correction runs
over is that of the study's tested claims, run or not: whatever else was run, a claim is never less sure for it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from paper_tables.claims.claim import ClaimVerdict, Part, PartVerdict
from paper_tables.claims.outcome import Missing, Outcome, Side, Word
from reproduce.stats.intervals import ALPHA
from reproduce.stats.planning import margin_held, runs_needed
from reproduce.stats.two_samples import detectable, holm_level

Answer = Outcome | Missing


@dataclass(frozen=True)
class _Family:
    """P values of all claims on answers that may be ``used``, and the level that Holm leaves to each."""

    used: Callable[[Outcome], bool]
    p_values: tuple[float, ...]
    levels: tuple[float, ...]


def judge(asked: Sequence[tuple[Sequence[Part], Sequence[Answer]]], tests: int) -> list[ClaimVerdict]:
    """Return the verdict on every claim of a study.

    Args:
        asked: of every claim its parts and what they learned.
        tests: how many claims of the study are tested, run or not.
    """
    deciding, pointing = (_family(asked, tests, used) for used in (decides, points))
    found = []
    for index, (parts, answers) in enumerate(asked):
        pairs = list(zip(parts, answers, strict=True))
        judged = [_judge_part(part, answer, len(pairs), index, deciding, pointing) for part, answer in pairs]
        p_value = deciding.p_values[index]
        known = any(part.random for part in parts) and any(isinstance(a, Outcome) and decides(a) for a in answers)
        corrected = min(1.0, p_value * ALPHA / deciding.levels[index])
        verdict = combine(judged)
        found.append(replace(verdict, p_value=p_value, corrected=corrected) if known else verdict)
    return found


def decides(answer: Outcome) -> bool:
    """Say whether an answer may decide: nothing is in its way, and it is no arithmetic of single printed numbers."""
    return not answer.obstacles and not answer.printed


def points(answer: Outcome) -> bool:
    """Say whether an answer may point somewhere, even where it may not decide."""
    return not answer.printed and not any(obstacle.mute for obstacle in answer.obstacles)


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
    if "as printed" in words and (leaning == "fails" or set(words) <= {"holds", "as printed"}):
        agreeing = [part for part in parts if leaning == "holds" or part.leaning == leaning]
        return ClaimVerdict("as printed", _say(agreeing, len(parts), leaning or "holds"), tuple(parts), leaning)
    reasons = [part.reason for part in parts if part.word == "undecided"]
    absent = words.count("not run")
    reasons += [f"{absent} of {len(parts)} parts not run"] if absent else []
    return ClaimVerdict("undecided", _unique(reasons), tuple(parts), leaning)


def union(answers: Sequence[Answer], label: Sequence[str]) -> Answer:
    """Return the answer to a question that holds where one of several does: the dual of a claim of several parts.

    That one holds has the least p value times their number; that all fail has the largest. The answer carries the
    numbers of the part that settles it.
    """
    found = [(answer, name) for answer, name in zip(answers, label, strict=True) if isinstance(answer, Outcome)]
    if len(found) < len(answers):
        missing = [answer for answer in answers if isinstance(answer, Missing)]
        commands = dict.fromkeys(command for answer in missing for command in answer.commands)
        return Missing(_unique(answer.reason for answer in missing), tuple(commands))
    holding = [pair for pair in found if pair[0].toward == "holds"]
    sure = min if holding else max
    chosen, name = sure(holding or found, key=lambda pair: (_p_of(pair[0]), pair[1]))
    obstacles = tuple(dict.fromkeys(obstacle for answer, _ in found for obstacle in answer.obstacles))
    p_value = chosen.p_value
    if holding and p_value is not None:
        p_value = min(1.0, len(found) * p_value)
    told = "; ".join(filter(None, [name, chosen.note]))
    return replace(chosen, p_value=p_value, obstacles=obstacles, readings=len(found), note=told)


def _family(
    asked: Sequence[tuple[Sequence[Part], Sequence[Answer]]], tests: int, used: Callable[[Outcome], bool]
) -> _Family:
    p_values = [
        _claim_p(answers, used) if any(part.random for part in parts) else 1.0 for parts, answers in asked
    ]  # claims that no test decides are not on the list
    levels = [holm_level(p_values, index, tests) for index in range(len(p_values))] if tests else [ALPHA] * len(asked)
    return _Family(used, tuple(p_values), tuple(levels))


def _claim_p(answers: Sequence[Answer], used: Callable[[Outcome], bool]) -> float:
    """Return the p value of a claim as a whole, on the side where the data are; 1 where they settle nothing."""
    known = [answer for answer in answers if isinstance(answer, Outcome) and used(answer)]
    failing = [_p_of(answer) for answer in known if answer.toward == "fails"]
    if failing:
        return min(1.0, len(answers) * min(failing))
    return max(map(_p_of, known)) if known and len(known) == len(answers) else 1.0


def _p_of(answer: Outcome) -> float:
    if answer.exact:
        return 0.0
    return 1.0 if answer.p_value is None else answer.p_value


def _judge_part(
    part: Part, answer: Answer, parts: int, index: int, deciding: _Family, pointing: _Family
) -> PartVerdict:
    """Return the verdict on one of the ``parts`` of claim ``index``, at the level that Holm leaves to the claim."""
    if isinstance(answer, Missing):
        return PartVerdict(part=part, word="not run", reason=answer.reason, commands=answer.commands)
    if answer.printed:
        return PartVerdict(part=part, word="as printed", reason=answer.test, outcome=answer, leaning=answer.toward)
    family = deciding if decides(answer) else pointing
    whole = family.levels[index]
    level = whole / (parts if answer.toward == "fails" else 1)
    sure = _p_of(answer) < level
    corrected = None if answer.p_value is None else min(1.0, answer.p_value * ALPHA / level)
    found = PartVerdict(part=part, word="undecided", reason="", outcome=answer, corrected=corrected)
    found = found if answer.tested is None else _plan(found, answer, level, whole)
    if answer.obstacles:
        leaning = answer.toward if sure and points(answer) else None
        said = "; ".join(obstacle.said for obstacle in answer.obstacles)
        return replace(found, reason=said, leaning=leaning, commands=answer.commands)
    if sure:
        return replace(found, word=answer.toward, reason=answer.test, leaning=answer.toward)
    return replace(found, reason=f"within the error{_say_blind(found)}")


def _plan(found: PartVerdict, answer: Outcome, level: float, whole: float) -> PartVerdict:
    """Return the verdict with what the test could have found and what it would have needed.

    ``level`` is that of the side where the data are; that a part holds, at whatever margin, is tested at ``whole``.
    """
    tested = answer.tested
    if tested is None or tested.covers != "seeds":
        return found
    whole /= answer.readings
    level /= answer.readings if answer.toward == "holds" else 1
    least = detectable(tested.error, tested.freedom, level, tested.sides) if tested.error else None
    margin = margin_held(tested, whole)
    if answer.unit == "x":  # tested on logarithms
        least, margin = None, None if margin is None else math.exp(margin)
    return replace(found, detectable=least, margin=margin, runs=runs_needed(tested, level))


def _say_blind(found: PartVerdict) -> str:
    answer, blind = found.outcome, ""
    if answer and answer.tested and answer.unit == "points" and found.detectable is not None:
        what = "a distance from the margin" if answer.tested.margin else "a gap"
        blind = f"; {what} under {100 * found.detectable:.1f} points would often not show"
    return blind + (f"; {found.runs} runs per arm would settle it" if found.runs else "")


def _say(parts: Sequence[PartVerdict], of: int, word: Word) -> str:
    if of == 1:
        return parts[0].reason
    if word == "holds":
        return f"all {of} parts"
    return f"{len(parts)} of {of} parts: {', '.join(part.part.label for part in parts)}"


def _unique(reasons: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(reason for text in reasons for reason in text.split("; ") if reason))
