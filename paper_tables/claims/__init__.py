"""What the studies claim, as small functions of runs, structure, curves and maps; what the evidence says of each."""
