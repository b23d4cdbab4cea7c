"""Claims of the [Re] report on attention maps: C05-C09, C13, C18, C19, C24, from the numbers beside the figures.

A figure of ``attnrepro plot-attention`` writes them, a record a head and layer; ``figures/quantities.py`` defines them.
The report shows maps and prints no numbers, so each threshold is ours and named. They speak of one trained network.
"""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, median

from paper_tables.claims.checks import fact
from paper_tables.claims.claim import Claim, Missing, Outcome, Part
from paper_tables.claims.evidence import Evidence
from reproduce.recipes import ENTRIES

Head = dict[str, float]
Answer = tuple[bool, float, str]  # holds, effect, its unit


def heads(row: str, kind: str, label: str, judge: Callable[[Sequence[Head]], Answer], test: str) -> Part:
    """Return the part that ``judge`` says yes to the heads of ``row``; of several epochs the last counts."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        found = evidence.quantities(row, kind)
        if isinstance(found, Missing):
            return found
        records, basis, obstacles = found
        last = max(record.get("epoch", 0.0) for record in records)
        holds, effect, unit = judge([record for record in records if record.get("epoch", 0.0) == last])
        if math.isnan(effect):
            return Missing(
                "the figure was drawn from a single image",
                (f"attnrepro plot-attention {row} --query-pixel --images 50",),
            )
        return Outcome(toward="holds" if holds else "fails", effect=effect, unit=unit, test=test, basis=basis,
                       covers="nothing: the heads of one network", obstacles=obstacles)  # fmt: skip

    return fact(f"{row}: {label}", examine, (row,))


def share(records: Sequence[Head], test: Callable[[Head], bool]) -> float:
    """Return the share of heads that ``test`` says yes to."""
    return sum(map(test, records)) / len(records)


def late(records: Sequence[Head], layers: int = 2) -> tuple[list[Head], list[Head]]:
    """Return the heads of the earlier layers and of the last ``layers``."""
    deepest = max(record["layer"] for record in records)
    after = [record for record in records if record["layer"] > deepest - layers]
    return [record for record in records if record["layer"] <= deepest - layers], after


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


def _localised(records: Sequence[Head]) -> Answer:
    found = share(records, lambda head: head["sigma_long"] <= 0.85)  # half of its mass within one pixel
    return found >= 0.5, found, "of heads"


def _grid(records: Sequence[Head]) -> Answer:
    layers = {record["layer"]: record["layer_distinct_pixels"] for record in records}
    found = median(layers.values())
    return found >= 7, found, "pixels"


def _deeper_is_farther(name: str) -> Callable[[Sequence[Head]], Answer]:
    def judge(records: Sequence[Head]) -> Answer:
        found = rank_correlation(records, name)
        return found > 0.2, found, "rho"

    return judge


def _late_shapes(records: Sequence[Head]) -> Answer:
    before, after = (share(part, lambda head: head["condition"] > 3) for part in late(records))
    return after > before, after - before, "of heads"


def _both_kinds(one: Callable[[Head], bool], other: Callable[[Head], bool]) -> Callable[[Sequence[Head]], Answer]:
    def judge(records: Sequence[Head]) -> Answer:
        rarer = min(share(records, one), share(records, other))
        return rarer >= 0.1, rarer, "of heads"

    return judge


def _content_heads(records: Sequence[Head]) -> Answer:
    """Deviation over images relative to a uniform weight: below a tenth is positional, above a half is content."""
    if any(math.isnan(record.get("image_variance", math.nan)) for record in records):
        return False, math.nan, ""
    count = tokens("learned-content")
    return _both_kinds(
        lambda head: count * math.sqrt(head["image_variance"]) < 0.1,
        lambda head: count * math.sqrt(head["image_variance"]) > 0.5,
    )(records)


def _varies(wanted: bool) -> Callable[[Sequence[Head]], Answer]:
    def judge(records: Sequence[Head]) -> Answer:
        most = max(record.get("image_variance", math.nan) for record in records)
        return (most > 1e-9) == wanted, most, "variance"

    return judge


def _late_heads_say(something: bool) -> Callable[[Sequence[Head]], Answer]:
    def judge(records: Sequence[Head]) -> Answer:
        before, after = (fmean(head["head_spread"] for head in part) for part in late(records))
        found = after / before if before else math.inf
        return (found >= 0.5) == something, found, "x"

    return judge


def _layers_differ(records: Sequence[Head]) -> Answer:
    found = min(record["layer_divergence"] for record in records)
    return found > 0.05, found, "bits"


def _shifted_pixels(records: Sequence[Head]) -> Answer:
    found = share(records, lambda head: head["top_offset_share"] > 0.5)
    return found >= 0.5, found, "of heads"


_FIGURE = "a trained network's maps"
CLAIMS = (
    Claim(
        id="C05",
        statement="Quadratic heads end up on single pixels that form a grid around the query.",
        source="[Re] section 3.2.1, lines 119-121, Figure 2",
        needs=f"{_FIGURE}: centres",
        parts=(
            heads("quadratic", "centers", "half of the heads on one pixel", _localised, "share with sigma <= 0.85"),
            heads(
                "quadratic", "centers", "seven or more pixels a layer", _grid, "median count of pixels under centres"
            ),
        ),
    ),
    Claim(
        id="C06",
        statement="Early layers look near the query, deeper ones farther away.",
        source="[Re] sections 3.2.1 (lines 121-123) and 4.4 (lines 233-234)",
        needs=f"{_FIGURE}: centres and query maps",
        parts=(
            heads(
                "quadratic",
                "centers",
                "centres move out",
                _deeper_is_farther("distance"),
                "Spearman with the layer > 0.2",
            ),
            *(
                heads(
                    row, "query", "attended distance grows", _deeper_is_farther("attended_distance"), "Spearman > 0.2"
                )
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
                _late_shapes,
                "share with condition > 3, last two layers minus others",
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
                _both_kinds(lambda head: head["largest"] >= 0.5, lambda head: head["support"] >= 16),
                "rarer kind at least a tenth: largest weight >= 0.5, support >= 16 pixels",
            ),
        ),
    ),
    Claim(
        id="C09",
        statement="With content some heads go by position, others by what the image shows.",
        source="[Re] section 3.2.2, lines 136-137, Figure 3b",
        needs=f"{_FIGURE}: query pixel over 50 images",
        parts=(heads("learned-content", "query", "both kinds of head", _content_heads, "rarer kind at least a tenth"),),
    ),
    Claim(
        id="C13",
        statement="The last two layers say little in normal attention, and more in hierarchical attention.",
        source="[Re] sections 3.4.2 (lines 177-178) and 4.4 (lines 234-235)",
        needs=f"{_FIGURE}: query pixel",
        parts=(
            *(
                heads(
                    row,
                    "query",
                    "late heads are alike",
                    _late_heads_say(False),
                    "spread of heads, last two layers over others, < 0.5",
                )
                for row in ("learned-content", "learned-content-16h")
            ),
            heads("learned-content-ha", "query", "late heads differ", _late_heads_say(True), "the same, >= 0.5"),
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
                _layers_differ,
                "least mean divergence to other layers > 0.05 bits",
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
                _shifted_pixels,
                "share with > 0.5 of the weight on one shift",
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
                "learned", "average", "the same for every image", _varies(False), "largest variance over images <= 1e-9"
            ),
            heads(
                "learned-content",
                "average",
                "changes with the image",
                _varies(True),
                "largest variance over images > 1e-9",
            ),
        ),
    ),
)
