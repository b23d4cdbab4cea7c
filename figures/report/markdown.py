"""The report as Markdown: ``REPORT.md``, with its figures beside the committed ledger."""

from collections.abc import Iterable, Sequence

from figures.report.chapter import Chapter
from figures.report.content import TITLE, Content, list_anchors
from figures.report.forest import LEAD as FOREST
from figures.report.front_markdown import fold, write_answer, write_standings
from figures.report.picture import Picture
from figures.report.tables import Shown
from paper_tables.claims.claim import Assessed
from paper_tables.claims.outcome import WORDS
from paper_tables.claims.sheet import parts_block, verdict_cell, write_notes
from paper_tables.formats.markup import escape_markdown, markdown_block
from paper_tables.formats.sheet import Block, Text


def write_markdown(content: Content, pictures: dict[str, list[Picture]], folder: str) -> str:
    """Return the report; ``folder`` is where the pictures lie, as seen from the file."""
    lines = [f"# {TITLE}", "", *write_answer(content.summary)]
    for anchor, title, inner in list_anchors(content.studies):
        lines.append(f"- [{title}](#{anchor})" + (": " if inner else "") + ", ".join(f"[{t}](#{a})" for a, t in inner))
    lines += ["", *_heading("glance", "Study by study"), *write_standings(content.summary)]
    lines += [*markdown_block(glance_block(content)), "", *_heading("forest", "Every table in a picture"), FOREST, ""]
    lines += [line for picture in pictures["forest"] for line in _picture(picture, folder)]
    for chapter in content.studies:
        lines += _chapter(chapter, pictures[chapter.study.name], folder)
    lines += _heading("maps", "Attention maps")
    lines += [line for picture in pictures["maps"] for line in _picture(picture, folder)]
    lines += _deviations(content)
    lines += _heading("measured", "How it was measured")
    lines += [f"- {escape_markdown(line)}" for line in content.measured]
    lines += ["", *markdown_block(content.versions), ""]
    for bench in content.benches:
        facts = [*(f"- {escape_markdown(fact)}" for fact in bench.facts), ""]
        table = [*markdown_block(bench.block), "", "```sh", bench.command, "```"]
        lines += fold(f"Benchmark {bench.block.title}", [*facts, *table])
    lines += [*_heading("runs", "Every run"), *fold(f"{len(content.runs.rows)} runs", markdown_block(content.runs))]
    lines += _heading("inputs", "Made from")
    lines += ["The files, and the numbers in the figures, by the start of their SHA-256:", ""]
    lines += [f"- `{path}` {digest}" for path, digest in content.inputs]
    drawn = [picture for group in pictures.values() for picture in group]
    lines += [f"- figure `{picture.name}` {picture.digest}" for picture in drawn]
    return "\n".join(lines).rstrip() + "\n"


def glance_block(content: Content) -> Block:
    """Return the verdicts of every study, counted."""
    ours = content.count()
    rows = [
        (
            Text(chapter.study.title),
            Text(str(len(chapter.claims.claims))),
            *(Text(str(ours[chapter.study.name].get(word, 0))) for word in WORDS),
            Text(_fraction(chapter)),
        )
        for chapter in content.studies
    ]
    headings = ("study", "claims", *WORDS, "on the printed numbers: hold, fail, open")
    return Block(headings, (False, *(True,) * (1 + len(WORDS)), False), tuple(rows))


def _fraction(chapter: Chapter) -> str:
    """Return how many claims the printed numbers agree with, contradict, or leave open."""
    printed = [one.published for one in chapter.claims.claims if one.published is not None]
    sides = ["undecided" if verdict.word == "undecided" else verdict.leaning for verdict in printed]
    return ", ".join(str(sides.count(side)) for side in ("holds", "fails", "undecided"))


def _chapter(chapter: Chapter, pictures: Sequence[Picture], folder: str) -> Iterable[str]:
    study = chapter.study
    yield from _heading(f"study-{study.name}", study.title)
    named: set[str] = set()
    for shown in chapter.tables:
        yield from _table(shown, shown.table.name not in named)
        named.add(shown.table.name)
    for picture in pictures:
        yield from _picture(picture, folder)
    yield from _heading(f"claims-{study.name}", "Claims", 3)
    yield from markdown_block(claims_block(chapter.claims.claims))
    yield ""
    yield from (f"- {escape_markdown(note)}" for note in write_notes(chapter.claims))
    yield from (
        f"- **{one.claim.id}** {escape_markdown(one.claim.note)}" for one in chapter.claims.claims if one.claim.note
    )
    yield ""
    yield from fold("Every question behind these verdicts", markdown_block(parts_block(chapter.claims.claims)))
    commands = dict.fromkeys(command for one in chapter.claims.claims for command in one.ours.commands)
    if commands:
        yield from fold("Commands that would settle what is open", ["```sh", *commands, "```"])


def claims_block(claims: Sequence[Assessed]) -> Block:
    """Return claims with both verdicts: id, statement, ours, published."""
    rows = tuple(
        (
            Text(one.claim.id, "", "strong"),
            Text(one.claim.statement, one.claim.source),
            verdict_cell(one.ours, one.claim),
            Text("-") if one.published is None else verdict_cell(one.published, one.claim),
        )
        for one in claims
    )
    return Block(("id", "claim", "ours", "published"), (False,) * 4, rows)


def _table(shown: Shown, first: bool) -> Iterable[str]:
    sheet = shown.sheet
    if first:
        yield from _heading(f"table-{shown.table.name}", sheet.title, 3)
    yield escape_markdown(sheet.identity)
    for block in sheet.blocks:
        yield from ("", *([f"**{escape_markdown(block.title)}**", ""] if block.title else []), *markdown_block(block))
    yield ""
    yield from (f"- {escape_markdown(note)}" for note in sheet.notes)
    yield from (f"- **{number}** {escape_markdown(sentence)}" for number, sentence in sheet.footnotes)
    yield ""
    yield from fold("The command of every row", ["```sh", *(command for _, command in shown.commands), "```"])


def _picture(picture: Picture, folder: str) -> Iterable[str]:
    yield f"![{escape_markdown(picture.alt)}]({folder}/{picture.name})"
    yield ""
    yield f"*{escape_markdown(picture.caption)}* `{picture.command}`"
    yield ""


def _deviations(content: Content) -> Iterable[str]:
    yield from _heading("deviations", "Deviations")
    yield "What the papers say, what their code does, and what is done here."
    yield ""
    for entry in content.deviations:
        switch = f" Switch: {', '.join(f'`{name}`' for name in entry.switches)}." if entry.switches else ""
        yield from fold(f"{entry.number} {entry.title}", [" ".join(entry.body.split()) + switch])


def _heading(anchor: str, title: str, level: int = 2) -> list[str]:
    return [f'<a id="{anchor}"></a>', "", f"{'#' * level} {escape_markdown(title)}", ""]
