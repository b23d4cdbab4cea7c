"""Rows of a table against each other: pairs of a plain and a changed form, and every row against one. No torch.

Arms("top1_best", selection.choices, plan).pair(rows, "vit", "vit-ha").gain.mean      # of our runs
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from paper_tables.comparison import Comparison, compare_runs
from paper_tables.selection import LATENCY, Choice
from paper_tables.table import Pair, Row
from reproduce.recipes.recipe import Recipe
from reproduce.stats.intervals import Interval, summarise
from reproduce.stats.two_samples import Sample, contrast


@dataclass(frozen=True)
class Arms:
    """The runs of a table's rows, of which those of one scale and, for costs, one device may be compared."""

    headline: str
    choices: Mapping[str, Choice]
    plan: Mapping[str, Recipe]

    def pair(self, rows: Sequence[Row], plain: str, changed: str) -> Pair:
        """Return the gain and the ratios of a pair, published and ours."""
        found = {row.row: row for row in rows}
        one, two = found[plain], found[changed]
        before, after = _printed(one, "top1"), _printed(two, "top1")
        gain, wall = self._measure(plain, changed)
        return Pair(
            plain=plain,
            changed=changed,
            gain_published=None if before is None or after is None else after - before,
            gain=gain,
            params_published=_ratio(_printed(one, "params"), _printed(two, "params")),
            params=_ratio(one.params, two.params),
            macs=_ratio(one.macs, two.macs),
            wall_published=_ratio(_printed(one, "wall_ms"), _printed(two, "wall_ms")),
            wall=wall,
        )

    def compare(self, rows: Sequence[str], plain: str) -> list[Comparison]:
        """Return the tests of each row's runs against those of ``plain``, where all are of one scale."""
        choices = {row: self.choices[row] for row in rows if row in self.choices}
        if len({choice.identity.scale for choice in choices.values()}) != 1 or plain not in choices:
            return []
        runs = {row: choice.values.get(self.headline, ()) for row, choice in choices.items()}
        return compare_runs(runs, choices[plain].trials(self.plan.get(plain)), rows, plain)

    def _measure(self, plain: str, changed: str) -> tuple[Interval | None, float | None]:
        """Return the gain of ``changed`` and its speed-up; nothing where the two rows' runs are not of one kind."""
        one, two = self.choices.get(plain), self.choices.get(changed)
        if one is None or two is None or one.identity.scale != two.identity.scale:
            return None, None
        gain = wall = None
        if self.headline in one.values and self.headline in two.values:
            gain = _cut(contrast(self._sample(changed), self._sample(plain)).interval)
        if LATENCY in one.values and LATENCY in two.values and one.device == two.device:
            wall = summarise(one.values[LATENCY]).mean / summarise(two.values[LATENCY]).mean
        return gain, wall

    def _sample(self, row: str) -> Sample:
        choice = self.choices[row]
        return Sample.of(choice.values[self.headline], choice.trials(self.plan.get(row)))


def _cut(found: Interval) -> Interval:
    """Return the interval of a difference of two shares, which is between -1 and 1."""
    if found.low is None or found.high is None:
        return found
    return replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))


def _ratio(first: float | None, second: float | None) -> float | None:
    return first / second if first and second else None


def _printed(row: Row, metric: str) -> float | None:
    return row.published[metric].value if metric in row.published else None
