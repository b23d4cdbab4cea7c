"""The first page as HTML: the answer, and a card per study."""

import html
from collections.abc import Iterable, Mapping, Sequence

from figures.report.summary.standing import Finding, Standing
from figures.report.summary.summary import Summary
from figures.report.summary.wording import explain_ways, say_open, say_slips
from paper_tables.claims.outcome import WORDS
from paper_tables.claims.sheet import TONES

escape = html.escape


def write_answer(summary: Summary) -> str:
    """Return the headline and the paragraph after it."""
    return f'<p class="answer">{escape(summary.headline)}</p><p>{escape(summary.paragraph)}</p>'


def write_standings(summary: Summary, counts: Mapping[str, Mapping[str, int]]) -> Iterable[str]:
    """Yield a card per study; ``counts`` are of its claims by verdict on our evidence."""
    for standing in summary.standings:
        yield f'<article class="standing"><h3>{_title(standing)}</h3>'
        yield from _bar(counts[standing.study.name])
        yield '<div class="sides">'
        yield from _findings("Settled", "good", standing.settled)
        yield from _findings("Contradicted", "bad", standing.contradicted, _slips(standing))
        yield "</div>"
        yield f'<div class="side"><h4>Open</h4><p>{escape(say_open(standing))}</p></div>'
        yield f'<div class="side"><h4>Cheapest next step</h4>{_step(standing)}</div></article>'
    yield f'<p class="counts">{escape(explain_ways())}</p>'


def _title(standing: Standing) -> str:
    return f'<a href="#study-{standing.study.name}">{escape(standing.study.title)}</a>'


def _bar(counts: Mapping[str, int]) -> Iterable[str]:
    bars = "".join(
        f'<span class="{TONES[word]}" style="flex:{counts[word]}"></span>' for word in WORDS if counts.get(word)
    )
    said = ", ".join(_counted(counts[word], word) for word in WORDS if counts.get(word))
    yield f'<div class="bar" role="img" aria-label="Claims: {said}">{bars}</div>'
    yield f'<p class="counts">Claims, on our evidence: {said}.</p>'


def _counted(count: int, word: str) -> str:
    return f"{count} {word.removesuffix('s') if count != 1 and word in ('holds', 'fails') else word}"


def _findings(title: str, tone: str, findings: Sequence[Finding], more: str = "") -> Iterable[str]:
    yield f'<div class="side {tone}"><h4>{title}</h4>'
    if findings:
        yield "<ul>"
        for one in findings:
            link = f'<a href="#{one.anchor}">{escape(one.mark)}</a>'
            yield f"<li>{escape(one.said)} <small>{link}, {one.way}</small></li>"
        yield "</ul>"
    yield more if findings or more else "<p>Nothing yet.</p>"
    yield "</div>"


def _slips(standing: Standing) -> str:
    """Return the places where text, tables and code of a study contradict each other, folded."""
    if not standing.slips:
        return ""
    lines = "".join(
        f'<li>{escape(one.title)} <small><a href="#{one.number}">{one.number}</a></small></li>'
        for one in standing.slips
    )
    return f'<details class="fold"><summary>{say_slips(standing)}</summary><ul>{lines}</ul></details>'


def _step(standing: Standing) -> str:
    if standing.step is None:
        return "<p>None: no number of runs would settle a printed accuracy more.</p>"
    commands = escape("\n".join(standing.step.commands))
    return f"<p>{escape(standing.step.say())} {escape(standing.step.say_hours())}</p><pre>{commands}</pre>"
