"""Claims of the [Re] report on attention maps: C05-C09, C13, C18, C19, C24, from the numbers beside the figures.

A figure of ``attnrepro plot-attention`` writes them, a record a head and layer (``figures/maps/quantities.py``). The
report shows maps and prints no numbers, so each limit is ours and named. The heads of a run give one number, and runs
are what is tested over: heads of one network are no independent draws.
"""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, median

from paper_tables.claims.claim import Claim, Part
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

    return Part(label=f"{row}: {label}", examine=examine, rows=(row,))


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


def _of_heads(value: float, test: str, row: str = "learned") -> Limit:
    """Return a limit for a share of the heads, which come one by one."""
    model = ENTRIES[row].recipe.model
    return Limit(value, "of heads", test, step=1 / (getattr(model, "heads", 1) * getattr(model, "depth", 1)))


def _localised(records: Sequence[Head]) -> float:
    return share(records, lambda head: head["sigma_long"] <= 0.85)  # half of its mass within one pixel


def _grid(records: Sequence[Head]) -> float:
    return median({record["layer"]: record["layer_distinct_pixels"] for record in records}.values())


def _elongation(records: Sequence[Head]) -> float:
    before, after = (share(part, lambda head: head["condition"] > 3) for part in late(records))
    return after - before


def _rarer(one: Callable[[Head], bool], other: Callable[[Head], bool]) -> Measure:
    return lambda records: min(share(records, one), share(records, other))


def _deviation(head: Head) -> float:
    """Return the deviation over images relative to a uniform weight."""
    return tokens("learned-content") * math.sqrt(head["image_variance"])


def _most_variance(records: Sequence[Head]) -> float:
    return max(record["image_variance"] for record in records)


def _late_spread(records: Sequence[Head]) -> float:
    before, after = (fmean(head["head_spread"] for head in part) for part in late(records))
    return after / before if before else math.inf


def _least_divergence(records: Sequence[Head]) -> float:
    return min(record["layer_divergence"] for record in records)


def _grows(row: str, kind: str, label: str, name: str) -> Part:
    limit = Limit(0.2, "rho", "Spearman with the layer > 0.2")
    return heads(row, kind, label, lambda records: rank_correlation(records, name), (name,), limit)


def _lies_on_grid(row: str) -> tuple[Part, Part]:
    pixel = heads(row, "centers", "half of the heads on one pixel", _localised, ("sigma_long",),
                  _of_heads(0.5, "share with sigma <= 0.85 is at least half", row))  # fmt: skip
    count = Limit(7, "pixels", "median count of pixels under centres is at least 7", step=1)
    return pixel, heads(row, "centers", "seven or more pixels a layer", _grid, ("layer_distinct_pixels",), count)


def _late_heads(row: str, say_something: bool) -> Part:
    label = "late heads differ" if say_something else "late heads are alike"
    test = f"spread of heads, last two layers over others, {'>=' if say_something else '<='} 0.5"
    limit = Limit(0.5, "x", test, reached=say_something)
    return heads(row, "query", label, _late_spread, ("head_spread",), limit)


_FIGURE = "trained networks' maps, several seeds"
CLAIMS = (
    Claim(
        id="C05",
        statement="Quadratic heads end up on single pixels that form a grid around the query.",
        source="[Re] section 3.2.1, lines 119-121, Figure 2",
        needs=f"{_FIGURE}: centres",
        parts=(*_lies_on_grid("quadratic"), *_lies_on_grid("quadratic-aniso")),
    ),
    Claim(
        id="C06",
        statement="Early layers look near the query, deeper ones farther away.",
        source="[Re] sections 3.2.1 (lines 121-123) and 4.4 (lines 233-234)",
        needs=f"{_FIGURE}: centres and query maps",
        parts=(
            _grows("quadratic", "centers", "centres move out", "distance"),
            *(
                _grows(row, "query", "attended distance grows", "attended_distance")
                for row in ("learned", "learned-content-ha")
            ),
        ),
    ),
    Claim(
        id="C07",
        statement="Non-isotropic heads take elongated shapes, mostly in the last layers.",
        source="[Re] section 3.2.1, lines 123-124, Figure 2b",
        needs=f"{_FIGURE}: centres",
        parts=(
            heads(
                "quadratic-aniso",
                "centers",
                "late heads are longer",
                _elongation,
                ("condition",),
                _of_heads(0.0, "share with condition > 3, last two layers minus others, above 0"),
            ),
        ),
    ),
    Claim(
        id="C08",
        statement="Without content some heads look at one pixel, others at wide patterns.",
        source="[Re] section 3.2.2, lines 132-133, Figure 3a",
        needs=f"{_FIGURE}: query pixel",
        parts=(
            heads(
                "learned",
                "query",
                "both kinds of head",
                _rarer(lambda head: head["largest"] >= 0.5, lambda head: head["support"] >= 16),
                ("largest", "support"),
                _of_heads(0.1, "rarer kind at least a tenth: largest weight >= 0.5, support >= 16 pixels"),
            ),
        ),
    ),
    Claim(
        id="C09",
        statement="With content some heads go by position, others by what the image shows.",
        source="[Re] section 3.2.2, lines 136-137, Figure 3b",
        needs=f"{_FIGURE}: query pixel over 50 images",
        parts=(
            heads(
                "learned-content",
                "query",
                "both kinds of head",
                _rarer(lambda head: _deviation(head) < 0.1, lambda head: _deviation(head) > 0.5),
                ("image_variance",),
                _of_heads(
                    0.1, "rarer kind at least a tenth: deviation over images < 0.1 and > 0.5 of a uniform weight"
                ),
            ),
        ),
    ),
    Claim(
        id="C13",
        statement="The last two layers say little in normal attention, and more in hierarchical attention.",
        source="[Re] sections 3.4.2 (lines 177-178) and 4.4 (lines 234-235)",
        needs=f"{_FIGURE}: query pixel",
        parts=(
            _late_heads("learned-content", say_something=False),
            _late_heads("learned-content-16h", say_something=False),
            _late_heads("learned-content-ha", say_something=True),
        ),
    ),
    Claim(
        id="C18",
        statement="Every layer of a hierarchical network attends to another pattern.",
        source="[Re] section 4.4, lines 246-249",
        needs=f"{_FIGURE}: query pixel",
        parts=(
            heads(
                "learned-content-ha",
                "query",
                "layers differ",
                _least_divergence,
                ("layer_divergence",),
                Limit(0.05, "bits", "least mean divergence to other layers > 0.05 bits"),
            ),
        ),
    ),
    Claim(
        id="C19",
        statement="Hierarchical heads attend to single pixels at a fixed shift from the query, as a convolution does.",
        source="[Re] section 4.4, lines 231-233, Figure 8a",
        needs=f"{_FIGURE}: query pixel",
        parts=(
            heads(
                "learned-content-ha",
                "query",
                "half of the heads on one shift",
                lambda records: share(records, lambda head: head["top_offset_share"] > 0.5),
                ("top_offset_share",),
                _of_heads(0.5, "share with > 0.5 of the weight on one shift is at least half"),
            ),
        ),
    ),
    Claim(
        id="C24",
        statement="Average attention shows positions alone without content, and positions and content with it.",
        source="[Re] section 3.2.2, lines 149-151, Figure 5",
        needs=f"{_FIGURE}: average attention over 50 images",
        parts=(
            heads(
                "learned",
                "average",
                "the same for every image",
                _most_variance,
                ("image_variance",),
                Limit(1e-9, "variance", "largest variance over images <= 1e-9", reached=False),
            ),
            heads(
                "learned-content",
                "average",
                "changes with the image",
                _most_variance,
                ("image_variance",),
                Limit(1e-9, "variance", "largest variance over images > 1e-9"),
            ),
        ),
    ),
)
