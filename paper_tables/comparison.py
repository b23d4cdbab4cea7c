"""Every row of a table against one of them: difference, corrected tests, equivalence, spread, what would have shown.

The tests that the gates report's claims call for: Welch with Holm's correction over the rows,
two one-sided tests at 1 and 2 points, Brown and Forsythe on the spreads, a bootstrap interval, ranks, and the least
difference that so many runs would show. From the published means and deviations as from runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paper_tables.published import Value
from reproduce.stats import two_samples
from reproduce.stats.intervals import Interval
from reproduce.stats.two_samples import Contrast, Sample

MARGINS = (0.01, 0.02)  # points within which two networks count as the same


@dataclass(frozen=True)
class Comparison:
    """One row against the table's plain one; p values are None where the runs allow no test.

    ``covers`` in ``contrast`` says which uncertainty is in it; ``corrected`` is Holm's over all rows compared.
    """

    row: str
    contrast: Contrast
    corrected: float | None
    equivalent: Mapping[float, float | None]  # margin -> p of being within it, None where the data lie beyond
    spread: float | None
    ranks: float | None
    bootstrap: Interval | None


def compare_published(values: Mapping[tuple[str, str], Value], rows: Sequence[str], plain: str) -> list[Comparison]:
    """Return each row's published accuracy against that of ``plain``: means, sample deviations and numbers of runs."""
    samples = {
        row: Sample.printed(value.value, value.deviation, value.n)
        for row in rows
        if (value := values.get((row, "top1"))) is not None
    }
    return _compare(samples, plain)


def compare_runs(
    runs: Mapping[str, tuple[float, ...]], trials: int | None, rows: Sequence[str], plain: str
) -> list[Comparison]:
    """Return each row's runs against those of ``plain``; ``trials`` test images are behind each."""
    return _compare({row: Sample.of(runs[row], trials) for row in rows if runs.get(row)}, plain)


def _compare(samples: Mapping[str, Sample], plain: str) -> list[Comparison]:
    if plain not in samples:
        return []
    base = samples[plain]
    others = {row: sample for row, sample in samples.items() if row != plain}
    found = {row: two_samples.contrast(sample, base) for row, sample in others.items()}
    tested = {row: each.p_value for row, each in found.items() if each.p_value is not None}
    corrected = dict(zip(tested, two_samples.holm(list(tested.values())), strict=True))
    return [
        Comparison(
            row=row,
            contrast=found[row],
            corrected=corrected.get(row),
            equivalent={margin: _within(sample, base, margin) for margin in MARGINS},
            spread=two_samples.same_spread(sample.values, base.values),
            ranks=two_samples.same_ranks(sample, base),
            bootstrap=two_samples.resample(sample, base),
        )
        for row, sample in others.items()
    ]


def _within(first: Sample, second: Sample, margin: float) -> float | None:
    if abs(first.mean - second.mean) >= margin:
        return None
    return two_samples.equivalence(first, second, margin).p_value
