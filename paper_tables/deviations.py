"""The numbered deviations of ``deviations.md``, read so that tables can show them as footnotes.

footnotes("hierarchical", "learned-content", "described")[0].number      # "B1"
"""

import fnmatch
import functools
import re
from dataclasses import dataclass
from pathlib import Path

from reproduce.errors import UserError
from reproduce.recipes.registry import find_entry, find_table

PATH = Path(__file__).parent / "deviations.md"
_HEADING = re.compile(r"### ([A-Z]\d+) (.+)")
_STUDY = re.compile(r"# Study (\S+)")
_FIELDS = ("Rows", "Switch", "Tables", "Variants", "Contradicts")


@dataclass(frozen=True)
class Deviation:
    """One entry: its number, its sentence, the rows it concerns and the switches that show it.

    ``contradicts`` says that something which the text states is not so, by its own tables or by what was run.
    """

    number: str
    study: str
    title: str
    rows: tuple[str, ...]
    switches: tuple[str, ...]
    tables: tuple[str, ...]
    variants: tuple[str, ...]
    body: str
    contradicts: bool = False

    def concerns(self, row: str) -> bool:
        """Return whether the entry is about ``row``, one of its study: a pattern fits, and none with a ``!`` does."""
        if find_table(find_entry(row).recipe.table).study != self.study:
            return False
        fits = [pattern for pattern in self.rows if pattern == "all" or fnmatch.fnmatchcase(row, pattern.lstrip("!"))]
        return bool(fits) and not any(pattern.startswith("!") for pattern in fits)

    def shown_in(self, table: str, variant: str) -> bool:
        """Return whether the entry is a footnote of ``table`` when it shows ``variant``."""
        return all("all" in known or name in known for name, known in ((table, self.tables), (variant, self.variants)))


@functools.cache
def read(path: Path = PATH) -> tuple[Deviation, ...]:
    """Return all entries in the order of the file; raises UserError that names the line of a damaged one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error})", "restore the file from the repository") from None
    starts = [number for number, line in enumerate(lines) if line.startswith("### ")]
    ends = [next((n for n in range(start + 1, len(lines)) if lines[n].startswith("#")), len(lines)) for start in starts]
    studies = [_study(lines[:start]) for start in starts]
    parts = zip(starts, ends, studies, strict=True)
    entries = tuple(_entry(path, start, study, lines[start:end]) for start, end, study in parts)
    numbers = [entry.number for entry in entries]
    repeated = {number for number in numbers if numbers.count(number) > 1}
    if repeated:
        raise UserError(f"{path} has two entries called {min(repeated)}", "give each its own number")
    return entries


def footnotes(table: str, row: str, variant: str) -> list[Deviation]:
    """Return the entries that ``table`` shows under ``row`` when it shows ``variant``."""
    return [entry for entry in read() if entry.concerns(row) and entry.shown_in(table, variant)]


def _study(before: list[str]) -> str:
    """Return the study whose heading stands last among the lines ``before`` an entry."""
    return next((found[1] for line in reversed(before) if (found := _STUDY.fullmatch(line))), "")


def _entry(path: Path, start: int, study: str, lines: list[str]) -> Deviation:
    heading = _HEADING.fullmatch(lines[0])
    fields = _fields(lines[1]) if len(lines) > 1 else {}
    if heading is None or not {"Rows", "Switch"} <= set(fields) <= set(_FIELDS):
        raise UserError(
            f"{path}, line {start + 1}: the entry needs '### D1 Sentence' and below it 'Rows: ...; Switch: ...'",
            f"the second line takes {', '.join(_FIELDS)}",
        )
    return Deviation(
        number=heading[1],
        study=study,
        title=heading[2],
        rows=_words(fields["Rows"]),
        switches=_words(fields["Switch"]),
        tables=_words(fields.get("Tables", "all")),
        variants=_words(fields.get("Variants", "all")),
        body="\n".join(lines[2:]).strip(),
        contradicts=fields.get("Contradicts") == "text",
    )


def _fields(line: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in line.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _words(text: str) -> tuple[str, ...]:
    words = tuple(text.replace(",", " ").split())
    return () if words == ("none",) else words
