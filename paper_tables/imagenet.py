"""SAN on ImageNet: accuracies, and sizes and FLOPs to every printed digit."""

from paper_tables.definition import COMMITTED, FLOPS, MACS, OURS, PARAMS, PUBLISHED, ROW, TOP5, VERDICT, Definition

DEFINITION = Definition(columns=(ROW, PUBLISHED, OURS, TOP5, COMMITTED, PARAMS, MACS, FLOPS, VERDICT))
