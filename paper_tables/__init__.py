"""What the papers say and what we say: published values, our values, verdicts, renderings."""
