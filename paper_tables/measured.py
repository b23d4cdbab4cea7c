"""What the project itself has measured and keeps: its runs, and the exact sizes of every row. No torch.

committed_runs()                                        # in the schema of a user's ledger
read_counts()["vit", "described"]["params"]             # 37394506
"""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from reproduce.errors import UserError
from reproduce.record.whole_files import read_listed

if TYPE_CHECKING:
    import pandas as pd

MEASURED = Path(__file__).parent / "measured"
_RESTORE = "restore the file from the repository"
Counts = dict[str, int]  # params, macs_fast, macs_naive, flops (where the row's paper prints any)


def committed_runs(path: Path | None = None) -> "pd.DataFrame":
    """Return the project's own measurements, in the schema of a user's ledger."""
    from reproduce.record import ledger

    return ledger.read(path or MEASURED / "runs.csv")


def read_counts(path: Path | None = None) -> dict[tuple[str, str], Counts]:
    """Return the exact counts of each (row, variant) at paper scale; empty where the file is missing.

    ``params`` are trainable parameters, ``macs_*`` multiply-accumulates of the forward pass of one image, ``flops``
    the same as the row's paper counts them.

    Raises:
        UserError: a damaged file.
    """
    path = path or MEASURED / "structure.csv"
    try:
        found = {}
        for line in csv.DictReader(read_listed(path, _RESTORE).splitlines()):
            counts = {name: int(cell) for name, cell in line.items() if cell and name not in ("row", "variant")}
            found[line["row"], line["variant"]] = {"params": counts["params"], **counts}
    except FileNotFoundError:
        return {}
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error})", _RESTORE) from None
    return found
