"""Assessed claims laid out as sheets, for the renderers that tables have."""

from collections.abc import Mapping, Sequence

from paper_tables.claims.claim import Assessed, Assessment, Claim, ClaimVerdict, PartVerdict
from paper_tables.claims.outcome import Outcome, Word
from paper_tables.formats.sheet import DASH, Block, Sheet, Text, Tone

TONES: Mapping[Word, Tone] = {
    "holds": "good",
    "fails": "bad",
    "as printed": "strong",
    "undecided": "unsure",
    "not run": "faint",
}
_PLAIN = {"x": "x", "points": " points"}


def lay_out(assessment: Assessment, parts: bool = False) -> Sheet:
    """Return the sheet of a study's claims; with ``parts`` every question of every claim beneath."""
    blocks = (_claims_block(assessment.claims),)
    return Sheet(
        title=f"Claims. {assessment.study.title}",
        identity=f"study {assessment.study.name} | variant {assessment.variant} | {_count(assessment.claims)}",
        blocks=(*blocks, *([parts_block(assessment.claims)] if parts else [])),
        notes=tuple(write_notes(assessment)),
        footnotes=tuple((one.claim.id, one.claim.note) for one in assessment.claims if one.claim.note),
        commands=tuple(dict.fromkeys(("", command) for one in assessment.claims for command in one.ours.commands)),
    )


def write_notes(assessment: Assessment) -> list[str]:
    """Return the sentences that say how verdicts come about."""
    return [
        "Ours: runs at the paper's budget, scale and data decide, three or more per arm and none lost; whatever else "
        "was run leaves a claim undecided, with its effect. Where it points is said of two or more runs per arm, at "
        "the budget short or above, of models of the paper's scale. All parts of a claim read runs of one budget, "
        "precision and data; runs of the same seeds are compared seed by seed.",
        "Published: the printed numbers put to the same question. Means with a deviation are tested as runs are; what "
        "single numbers say is arithmetic, and called as printed.",
        f"5 % level, one p value per claim, corrected (Holm) over all {assessment.tests} claims of the study that are "
        "tested, run or not; a claim of several parts holds where the least sure part does. Margins, differences that "
        "would show and runs that would settle a claim (power 80 %) are at the corrected level.",
    ]


def describe_effect(verdict: ClaimVerdict) -> str:
    """Return the effect of the part that decides the claim: the failing, else the least sure one."""
    part = deciding_part(verdict)
    if part is None or part.outcome is None:
        return ""
    several = f"{part.part.label}: " if len(verdict.parts) > 1 else ""
    return several + say_outcome(part.outcome, part.corrected)


def deciding_part(verdict: ClaimVerdict) -> PartVerdict | None:
    """Return the part that fails, or points away, or is least sure; None where nothing was found out."""
    known = [part for part in verdict.parts if part.outcome is not None]

    def weight(part: PartVerdict) -> tuple[bool, bool, bool, float]:
        assert part.outcome is not None
        sure = 0.0 if part.corrected is None else part.corrected
        return (part.word == "fails", part.leaning == "fails", part.outcome.toward == "fails", sure)

    return max(known, key=weight, default=None)


def say_outcome(outcome: Outcome, corrected: float | None) -> str:
    """Return effect, interval, number of runs and corrected p value in a line."""
    words = [say_number(outcome.effect, outcome.unit)]
    if outcome.low is not None and outcome.high is not None:
        words.append(f"[{_signed(outcome.low, outcome.unit)}, {_signed(outcome.high, outcome.unit)}]")
    if outcome.n is not None:
        words.append(f"n={outcome.n}")
    if corrected is not None:
        words.append(say_chance(corrected))
    if outcome.covers == "test images":
        words.append("(test images only)")
    return " ".join(words)


def say_number(value: float | None, unit: str) -> str:
    """Return an effect with its unit: ``+3.40 points``, ``5.99x``, ``0.61 of heads``."""
    if value is None:
        return DASH
    return _signed(value, unit) + _PLAIN.get(unit, f" {unit}" if unit else "")


def say_chance(p_value: float) -> str:
    """Return a p value as ``p = 0.012`` or ``p < 0.001``."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _signed(value: float, unit: str) -> str:
    if unit == "points":
        return f"{100 * value:+.2f}"
    if value == int(value) and abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.2f}" if 0.01 <= abs(value) < 1e6 else f"{value:.1e}"


def _claims_block(claims: Sequence[Assessed]) -> Block:
    rows = [
        (
            Text(one.claim.id, "", "strong"),
            Text(one.claim.statement, one.claim.source),
            verdict_cell(one.ours, one.claim),
            Text(DASH, "", "faint") if one.published is None else verdict_cell(one.published, one.claim),
        )
        for one in claims
    ]
    return Block(headings=("id", "claim", "ours", "published"), right=(False,) * 4, rows=tuple(rows))


def verdict_cell(verdict: ClaimVerdict, claim: Claim) -> Text:
    """Return the cell of a verdict: the word, and beneath it effect, basis and where undecided numbers point."""
    if verdict.word == "not run":
        return Text(verdict.word, f"needs {claim.needs}", "faint")
    return Text(say_word(verdict), "; ".join(describe_verdict(verdict)), TONES[verdict.word])


def say_word(verdict: ClaimVerdict) -> str:
    """Return the word of a verdict, of printed numbers with the side that they are on: ``as printed: holds``."""
    return f"{verdict.word}: {verdict.leaning}" if verdict.word == "as printed" else verdict.word


def describe_verdict(verdict: ClaimVerdict) -> list[str]:
    """Return what is behind a verdict: effect, basis, where it points, and what would hold or settle it."""
    part = deciding_part(verdict)
    basis = part.outcome.basis if part and part.outcome and part.outcome.basis != "as printed" else ""
    pointing = f"points to {verdict.leaning}" if verdict.word == "undecided" and verdict.leaning else ""
    open_ = verdict.word == "undecided" and verdict.runs
    runs = f"{verdict.runs} runs per arm would settle it" if open_ else ""
    margin = "" if part is None or part.outcome is None else say_margin(verdict.margin, part.outcome)
    return list(filter(None, [describe_effect(verdict), basis, pointing, margin, runs]))


def say_margin(margin: float | None, outcome: Outcome) -> str:
    """Return the margin at which a claim would just hold: the least tolerance, or the greatest lead; empty for none."""
    if margin is None or outcome.tested is None or margin <= 0:
        return ""
    said = f"{100 * margin:.2f} points" if outcome.unit == "points" else say_number(margin, outcome.unit)
    return f"would hold by {said}" if outcome.tested.asked == "difference" else f"would hold at a margin of {said}"


def parts_block(claims: Sequence[Assessed]) -> Block:
    """Return every part of every claim, ours above the published one: what was asked, found and tested."""
    rows, rules = [], set()
    for one in claims:
        for whose, verdict in (("ours", one.ours), ("published", one.published)):
            for part in verdict.parts if verdict else ():
                rows.append(_part_row(one.claim, whose, part))
        rules.add(len(rows) - 1)
    headings = ("id", "part", "of", "effect", "test", "verdict")
    return Block(headings, (False,) * 6, tuple(rows), frozenset(rules - {len(rows) - 1}), "Parts")


def _part_row(claim: Claim, whose: str, part: PartVerdict) -> tuple[Text, ...]:
    outcome = part.outcome
    effect = Text(DASH, "", "faint")
    if outcome is not None:
        effect = Text(say_outcome(outcome, part.corrected), "; ".join(filter(None, [outcome.note, *_say_plan(part)])))
    covers = f"covers {outcome.covers}" if outcome and outcome.covers else ""
    reason = "" if part.word in ("holds", "fails", "as printed") else part.reason
    return (
        Text(claim.id, "", "strong"),
        Text(part.part.label),
        Text(whose, outcome.basis if outcome and outcome.basis != "as printed" else ""),
        effect,
        Text(outcome.test if outcome else DASH, covers),
        Text(f"{part.word}: {part.leaning}" if part.word == "as printed" else part.word, reason, TONES[part.word]),
    )


def _say_plan(part: PartVerdict) -> list[str]:
    margin = "" if part.outcome is None else say_margin(part.margin, part.outcome)
    runs = f"{part.runs} runs per arm for 80 % power" if part.runs else ""
    return list(filter(None, [margin, runs]))


def _count(claims: Sequence[Assessed]) -> str:
    words = [one.ours.word for one in claims]
    counts = [f"{words.count(word)} {word}" for word in TONES if word in words]
    return f"{len(words)} claim{'' if len(words) == 1 else 's'}: {', '.join(counts)}"
