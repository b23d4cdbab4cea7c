"""Where everything that is recorded lies. Imports nothing of ours."""

import os
from pathlib import Path


def results_path() -> Path:
    """Return the folder of all results: ``$ATTNREPRO_RESULTS``, or ``results`` in the current folder."""
    return Path(os.environ.get("ATTNREPRO_RESULTS") or "results").expanduser()
