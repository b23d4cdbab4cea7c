"""Where results are kept. Imports nothing of the project."""

import os
from pathlib import Path


def results_path() -> Path:
    """Return the folder of all results: ``$ATTNREPRO_RESULTS``, or ``results`` in the current folder."""
    return Path(os.environ.get("ATTNREPRO_RESULTS") or "results").expanduser()
