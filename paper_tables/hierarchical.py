"""Table 3: normal self-attention (SA) against hierarchical attention (HA), in pairs, with sizes and wall time."""

from paper_tables.definition import COMMITTED, OURS, PARAMS, PUBLISHED, ROW, VERDICT, Column, Definition

WALL = Column("wall time, ms", "measured", "latency_ms")
DEFINITION = Definition(
    columns=(ROW, PUBLISHED, OURS, COMMITTED, PARAMS, WALL, VERDICT),
    pairs=(
        ("learned-content", "learned-content-ha"),
        ("san-pair", "san-pair-ha"),
        ("san-patch", "san-patch-ha"),
        ("vit", "vit-ha"),
    ),
    pairs_title="Hierarchical (HA) against normal self-attention (SA): gain in points, ratios SA / HA",
)
