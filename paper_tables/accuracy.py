"""Table 1: five models with 9 heads; the original paper's accuracy beside the report's own."""

from paper_tables.definition import COMMITTED, OURS, PARAMS, PUBLISHED, ROW, VERDICT, Column, Definition

ORIGINAL = Column("original paper", "published", "top1_original")
DEFINITION = Definition(columns=(ROW, ORIGINAL, PUBLISHED, OURS, COMMITTED, PARAMS, VERDICT))
