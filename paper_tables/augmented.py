"""The augmented-convolution slides: final top-1 and top-5 on two data sets, with what each network costs."""

from paper_tables.definition import COMMITTED, MACS, OURS, PARAMS, PUBLISHED, ROW, TOP5, VERDICT, Column, Definition

CORRECTED = Column("corrected (A3)", "published", "top1_corrected")
DEFINITION = Definition(columns=(ROW, PUBLISHED, CORRECTED, OURS, TOP5, COMMITTED, PARAMS, MACS, VERDICT))
