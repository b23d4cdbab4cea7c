"""Where everything that is recorded lies. Imports nothing of ours."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def results_path() -> Path:
    """Return the folder of all results: ``$ATTNREPRO_RESULTS``, or ``results`` in the current folder."""
    return Path(os.environ.get("ATTNREPRO_RESULTS") or "results").expanduser()


def find_weights(line: Mapping[str, Any]) -> Path:
    """Return where the weights of a line of the ledger lie: relative paths are within the folder of results.

    Older lines hold absolute paths. Where nothing lies there any more the folder was moved: ROW/RUN within it.
    """
    recorded = Path(str(line["checkpoint"]))
    within = results_path() / recorded  # itself where it is absolute
    if within.exists() or not (recorded.is_absolute() or recorded.exists()):
        return within
    moved = results_path() / str(line["row"]) / str(line["run_id"]) / recorded.name
    return moved if not recorded.exists() and moved.exists() else recorded
