"""A sheet as text for a terminal: boxes, colours where asked, readable without them."""

import functools
import io
import textwrap
from typing import Any

from paper_tables.formats.sheet import Block, Sheet, Text

_STYLES = {"good": "green", "bad": "bold red", "unsure": "yellow", "faint": "dim", "strong": "bold", "": ""}


def text(sheet: Sheet, colour: bool, width: int) -> str:
    """Return the sheet as boxes of at most ``width`` columns, notes and footnotes beneath.

    Names and numbers are never cut: where even their longest words need more room, the box is wider than asked.
    """
    from rich.console import Console
    from rich.text import Text as Rich

    target = io.StringIO()
    shares = [_widths(block, width) for block in sheet.blocks]
    console = Console(
        file=target,
        width=max(width, *map(_box_width, shares)),
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        highlight=False,
        legacy_windows=False,
    )
    console.print(Rich(sheet.title, style="bold"))
    console.print(Rich(sheet.identity, style="cyan"))
    for block, widths in zip(sheet.blocks, shares, strict=True):
        console.print()
        if block.title:
            console.print(Rich(block.title, style="bold"))
        console.print(_grid(block, widths))
    if sheet.commands:
        console.print(Rich("\nNot run; the command of each row:", style="bold"))
        for _, command in sheet.commands:
            # A command stays on one line, whatever the width, so that it can be copied.
            console.print(Rich(f"  {command}"), soft_wrap=True)
    console.print()
    for note in sheet.notes:
        console.print(_hanging("", note, 0), width=width)
    room = max([4, *(len(number) for number, _ in sheet.footnotes)])
    for number, sentence in sheet.footnotes:
        console.print(_hanging(number, sentence, room), width=width)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines()) + "\n"


def _grid(block: Block, widths: list[int]) -> Any:
    from rich import box
    from rich.table import Table as Grid

    grid = Grid(box=box.ROUNDED, header_style="bold", border_style="dim", padding=(0, 1))
    for heading, right, room in zip(block.headings, block.right, widths, strict=True):
        grid.add_column(heading, justify="right" if right else "left", width=room)
    for number, row in enumerate(block.rows):
        grid.add_row(*map(_rich, row), end_section=number in block.rules)
    return grid


def _widths(block: Block, width: int) -> list[int]:
    """Share ``width`` among the columns: what they need, less where it costs fewest lines, never less than a word."""
    columns = [
        [(block.headings[number], ""), *((row[number].main, row[number].detail) for row in block.rows)]
        for number in range(len(block.headings))
    ]
    words = [[word for cell in column for part in cell for word in part.split()] for column in columns]
    least = [max(map(len, column), default=1) for column in words]
    widths = [max(len(part) for cell in column for part in cell) for column in columns]
    while _box_width(widths) > width and widths != least:
        shrinkable = [number for number, room in enumerate(widths) if room > least[number]]
        fewer = {number: [room - (place == number) for place, room in enumerate(widths)] for number in shrinkable}
        # Of columns that cost the same, the one with most to spare gives.
        best = min(shrinkable, key=lambda number: (_height(columns, fewer[number]), least[number] - widths[number]))
        widths = fewer[best]
    return widths


def _height(columns: list[list[tuple[str, str]]], widths: list[int]) -> int:
    """Return the lines of a box whose columns, given as (value, detail) cells, are so wide."""
    lines = [
        [_lines(cell[0], room) + _lines(cell[1], room) for cell in column]
        for column, room in zip(columns, widths, strict=True)
    ]
    return sum(map(max, zip(*lines, strict=True)))


@functools.cache
def _lines(text: str, width: int) -> int:
    return len(textwrap.wrap(text, width, break_on_hyphens=False))


def _box_width(widths: list[int]) -> int:
    return sum(widths) + 3 * len(widths) + 1  # two blanks and a border a column, and the first border


def _rich(cell: Text) -> Any:
    from rich.text import Text as Rich

    text = Rich(cell.main, style=_STYLES[cell.tone])
    return text.append(f"\n{cell.detail}", style="not bold dim") if cell.detail else text


def _hanging(mark: str, sentence: str, room: int) -> Any:
    from rich.table import Table as Grid
    from rich.text import Text as Rich

    grid = Grid.grid(padding=(0, 1))
    if mark:
        grid.add_column(width=room)
        grid.add_column()
        grid.add_row(Rich(mark, style="bold"), Rich(sentence, style="dim"))
    else:
        grid.add_row(Rich(sentence, style="dim"))
    return grid
