"""Claims of the [Re] report that need no training: C15, C16, C21, C22, C32, C34.

They are answered by counts, closed forms and small sums.
"""

import math
from typing import Any

from paper_tables.claims.claim import Claim, Part
from paper_tables.claims.evidence import Evidence
from paper_tables.claims.outcome import Missing, Outcome
from paper_tables.claims.questions import as_printed, fact, proven, ratio
from paper_tables.claims.studies.re_runs import PAIRS
from paper_tables.claims.tested import side

# Parameters of the built models by row, one number a depth: a test builds each of them and counts again.
FIRST_DEPTH = {"layers": 2, "passes": 1}
DEPTHS: dict[str, tuple[int, ...]] = {
    "learned-content-ha": (4_754_122,) * 11,
    "learned-content-16h-ha": (3_366_298,) * 11,
    "vit-ha": (6_531_946,) * 11,
    "san-pair-ha": (154_606, 220_654, 286_702, 352_750, 418_798, 484_846),
    "san-patch-ha": (158_138, 224_186, 290_234, 356_282, 422_330, 488_378),
}


def _depth_is_free(row: str) -> Part:
    """Return the part that ``row`` has as many parameters with 2 layers (one pass of a SAN) as with 12 (six)."""

    def examine(evidence: Evidence) -> Outcome | Missing:
        if evidence.side == "published":
            return Missing("no sizes by depth are printed")
        growth = max(DEPTHS[row]) - min(DEPTHS[row])
        return Outcome(toward=side(growth == 0), effect=float(growth), unit="parameters",
                       test="largest minus smallest count", basis="counts of built models")  # fmt: skip

    what = "passes" if row.startswith("san") else "layers"
    first = FIRST_DEPTH[what]
    return fact(f"{row}, {first} to {first + len(DEPTHS[row]) - 1} {what}", examine)


def keep_hierarchical(depth: int, tokens: int = 256, width: int = 400, heads: int = 9, inner: int = 512) -> int:
    """Return the numbers that ``depth`` shared layers keep for their backward pass, per image.

    Per layer: queries, values and the context of every head, its map, the two normalised sums and the MLP; the keys
    once, since all layers share them.
    """
    layer = 3 * heads * tokens * width + heads * tokens**2 + tokens * (2 * width + 2 * inner)
    return depth * layer + heads * tokens * width


def _deepen(of: int) -> tuple[bool, float]:
    """Return whether twelve layers need no more than six: of weights (0), of numbers kept (1)."""
    weights = dict(zip(range(FIRST_DEPTH["layers"], 13), DEPTHS["learned-content-ha"], strict=True))
    growth = (weights[12] / weights[6], keep_hierarchical(12) / keep_hierarchical(6))[of]
    return growth <= 1, growth


def turn_image(lacks: bool) -> tuple[bool, float]:
    """Convolve an image and the same turned by 90 degrees: how much of the output is another, turned back or not.

    Returns whether that is what is claimed, and the smaller of both shares of change: rotation invariance is neither.
    """
    import numpy as np
    from scipy.signal import correlate

    random = np.random.default_rng(4)
    image, kernel = random.normal(size=(9, 9)), random.normal(size=(3, 3))
    straight = correlate(image, kernel, mode="valid", method="direct")
    turned = correlate(np.rot90(image), kernel, mode="valid", method="direct")
    size = np.abs(straight).mean()
    changes = [float(np.abs(turned - other).mean() / size) for other in (straight, np.rot90(straight))]
    return (min(changes) > 0.1) == lacks, min(changes)


def _imitates_convolution() -> tuple[bool, float]:
    """Nine heads whose Gaussian score is peaked on one shift each, against a 3x3 convolution inside the map."""
    import numpy as np

    random = np.random.default_rng(0)
    side, channels, filters, sharpness = 8, 5, 4, 20.0
    image = random.normal(size=(side * side, channels))
    kernel = random.normal(size=(3, 3, channels, filters))
    place = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    shift = place[None] - place[:, None]  # key minus query
    out = np.zeros((side * side, filters))
    for row in range(3):
        for column in range(3):
            # the quadratic encoding: -a |shift - centre|^2 is linear in (|shift|^2, shift)
            score = -sharpness * ((shift - (row - 1, column - 1)) ** 2).sum(axis=2)
            out += _softmax(score) @ image @ kernel[row, column]
    grid, wanted = image.reshape(side, side, channels), np.zeros((side - 2, side - 2, filters))
    for row in range(3):
        for column in range(3):
            wanted += grid[row : row + side - 2, column : column + side - 2] @ kernel[row, column]
    error = float(np.abs(out.reshape(side, side, filters)[1:-1, 1:-1] - wanted).max())
    return error < 1e-4, error


def _shuffles(positions: bool) -> float:
    """Return how much the output of shuffled tokens differs from the shuffled output of one attention layer."""
    import numpy as np

    random = np.random.default_rng(1)
    tokens, width = 12, 6
    image, order = random.normal(size=(tokens, width)), random.permutation(tokens)
    queries, keys, values = random.normal(size=(3, width, width))
    code = random.normal(size=(tokens, width)) if positions else np.zeros((tokens, width))

    def attend(x: Any) -> Any:
        seen = x + code
        return _softmax((seen @ queries) @ (seen @ keys).T / math.sqrt(width)) @ x @ values

    return float(np.abs(attend(image[order]) - attend(image)[order]).max())


def _softmax(score: Any) -> Any:
    import numpy as np

    weight = np.exp(score - score.max(axis=-1, keepdims=True))
    return weight / weight.sum(axis=-1, keepdims=True)


CLAIMS = (
    Claim(
        id="C15",
        statement="Hierarchical attention leaves at most about a fifth of the parameters.",
        source="[Re] section 1, line 51, and section 4.4, line 226",
        needs="structure",
        parts=tuple(ratio(plain, changed, 5.0, math.inf) for plain, changed in PAIRS),
        table="hierarchical",
    ),
    Claim(
        id="C15b",
        statement="Hierarchical attention leaves about a fifth of the parameters: between a quarter and a sixth.",
        source="[Re] section 1, line 51, and section 4.4, line 226",
        needs="structure",
        parts=tuple(ratio(plain, changed, 4.0, 6.0) for plain, changed in PAIRS),
        table="hierarchical",
        note="The printed sizes give 1/6.2, 1/10.7, 1/10.4 and 1/5.7 (D4).",
    ),
    Claim(
        id="C15c",
        statement="The sizes of Table 3 are those of the networks that the report's code builds.",
        source="[Re] Table 3, number of parameters",
        needs="structure",
        parts=tuple(as_printed(row) for pair in PAIRS for row in pair),
        table="hierarchical",
        note="Not for content attention, which quotes the original paper (D2), and patchwise SAN (D5).",
    ),
    Claim(
        id="C16",
        statement="The size of a hierarchical model does not depend on its number of layers.",
        source="[Re] section 4.4, lines 243-245",
        needs="structure",
        parts=tuple(map(_depth_is_free, DEPTHS)),
        note="Holds for the attention networks and the ViT; a pass of SAN brings a convolution and a norm of its own.",
    ),
    Claim(
        id="C21",
        statement="Nine heads with quadratic encoding can express any 3x3 convolution.",
        source="[Re] section 2.3, lines 90-92; Cordonnier et al. 2020, Theorem 1",
        needs="computation",
        parts=(
            proven("constructed heads against a convolution", _imitates_convolution, "largest error", "below 1e-4"),
        ),
        note="Inside the map; at its border the softmax has no zero padding to attend to.",
    ),
    Claim(
        id="C22",
        statement="Self-attention without positions only follows a shuffling of its tokens; positions break that.",
        source="[Re] section 2.1, lines 73-77",
        needs="computation",
        parts=(
            proven(
                "without positions",
                lambda: ((e := _shuffles(False)) < 1e-12, e),
                "largest error",
                "equivariant: below 1e-12",
            ),
            proven("with positions", lambda: ((e := _shuffles(True)) > 0.1, e), "largest error", "broken: above 0.1"),
        ),
    ),
    Claim(
        id="C32",
        statement="Hierarchical models can be made deeper without more memory.",
        source="[Re] section 4.4, lines 244-245",
        needs="closed form of weights and of what the backward pass keeps",
        parts=(
            proven("weights, 12 layers over 6", lambda: _deepen(0), "x", "at most 1x"),
            proven("kept for the backward pass, 12 layers over 6", lambda: _deepen(1), "x", "at most 1x"),
        ),
        note="Weights are shared, but every layer keeps its maps and inputs for the backward pass.",
    ),
    Claim(
        id="C34",
        statement="Convolution lacks rotation invariance.",
        source="[Re] section 1, line 34",
        needs="computation",
        parts=(proven("output of a turned image", lambda: turn_image(lacks=True), "share changed", "above 0.1"),),
        note="The SAN review says the opposite (san-10).",
    ),
)
