"""The report: every table, curve, claim and deviation in one page, made from committed files alone."""
