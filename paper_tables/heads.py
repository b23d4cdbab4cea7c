"""Table 2: the attention models with 16 heads of width 256; the report prints no sizes here."""

from paper_tables.definition import COMMITTED, OURS, PARAMS, PUBLISHED, ROW, VERDICT, Definition

DEFINITION = Definition(columns=(ROW, PUBLISHED, OURS, COMMITTED, PARAMS, VERDICT))
