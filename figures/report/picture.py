"""A figure of the report: what it shows in words, how it is drawn, and the digest of the numbers in it.

The digest is of the numbers, so that a report can be checked without drawing anything.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures.report.seal import digest, find_damage, seal
from figures.style import render
from paper_tables.measured import MEASURED
from reproduce.record.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = MEASURED / "figures"
COMMAND = "make report"  # `table` and `plot-curves` show the runs of whoever calls them, these the committed ones


@dataclass(frozen=True)
class Picture:
    """One figure: file name, caption, a description for those who cannot see it, and how it is made.

    ``digest`` is of the numbers in a figure that is drawn here, of the file itself where it is a committed one.
    """

    name: str
    caption: str
    alt: str
    command: str
    digest: str
    make: "Callable[[], Figure] | None"  # None: a committed file
    stated: str = ""  # of a committed file: the digest that captions.csv gives
    narrow: bool = False  # drawn for the width of a phone

    def draw(self, folder: Path) -> Path:
        """Put the figure into ``folder``, sealed, and return its path; a committed one stays where it is."""
        if self.make is None:
            return FOLDER / self.name
        path = folder / self.name
        write_whole(path, seal(render(self.make(), "svg"), self.digest))
        return path

    def find_damage(self) -> str | None:
        """Return what is wrong with the file of this figure in the checkout; None where it is the one to show."""
        path = FOLDER / self.name
        if not path.is_file():
            return "it is missing"
        if self.make is not None:
            return find_damage(path.read_bytes(), self.digest)
        if not self.stated:
            return f"captions.csv does not state its sha256 ({self.digest})"
        return None if self.stated == self.digest else "it is not the file that captions.csv describes"


def digest_numbers(numbers: Any) -> str:
    """Return the digest of what is drawn; numbers to nine digits, as libraries may differ in the last."""

    def plain(value: Any) -> Any:
        return f"{value:.9g}" if isinstance(value, float) else str(value)

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: walk(child) for key, child in node.items()}
        return [walk(child) for child in node] if isinstance(node, list | tuple) else plain(node)

    return digest(json.dumps(walk(numbers), sort_keys=True).encode())
