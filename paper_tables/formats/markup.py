"""A sheet in Markdown, LaTeX (booktabs) and HTML (one self-contained page)."""

import html as entities
from collections.abc import Iterable, Sequence

from paper_tables.formats.sheet import Block, Sheet, Text

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
}
_COLOURS = {"good": "teal", "bad": "red", "unsure": "orange", "faint": "gray"}
_STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #666; --line: #ddd; --paper: #fff; --good: #1a7f37;
        --bad: #c62828; --unsure: #9a6700; --band: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --soft: #9a9a9a; --line: #3a3a3a; --paper: #161616; --good: #4ac26b; --bad: #ff7b72;
          --unsure: #e3b341; --band: #202020; } }
body { background: var(--paper); color: var(--ink); margin: 2rem auto; max-width: 75rem; padding: 0 1rem;
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; margin-bottom: .2rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
.identity, .notes, dd { color: var(--soft); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; border-bottom: 2px solid var(--ink); white-space: nowrap; }
th, td { padding: .4rem .8rem .4rem 0; vertical-align: top; } td { border-bottom: 1px solid var(--line); }
tr.rule td { border-bottom: 2px solid var(--soft); } tbody tr:hover { background: var(--band); }
.right { text-align: right; } small { display: block; color: var(--soft); font-weight: normal; }
.strong, .good, .bad { font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.unsure { color: var(--unsure); } .faint { color: var(--soft); }
dt { float: left; font-weight: 600; min-width: 3rem; } dd { margin-left: 3rem; }
""".strip()


def markdown(sheet: Sheet) -> str:
    """Return the sheet as Markdown tables with notes, footnotes and commands beneath."""
    lines = [f"**{escape_markdown(sheet.title)}**", "", escape_markdown(sheet.identity)]
    for block in sheet.blocks:
        lines += ["", *([f"**{escape_markdown(block.title)}**", ""] if block.title else []), *markdown_block(block)]
    if sheet.commands:
        lines += ["", "Not run; the command of each row:", "", "```"]
        lines += [*(command for _, command in sheet.commands), "```"]
    lines += ["", *(f"- {escape_markdown(note)}" for note in sheet.notes)]
    lines += [f"- **{number}** {escape_markdown(sentence)}" for number, sentence in sheet.footnotes]
    return "\n".join(lines) + "\n"


def latex(sheet: Sheet, label: str) -> str:
    """Return the sheet as a LaTeX table; it needs the packages booktabs, xcolor and array."""
    lines = [
        r"% \usepackage{array,booktabs,xcolor}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{_tex(sheet.title)}. {_tex(sheet.identity)}.}}",
        rf"\label{{{label}}}",
    ]
    for number, block in enumerate(sheet.blocks):
        if number:
            lines.append(rf"\par\medskip {_tex(block.title)}\par\smallskip")
        lines += _latex_block(block)
    lines.append(r"\par\medskip\begin{minipage}{\linewidth}\footnotesize\raggedright")
    if sheet.commands:
        lines.append(r"Not run; the command of each row:\\")
        lines += [rf"\texttt{{{_tex(command)}}}\\" for _, command in sheet.commands]
    lines += [rf"{_tex(note)}\par" for note in sheet.notes]
    lines += [rf"\textbf{{{number}}} {_tex(sentence)}.\par" for number, sentence in sheet.footnotes]
    return "\n".join([*lines, r"\end{minipage}", r"\end{table}"]) + "\n"


def html(*sheets: Sheet) -> str:
    """Return sheets as one HTML page without anything from elsewhere, light or dark as the reader's system is."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{entities.escape(sheets[0].title)}</title>",
        f"<style>\n{_STYLE}\n</style></head><body>",
    ]
    for sheet in sheets:
        parts += _html_sheet(sheet)
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _html_sheet(sheet: Sheet) -> list[str]:
    identity = f'<p class="identity">{entities.escape(sheet.identity)}</p>'
    parts = [f"<h1>{entities.escape(sheet.title)}</h1>\n{identity}"]
    for block in sheet.blocks:
        parts += [*([f"<h2>{entities.escape(block.title)}</h2>"] if block.title else []), html_block(block)]
    if sheet.commands:
        commands = "\n".join(entities.escape(command) for _, command in sheet.commands)
        parts.append(f"<h2>Not run; the command of each row</h2>\n<pre>{commands}</pre>")
    parts.append('<ul class="notes">')
    parts += [f"<li>{entities.escape(note)}</li>" for note in sheet.notes]
    parts.append("</ul>")
    if sheet.footnotes:
        parts.append("<dl>")
        parts += [f"<dt>{number}</dt><dd>{entities.escape(sentence)}</dd>" for number, sentence in sheet.footnotes]
        parts.append("</dl>")
    return parts


def markdown_block(block: Block) -> list[str]:
    """Return a block as the lines of a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rules = ["---:" if right else "---" for right in block.right]
    rows = [[_markdown_cell(cell) for cell in row] for row in block.rows]
    return [line([escape_markdown(heading) for heading in block.headings]), line(rules), *map(line, rows)]


def _markdown_cell(cell: Text) -> str:
    main = escape_markdown(cell.main)
    main = f"**{main}**" if cell.tone in ("strong", "bad") else main
    return f"{main} ({escape_markdown(cell.detail)})" if cell.detail else main


def escape_markdown(text: str) -> str:
    """Escape what Markdown would read as markup."""
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text


def _latex_block(block: Block) -> list[str]:
    lines = [rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for right in block.right)}}}", r"\toprule"]
    lines += [_latex_row(rf"\textbf{{{_tex(heading)}}}" for heading in block.headings), r"\midrule"]
    for number, row in enumerate(block.rows):
        lines.append(_latex_row(_latex_cell(cell) for cell in row))
        details = [cell.detail for cell in row]
        if any(details):
            lines.append(_latex_row(rf"{{\scriptsize {_tex(detail)}}}" if detail else "" for detail in details))
        if number in block.rules:
            lines.append(r"\midrule")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_cell(cell: Text) -> str:
    if cell.tone == "strong":
        return rf"\texttt{{{_tex(cell.main)}}}"
    colour = _COLOURS.get(cell.tone)
    # Braces keep a cell that begins with a bracket from being read as an option of the line break before it.
    return rf"{{\color{{{colour}}}{_tex(cell.main)}}}" if colour else f"{{{_tex(cell.main)}}}"


def _tex(text: str) -> str:
    return "".join(_LATEX.get(mark, mark) for mark in text)


def html_block(block: Block) -> str:
    """Return a block as a table in a box of its own, which scrolls sideways where the page is narrow."""

    def classes(*names: str) -> str:
        named = " ".join(filter(None, names))
        return f' class="{named}"' if named else ""

    head = "".join(
        f"<th{classes('right' if right else '')}>{entities.escape(heading)}</th>"
        for heading, right in zip(block.headings, block.right, strict=True)
    )
    lines = [f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>']
    for number, row in enumerate(block.rows):
        cells = "".join(
            f"<td{classes('right' if right else '', cell.tone)}>{entities.escape(cell.main)}"
            + (f"<small>{entities.escape(cell.detail)}</small>" if cell.detail else "")
            + "</td>"
            for cell, right in zip(row, block.right, strict=True)
        )
        lines.append(f"<tr{classes('rule' if number in block.rules else '')}>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table></div>"])
