"""The first page of the report: what is known, study by study, computed from verdicts and runs."""
