"""The augmented-convolution slides: final top-1 and top-5 on two data sets, with what each network costs."""

from paper_tables.definition import COMMITTED, MACS, OURS, PARAMS, PUBLISHED, ROW, TOP5, VERDICT, Definition

DEFINITION = Definition(columns=(ROW, PUBLISHED, OURS, TOP5, COMMITTED, PARAMS, MACS, VERDICT))
