"""Assessed claims as text, Markdown, LaTeX, HTML or JSON, by the renderers of the tables.

print(render([assess(study, runs) for study in find_studies(None)], "md"))
"""

import json
from collections.abc import Sequence
from typing import Any

from paper_tables.claims.claim import Assessed, Assessment, ClaimVerdict, PartVerdict
from paper_tables.claims.sheet import lay_out
from paper_tables.formats import markup
from paper_tables.formats import text as terminal
from paper_tables.formats.render import WIDTH
from reproduce.errors import UserError, did_you_mean

FORMATS = ("text", "md", "latex", "html", "json")


def render(
    assessments: Sequence[Assessment],
    form: str = "text",
    *,
    parts: bool = False,
    colour: bool = False,
    width: int | None = None,
) -> str:
    """Return assessed studies in the format ``form``, ending in a line break.

    Args:
        assessments: one or several studies.
        form: one of :data:`FORMATS`.
        parts: whether every part of every claim is shown (JSON always has them).
        colour: whether text carries colours for a terminal.
        width: columns of text.

    Raises:
        UserError: an unknown format (the nearest one is offered).
    """
    check_format(form)
    if form == "json":
        return json.dumps(as_document(assessments), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    sheets = [lay_out(assessment, parts) for assessment in assessments]
    if form == "text":
        return "\n".join(terminal.text(sheet, colour, width or WIDTH) for sheet in sheets)
    if form == "md":
        return "\n".join(map(markup.markdown, sheets))
    if form == "latex":
        named = zip(sheets, assessments, strict=True)
        return "\n".join(markup.latex(sheet, f"tab:claims-{one.study.name}") for sheet, one in named)
    return markup.html(*sheets)


def check_format(form: str) -> str:
    """Return ``form``; raises UserError where no format of claims is called so, with the nearest name."""
    if form not in FORMATS:
        raise UserError(f"no format of claims is called '{form}'", did_you_mean(form, FORMATS))
    return form


def as_document(assessments: Sequence[Assessment]) -> dict[str, Any]:
    """Return assessed studies as the document that ``--json`` prints."""
    return {
        "studies": [
            {
                "study": one.study.name,
                "title": one.study.title,
                "variant": one.variant,
                "tests": one.tests,
                "claims": [_claim(claim) for claim in one.claims],
            }
            for one in assessments
        ]
    }


def _claim(one: Assessed) -> dict[str, Any]:
    claim = one.claim
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "needs": claim.needs,
        "note": claim.note,
        **_verdict(one.ours),
        "commands": list(one.ours.commands),
        "published": None if one.published is None else _verdict(one.published),
    }


def _verdict(verdict: ClaimVerdict) -> dict[str, Any]:
    return {
        "verdict": verdict.word,
        "reason": verdict.reason,
        "leaning": verdict.leaning,
        "p_value": verdict.p_value,
        "p_corrected": verdict.corrected,
        "margin_held": verdict.margin,
        "runs_needed": verdict.runs,
        "parts": [_part(part) for part in verdict.parts],
    }


def _part(part: PartVerdict) -> dict[str, Any]:
    found = part.outcome
    return {
        "part": part.part.label,
        "rows": list(part.part.rows),
        "verdict": part.word,
        "reason": part.reason,
        "leaning": part.leaning,
        "effect": None
        if found is None
        else {"value": found.effect, "low": found.low, "high": found.high, "unit": found.unit, "n": found.n},
        "test": None if found is None else found.test,
        "p_value": None if found is None else found.p_value,
        "p_corrected": part.corrected,
        "covers": None if found is None else found.covers,
        "evidence": None if found is None else found.basis,
        "detectable": part.detectable,
        "margin_held": part.margin,
        "runs_needed": part.runs,
        "note": None if found is None else found.note,
    }
