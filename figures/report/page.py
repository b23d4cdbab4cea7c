"""The report as one HTML page: nothing from elsewhere, light and dark, for screens, phones and paper.

page = write_page(content, pictures, svgs)        svgs: the text of each drawn figure by its name
"""

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from figures.report.chapter import Chapter
from figures.report.content import TITLE, Content, list_anchors
from figures.report.forest import LEAD as FOREST
from figures.report.front_html import write_answer, write_standings
from figures.report.picture import Picture
from figures.report.tables import Shown, without_column
from figures.report.template import fill
from figures.style import COLOURS, INK, QUIET
from paper_tables.claims.claim import Assessed, ClaimVerdict
from paper_tables.claims.outcome import WORDS
from paper_tables.claims.sheet import TONES, describe_verdict, parts_block, say_word, write_notes
from paper_tables.formats.markup import html_block
from paper_tables.formats.sheet import Sheet

FOLDER = Path(__file__).parent
escape = html.escape
# What figures draw in the colours of paper follows the page's instead; the colours of data are lighter in the dark.
_THEMED = {
    INK: "var(--ink)",
    "#000000": "var(--ink)",
    QUIET: "var(--quiet)",
    "#ece9ef": "var(--line)",
    "#bdb8c2": "var(--line)",
    "#ffffff": "var(--paper)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(COLOURS)},
}


def write_page(content: Content, pictures: Mapping[str, Sequence[Picture]], drawn: Mapping[str, bytes]) -> bytes:
    """Return the page; ``drawn`` holds the files of the pictures by name."""
    body = "\n".join(_body(content, pictures, drawn))
    return fill(
        FOLDER / "template.html",
        title=escape(TITLE),
        lead=write_answer(content.summary),
        style=(FOLDER / "style.css").read_text(encoding="utf-8"),
        script=(FOLDER / "script.js").read_text(encoding="utf-8"),
        contents=_contents(content),
        body=body,
    )


def embed(picture: Picture, content: bytes, number: int) -> str:
    """Return a picture as markup: SVG inline in the page's colours, its ids its own; anything else as data."""
    if not picture.name.endswith(".svg"):
        data = base64.b64encode(content).decode()
        return f'<img src="data:image/{Path(picture.name).suffix[1:]};base64,{data}" alt="{escape(picture.alt)}">'
    text = content.decode()
    text = text[text.index("<svg") : text.rindex("</svg>") + len("</svg>")]  # without head and seal
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="p{number}-', text)
    text = re.sub(r'(xlink:href|href)="#', rf'\1="#p{number}-', text)
    text = re.sub(r"url\(#", f"url(#p{number}-", text)
    for colour, token in _THEMED.items():
        text = re.sub(rf"(fill|stroke): {colour}", rf"\1: {token}", text, flags=re.IGNORECASE)
    label = f'role="img" aria-label="{escape(picture.alt)}"'
    return re.sub(
        r'<svg\b([^>]*?) width="[^"]*"',
        rf"<svg {label}\1",
        re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", text, count=1),
        count=1,
    )


def _contents(content: Content) -> str:
    parts = ["<ol>"]
    for anchor, title, inner in list_anchors(content.studies):
        beneath = "".join(f'<li><a href="#{a}">{escape(t)}</a></li>' for a, t in inner)
        parts.append(
            f'<li><a href="#{anchor}">{escape(title)}</a>' + (f"<ol>{beneath}</ol>" if beneath else "") + "</li>"
        )
    return "\n".join([*parts, "</ol>"])


def _body(content: Content, pictures: Mapping[str, Sequence[Picture]], drawn: Mapping[str, bytes]) -> Iterable[str]:
    numbers = {picture.name: number for number, picture in enumerate(p for group in pictures.values() for p in group)}

    def figures(group: str) -> Iterable[str]:
        for picture in pictures[group]:
            kind = ' class="narrow"' if picture.narrow else ""
            yield f"<figure{kind}>{embed(picture, drawn[picture.name], numbers[picture.name])}"
            yield f"<figcaption>{escape(picture.caption)} <code>{escape(picture.command)}</code></figcaption></figure>"

    yield _open("glance", "Study by study")
    yield from write_standings(content.summary, content.count())
    yield _legend()
    yield "</section>"
    yield _open("forest", "Every table in a picture")
    yield f'<p>{escape(FOREST)}</p><div class="forests">'
    yield from figures("forest")
    yield "</div></section>"
    for chapter in content.studies:
        yield _open(f"study-{chapter.study.name}", chapter.study.title)
        named: set[str] = set()
        for shown in chapter.tables:
            yield from _table(shown, shown.table.name not in named)
            named.add(shown.table.name)
        yield from figures(chapter.study.name)
        yield from _claims(chapter)
        yield "</section>"
    yield _open("maps", "Attention maps")
    yield from figures("maps")
    yield "</section>"
    yield _open("deviations", "Deviations")
    yield "<p>What the papers say, what their code does, and what is done here.</p>"
    for entry in content.deviations:
        switch = f" Switch: {', '.join(entry.switches)}." if entry.switches else ""
        text = _ticks(" ".join(entry.body.split()) + switch)
        title = f"<b>{entry.number}</b>{_ticks(entry.title)}"
        yield f'<details class="fold deviation" id="{entry.number}"><summary>{title}</summary><p>{text}</p></details>'
    yield "</section>"
    yield from _measured(content)
    yield _open("inputs", "Made from")
    yield "<p>The files, and the numbers in the figures, by the start of their SHA-256.</p>"
    lines = [f"<li><code>{escape(path)}</code> {digest}</li>" for path, digest in content.inputs]
    lines += [f"<li><code>{escape(p.name)}</code> {p.digest}</li>" for group in pictures.values() for p in group]
    yield f'<ul class="inputs">{"".join(lines)}</ul></section>'


def _legend() -> str:
    chips = " ".join(f'<span class="chip {TONES[word]}">{word}</span>' for word in WORDS)
    return f"<p>{chips}</p>"


def _table(shown: Shown, first: bool) -> Iterable[str]:
    sheet = shown.sheet
    if first:
        yield _heading(f"table-{shown.table.name}", sheet.title)
    yield f'<p class="identity">{escape(sheet.identity)}</p>'
    for block in sheet.blocks:
        if block.title:
            yield f"<h4>{escape(block.title)}</h4>"
        yield html_block(block)
    yield _notes(sheet)
    commands = escape("\n".join(command for _, command in shown.commands))
    yield f'<details class="fold"><summary>The command of every row</summary><pre>{commands}</pre></details>'


def _notes(sheet: Sheet) -> str:
    lines = [f"<li>{escape(note)}</li>" for note in sheet.notes]
    lines += [f'<li><b><a href="#{mark}">{mark}</a></b> {escape(said)}</li>' for mark, said in sheet.footnotes]
    return f'<ul class="notes">{"".join(lines)}</ul>'


def _claims(chapter: Chapter) -> Iterable[str]:
    yield _heading(f"claims-{chapter.study.name}", "Claims")
    yield '<div class="claims">'
    for one in chapter.claims.claims:
        yield from _claim(one)
    yield "</div>"
    yield f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in write_notes(chapter.claims))}</ul>'


def _claim(one: Assessed) -> Iterable[str]:
    claim = one.claim
    yield f'<article class="claim" id="{claim.id}"><p class="id"><a href="#{claim.id}">{claim.id}</a></p>'
    note = f'<p class="said">{escape(claim.note)}</p>' if claim.note else ""
    source = f'<p class="source">{escape(claim.source)}</p>'
    yield f'<div><p class="statement">{escape(claim.statement)}</p>{source}{note}</div>'
    yield f"<div>{_verdict('ours', one.ours, claim.needs)}</div>"
    yield f"<div>{_verdict('published', one.published, '') if one.published else ''}</div>"
    commands = escape("\n".join(one.ours.commands))
    asked = html_block(without_column(parts_block([one]), "id"))
    yield '<details class="more"><summary>'
    yield f"{len(claim.parts)} question{'' if len(claim.parts) == 1 else 's'}, tests" + (
        ", commands" if commands else ""
    )
    yield f"</summary>{asked}{f'<pre>{commands}</pre>' if commands else ''}</details></article>"


def _verdict(whose: str, verdict: ClaimVerdict, needs: str) -> str:
    word = say_word(verdict)
    chip = f'<p><span class="whose">{whose}</span><span class="chip {TONES[verdict.word]}">{word}</span></p>'
    said = f"needs {needs}" if verdict.word == "not run" else "; ".join(describe_verdict(verdict))
    return f'{chip}<p class="effect">{escape(said)}</p>'


def _measured(content: Content) -> Iterable[str]:
    yield _open("measured", "How it was measured")
    yield f'<ul class="notes">{"".join(f"<li>{escape(line)}</li>" for line in content.measured)}</ul>'
    yield html_block(content.versions)
    for bench in content.benches:
        facts = "".join(f"<li>{escape(fact)}</li>" for fact in bench.facts)
        shown = f'<ul class="notes">{facts}</ul>{html_block(bench.block)}<pre>{escape(bench.command)}</pre>'
        yield f'<details class="fold"><summary>Benchmark {escape(bench.block.title)}</summary>{shown}</details>'
    yield "</section>"
    yield _open("runs", "Every run")
    yield html_block(content.runs)
    yield "</section>"


def _open(anchor: str, title: str) -> str:
    link = f'<a class="anchor" href="#{anchor}" aria-label="Link to this part">#</a>'
    return f'<section id="{anchor}"><h2>{escape(title)}{link}</h2>'


def _heading(anchor: str, title: str) -> str:
    link = f'<a class="anchor" href="#{anchor}" aria-label="Link to this part">#</a>'
    return f'<h3 id="{anchor}">{escape(title)}{link}</h3>'


def _ticks(text: str) -> str:
    """Return Markdown's inline code as markup, everything else escaped."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
