"""The gates report's Table 1: nine networks, 16 runs each, every one against the plain CNN."""

from paper_tables.definition import COMMITTED, MACS, OURS, PARAMS, PUBLISHED, ROW, VERDICT, Definition

DEFINITION = Definition(columns=(ROW, PUBLISHED, OURS, COMMITTED, PARAMS, MACS, VERDICT), against="cnn")
