"""A sheet as text for a terminal: boxes, colours where asked, readable without them."""

import io
from typing import Any

from paper_tables.layout import Block, Sheet, Text

_STYLES = {"good": "green", "bad": "bold red", "unsure": "yellow", "faint": "dim", "strong": "bold", "": ""}


def text(sheet: Sheet, colour: bool, width: int) -> str:
    """Return the sheet as boxes of at most ``width`` columns, notes and footnotes beneath.

    Names and numbers are never cut: where even their longest words need more room, the box is wider than asked.
    """
    from rich.console import Console
    from rich.text import Text as Rich

    target = io.StringIO()
    console = Console(
        file=target,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        legacy_windows=False,
    )
    console.print(Rich(sheet.title, style="bold"))
    console.print(Rich(sheet.identity, style="cyan"))
    for block in sheet.blocks:
        console.print()
        if block.title:
            console.print(Rich(block.title, style="bold"))
        console.print(_grid(block, width), crop=False, no_wrap=True, overflow="ignore")
    if sheet.commands:
        console.print(Rich("\nNot run; the command of each row:", style="bold"))
        for _, command in sheet.commands:
            # A command stays on one line, whatever the width, so that it can be copied.
            console.print(Rich(f"  {command}"), soft_wrap=True)
    console.print()
    for note in sheet.notes:
        console.print(_hanging("", note))
    for number, sentence in sheet.footnotes:
        console.print(_hanging(number, sentence))
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _grid(block: Block, width: int) -> Any:
    from rich import box
    from rich.table import Table as Grid

    grid = Grid(box=box.ROUNDED, header_style="bold", border_style="dim", padding=(0, 1))
    for heading, right, room in zip(block.headings, block.right, _widths(block, width), strict=True):
        grid.add_column(heading, justify="right" if right else "left", width=room)
    for number, row in enumerate(block.rows):
        grid.add_row(*map(_rich, row), end_section=number in block.rules)
    return grid


def _widths(block: Block, width: int) -> list[int]:
    """Share ``width`` among the columns: what they need, less where it is wide, never less than their longest word."""
    lines = [
        [block.headings[column], *(line for row in block.rows for line in (row[column].main, row[column].detail))]
        for column in range(len(block.headings))
    ]
    least = [max(len(word) for line in column for word in line.split() or [""]) for column in lines]
    widths = [max(map(len, column)) for column in lines]
    room = width - 3 * len(widths) - 1  # a border and two blanks a column
    while sum(widths) > room:
        slack = [have - need for have, need in zip(widths, least, strict=True)]
        if max(slack) == 0:
            break
        widths[slack.index(max(slack))] -= 1
    return widths


def _rich(cell: Text) -> Any:
    from rich.text import Text as Rich

    text = Rich(cell.main, style=_STYLES[cell.tone])
    return text.append(f"\n{cell.detail}", style="not bold dim") if cell.detail else text


def _hanging(mark: str, sentence: str) -> Any:
    from rich.table import Table as Grid
    from rich.text import Text as Rich

    grid = Grid.grid(padding=(0, 1))
    if mark:
        grid.add_column(width=4)
        grid.add_column()
        grid.add_row(Rich(mark, style="bold"), Rich(sentence, style="dim"))
    else:
        grid.add_row(Rich(sentence, style="dim"))
    return grid
