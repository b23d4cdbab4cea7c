"""SAN15 on the Intel scenes: the published row beside the pairwise network that "subtraction" may have meant."""

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
    Column,
    Definition,
)

TRAINING = Column("published, training", "published", "top1_train")
DEFINITION = Definition(columns=(ROW, TRAINING, PUBLISHED, OURS, COMMITTED, PARAMS, MACS, SPEED, MEMORY, VERDICT))
