"""ECE 176 report, Table 1: accuracy, and the cost columns that its "less demanding" is about."""

from paper_tables.definition import (
    COMMITTED,
    MACS,
    MEMORY,
    OURS,
    PARAMS,
    PUBLISHED,
    ROW,
    SPEED,
    VERDICT,
    Definition,
)

DEFINITION = Definition(
    columns=(ROW, PUBLISHED, OURS, COMMITTED, PARAMS, MACS, SPEED, MEMORY, VERDICT),
    pairs=(
        ("ece176-baseline-pair", "ece176-proposed-pair"),
        ("ece176-baseline-patch", "ece176-proposed-patch"),
        ("san10-cifar-pair", "ece176-proposed-pair"),
        ("san10-cifar-patch", "ece176-proposed-patch"),
    ),
    pairs_title="Proposed stacking against the baseline, and against SAN10: gain in points, ratios other / proposed",
)
