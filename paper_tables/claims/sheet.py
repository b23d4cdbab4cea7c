"""Assessed claims laid out as sheets, for the renderers that tables have."""

from collections.abc import Mapping, Sequence

from paper_tables.claims.claim import Assessed, Assessment, Claim, ClaimVerdict, PartVerdict
from paper_tables.claims.outcome import Outcome, Word
from paper_tables.formats.sheet import DASH, Block, Sheet, Text, Tone

TONES: Mapping[Word, Tone] = {"holds": "good", "fails": "bad", "undecided": "unsure", "not run": "faint"}
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
    ours, published = assessment.tests
    return [
        "Ours: runs at the paper's budget, scale and data, with several seeds, decide; whatever else was run leaves a "
        "claim undecided, with its effect and where it points. All parts of a claim read runs of one budget, precision "
        "and data.",
        "Published: the printed numbers put to the same question. Where a claim is about those very numbers plain "
        "arithmetic answers; else the test does, which for a single run covers its test images alone, not seeds.",
        f"5 % level, p values corrected together (Holm): {ours} tests of ours, {published} of published values.",
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
    effect = describe_effect(verdict)
    if verdict.word == "not run":
        return Text(verdict.word, f"needs {claim.needs}", "faint")
    pointing = f"points to {verdict.leaning}" if verdict.word == "undecided" and verdict.leaning else ""
    part = deciding_part(verdict)
    basis = part.outcome.basis if part and part.outcome and part.outcome.basis != "as printed" else ""
    return Text(verdict.word, "; ".join(filter(None, [effect, basis, pointing])), TONES[verdict.word])


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
    effect = Text(DASH, "", "faint") if outcome is None else Text(say_outcome(outcome, part.corrected), outcome.note)
    covers = f"covers {outcome.covers}" if outcome and outcome.covers else ""
    reason = "" if part.word in ("holds", "fails") else part.reason
    return (
        Text(claim.id, "", "strong"),
        Text(part.part.label),
        Text(whose, outcome.basis if outcome and outcome.basis != "as printed" else ""),
        effect,
        Text(outcome.test if outcome else DASH, covers),
        Text(part.word, reason, TONES[part.word]),
    )


def _count(claims: Sequence[Assessed]) -> str:
    words = [one.ours.word for one in claims]
    counts = [f"{words.count(word)} {word}" for word in TONES if word in words]
    return f"{len(words)} claim{'' if len(words) == 1 else 's'}: {', '.join(counts)}"
