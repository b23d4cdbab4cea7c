"""The words that the verbs of figures take, in the order in which ``--help`` lists them. Imports nothing."""

STILLS = ("png", "svg", "pdf")
FORMS = (*STILLS, "html", "gif")
SCALES = ("shared", "panel")
SLICES = ("row", "column")
READINGS = ("R0", "R1", "R2", "R3")
METRICS = ("top1", "loss", "train-loss", "train-top1")
AXES = ("epochs", "progress")
