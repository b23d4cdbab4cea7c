"""The first page as data: the answer, and where every study stands.

summary = summarise(chapters, deviations.read(), runs)
summary.headline        # No published accuracy has been confirmed or refuted: ...
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from figures.report.chapter import Chapter
from figures.report.summary.answer import answer
from figures.report.summary.speeds import read_speeds
from figures.report.summary.standing import Standing, stand
from paper_tables.deviations import Deviation

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Summary:
    """The sentence that matters most, the paragraph after it, and each study's standing."""

    headline: str
    paragraph: str
    standings: tuple[Standing, ...]


def summarise(chapters: Sequence[Chapter], deviations: Sequence[Deviation], runs: "pd.DataFrame") -> Summary:
    """Return the first page of the report on ``runs``, judged in ``chapters``."""
    speeds = read_speeds(runs)
    standings = tuple(stand(chapter, deviations, speeds) for chapter in chapters)
    return Summary(*answer(chapters, standings, runs), standings)
