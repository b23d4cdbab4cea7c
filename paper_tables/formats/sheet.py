"""A sheet: headings and cells of plain text, the same for every format that people read."""

from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "good", "bad", "unsure", "faint", "strong"]
DASH = "-"


@dataclass(frozen=True)
class Text:
    """One cell: the value, a detail beneath or beside it, and how it is to be coloured."""

    main: str
    detail: str = ""
    tone: Tone = ""


@dataclass(frozen=True)
class Block:
    """Headings over rows of cells; ``right`` tells which columns hold numbers, ``rules`` after which rows to part."""

    headings: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[Text, ...], ...]
    rules: frozenset[int] = frozenset()
    title: str = ""


@dataclass(frozen=True)
class Sheet:
    """A whole table, ready for a format: identity line, blocks, notes, footnotes and commands."""

    title: str
    identity: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]
    footnotes: tuple[tuple[str, str], ...]  # number, sentence
    commands: tuple[tuple[str, str], ...]  # row, command; of the rows that were not run
