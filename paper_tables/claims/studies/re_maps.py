"""Claims of the [Re] report on attention maps: C05-C09, C13, C18, C19, C24, C29, C31, C33.

They are judged by the numbers beside the figures: see ``re_heads.py``.
"""

from paper_tables.claims.claim import Claim
from paper_tables.claims.studies.re_heads import (
    elongation,
    grows,
    heads,
    late_heads,
    late_support,
    least_divergence,
    lies_on_grid,
    most_variance,
    of_heads,
    rarer,
    relative_deviation,
    share,
    strips_and_patches,
)
from paper_tables.claims.tested import Limit

_FIGURE = "trained networks' maps, several seeds"
CLAIMS = (
    Claim(
        id="C05",
        statement="Quadratic heads end up on single pixels that form a grid around the query.",
        source="[Re] section 3.2.1, lines 119-121, Figure 2",
        needs=f"{_FIGURE}: centres",
        parts=(*lies_on_grid("quadratic"), *lies_on_grid("quadratic-aniso")),
    ),
    Claim(
        id="C06",
        statement="Early layers look near the query, deeper ones farther away.",
        source="[Re] sections 3.2.1 (lines 121-123) and 4.4 (lines 233-234)",
        needs=f"{_FIGURE}: centres and query maps",
        parts=(
            grows("quadratic", "centers", "centres move out", "distance"),
            *(
                grows(row, "query", "attended distance grows", "attended_distance")
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
                elongation,
                ("condition",),
                of_heads(0.0, "share with condition > 3, last two layers minus others, above 0"),
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
                rarer(lambda head: head["largest"] >= 0.5, lambda head: head["support"] >= 16),
                ("largest", "support"),
                of_heads(0.1, "rarer kind at least a tenth: largest weight >= 0.5, support >= 16 pixels"),
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
                rarer(lambda head: relative_deviation(head) < 0.1, lambda head: relative_deviation(head) > 0.5),
                ("image_variance",),
                of_heads(0.1, "rarer kind at least a tenth: deviation over images < 0.1 and > 0.5 of a uniform weight"),
            ),
        ),
    ),
    Claim(
        id="C13",
        statement="The last two layers say little in normal attention, and more in hierarchical attention.",
        source="[Re] sections 3.4.2 (lines 177-178) and 4.4 (lines 234-235)",
        needs=f"{_FIGURE}: query pixel",
        parts=(
            late_heads("learned-content", say_something=False),
            late_heads("learned-content-16h", say_something=False),
            late_heads("learned-content-ha", say_something=True),
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
                least_divergence,
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
                of_heads(0.5, "share with > 0.5 of the weight on one shift is at least half"),
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
                most_variance,
                ("image_variance",),
                Limit(1e-9, "variance", "largest variance over images <= 1e-9", reached=False),
            ),
            heads(
                "learned-content",
                "average",
                "changes with the image",
                most_variance,
                ("image_variance",),
                Limit(1e-9, "variance", "largest variance over images > 1e-9"),
            ),
        ),
    ),
    Claim(
        id="C29",
        statement="Some Gaussian heads look at a thin strip of pixels, others uniformly at a large patch.",
        source="[Re] section 3.4.2, lines 178-180, Figure 2",
        needs=f"{_FIGURE}: centres",
        parts=(
            heads(
                "quadratic-aniso",
                "centers",
                "both kinds of head",
                strips_and_patches,
                ("sigma_short", "condition"),
                of_heads(1 / 54, "rarer kind at least one head: one pixel wide and 3 times as long; 4 pixels wide"),
            ),
        ),
        note="Widths are standard deviations in pixels of the 16x16 map; a strip needs the non-isotropic form.",
    ),
    Claim(
        id="C31",
        statement="Late heads are sparse in normal attention and no longer in hierarchical attention.",
        source="[Re] sections 3.4.2 (lines 177-178) and 4.4 (lines 234-235), Figures 3b and 8b",
        needs=f"{_FIGURE}: query pixel",
        parts=tuple(
            heads(
                row,
                "query",
                f"the last two layers see {'' if wide else 'less than '}16 pixels{' or more' if wide else ''}",
                late_support,
                ("support",),
                Limit(16, "pixels", f"mean support, last two layers, {'>=' if wide else '<='} 16", reached=wide),
            )
            for row, wide in (("learned-content", False), ("learned-content-ha", True))
        ),
        note="Support is exp(entropy), the number of pixels that a head as good as looks at; 16 of 256 is our limit.",
    ),
    Claim(
        id="C33",
        statement="Every layer attends to another pattern even where there are more layers than needed.",
        source="[Re] section 4.4, lines 246-247",
        needs="maps of trained networks with twice the layers, several seeds",
        parts=(
            heads(
                "learned-content-ha model.depth=12",
                "query",
                "layers differ",
                least_divergence,
                ("layer_divergence",),
                Limit(0.05, "bits", "least mean divergence to other layers > 0.05 bits"),
            ),
        ),
        note="Twelve layers are our choice of more than necessary; C18 asks the same of the report's six.",
    ),
)
