"""Recipes: what fixes a run, one module per published table, and the registry of all rows and tables. No torch."""
