"""Questions to the heads of trained networks of the [Re] report: the numbers beside figures of attention maps.

A figure of ``attnrepro plot-attention`` writes them, a record per head and layer (``figures/maps/quantities.py``). The
report shows maps and prints no numbers, so each limit is ours and named. The heads of a run give one number, and runs
are what is tested over: heads of one network are no independent draws.
"""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, median

from paper_tables.claims.claim import Part
from paper_tables.claims.evidence import Evidence, Head
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.tested import Limit, hold_against
from reproduce.recipes.registry import ENTRIES

Measure = Callable[[Sequence[Head]], float]
_ONE_IMAGE = "the figure was drawn from a single image"


def heads(row: str, kind: str, label: str, measure: Measure, columns: tuple[str, ...], limit: Limit) -> Part:
    """Return the part that a number of the heads of each of ``row``'s networks keeps to ``limit``.

    ``columns`` are those that ``measure`` reads; of several epochs in a figure the last counts.
    """

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.maps(row, kind, ("layer", *columns))
        if isinstance(found, Missing):
            return found
        values = []
        for records in found.runs:
            last = max(record.get("epoch", 0.0) for record in records)
            kept = [record for record in records if record.get("epoch", 0.0) == last]
            empty = [name for name in columns if any(math.isnan(record[name]) for record in kept)]
            if empty:
                lacking = _ONE_IMAGE if empty[0] == "image_variance" else f"a figure has no '{empty[0]}' of some head"
                return Missing(lacking, _again(row, kind))
            values.append(measure(kept))
        if not all(map(math.isfinite, values)):
            return Missing(f"{limit.test}: nothing to divide by, heads of the earlier layers are all equal")
        outcome = hold_against(values, limit, found.basis, found.obstacles)
        return Outcome(**{**vars(outcome), "commands": found.commands})

    return Part(label=f"{row}: {label}", examine=examine, rows=(row,), random=True)


def share(records: Sequence[Head], test: Callable[[Head], bool]) -> float:
    """Return the share of heads that ``test`` says yes to."""
    return sum(map(test, records)) / len(records)


def late(records: Sequence[Head], layers: int = 2) -> tuple[list[Head], list[Head]]:
    """Return the heads of the earlier layers and of the last ``layers``; of all layers where there are no earlier."""
    deepest = max(record["layer"] for record in records)
    after = [record for record in records if record["layer"] > deepest - layers]
    return [record for record in records if record["layer"] <= deepest - layers] or after, after


def rank_correlation(records: Sequence[Head], name: str) -> float:
    """Return Spearman's correlation of ``name`` with the layer over all heads."""
    from scipy import stats

    if 1 in (len({record[key] for record in records}) for key in (name, "layer")):
        return 0.0  # nothing changes from layer to layer
    return float(stats.spearmanr([r["layer"] for r in records], [r[name] for r in records]).statistic)


def tokens(row: str) -> int:
    """Return the number of positions that a head of the paper-scale row distributes its weight over."""
    model = ENTRIES[row].recipe.model
    return (model.image_size // getattr(model, "patch", 1)) ** 2


def _again(row: str, kind: str) -> tuple[str, ...]:
    flags = {"query": "--query-pixel --images 50", "average": "--average --images 50", "centers": "--centers"}
    return (f"attnrepro plot-attention {row} {flags[kind]}",)


def of_heads(value: float, test: str, row: str = "learned") -> Limit:
    """Return a limit for a share of the heads, which come one by one."""
    model = ENTRIES[row].recipe.model
    return Limit(value, "of heads", test, step=1 / (getattr(model, "heads", 1) * getattr(model, "depth", 1)))


def localised(records: Sequence[Head]) -> float:
    """Return the share of heads that hold half of their mass within a pixel: a deviation of at most 0.85."""
    return share(records, lambda head: head["sigma_long"] <= 0.85)


def grid(records: Sequence[Head]) -> float:
    """Return how many different pixels lie under the centres of a layer, the median over layers."""
    return median({record["layer"]: record["layer_distinct_pixels"] for record in records}.values())


def elongation(records: Sequence[Head]) -> float:
    """Return how much larger the share of long heads (condition above 3) is in the last two layers."""
    before, after = (share(part, lambda head: head["condition"] > 3) for part in late(records))
    return after - before


def rarer(one: Callable[[Head], bool], other: Callable[[Head], bool]) -> Measure:
    """Return the measure of how rare the rarer of two kinds of head is: the smaller share."""
    return lambda records: min(share(records, one), share(records, other))


def relative_deviation(head: Head) -> float:
    """Return the deviation over images relative to a uniform weight."""
    return tokens("learned-content") * math.sqrt(head["image_variance"])


def most_variance(records: Sequence[Head]) -> float:
    """Return the largest variance over images of any head."""
    return max(record["image_variance"] for record in records)


def late_spread(records: Sequence[Head]) -> float:
    """Return how much the heads of a layer differ in the last two layers, over the layers before."""
    before, after = (fmean(head["head_spread"] for head in part) for part in late(records))
    return after / before if before else math.inf


def least_divergence(records: Sequence[Head]) -> float:
    """Return the divergence to the other layers of the layer that differs least."""
    return min(record["layer_divergence"] for record in records)


def grows(row: str, kind: str, label: str, name: str) -> Part:
    """Return the part that a quantity of heads grows with depth: a rank correlation with the layer above 0.2."""
    limit = Limit(0.2, "rho", "Spearman with the layer > 0.2")
    return heads(row, kind, label, lambda records: rank_correlation(records, name), (name,), limit)


def lies_on_grid(row: str) -> tuple[Part, Part]:
    """Return the parts that heads look at single pixels, and at seven or more different ones per layer."""
    pixel = heads(row, "centers", "half of the heads on one pixel", localised, ("sigma_long",),
                  of_heads(0.5, "share with sigma <= 0.85 is at least half", row))  # fmt: skip
    count = Limit(7, "pixels", "median count of pixels under centres is at least 7", step=1)
    return pixel, heads(row, "centers", "seven or more pixels per layer", grid, ("layer_distinct_pixels",), count)


def late_heads(row: str, say_something: bool) -> Part:
    """Return the part that heads of the last two layers differ from each other, or are alike."""
    label = "late heads differ" if say_something else "late heads are alike"
    test = f"spread of heads, last two layers over others, {'>=' if say_something else '<='} 0.5"
    limit = Limit(0.5, "x", test, reached=say_something)
    return heads(row, "query", label, late_spread, ("head_spread",), limit)


def late_support(records: Sequence[Head]) -> float:
    """Return how many pixels a head of the last two layers as good as looks at, in the mean."""
    return fmean(head["support"] for head in late(records)[1])


def strips_and_patches(records: Sequence[Head]) -> float:
    """Return the share of the rarer kind: one pixel wide and three times as long, or four wide."""
    strip = share(records, lambda head: head["sigma_short"] <= 0.85 and head["condition"] > 9)
    return min(strip, share(records, lambda head: head["sigma_short"] >= 4))
