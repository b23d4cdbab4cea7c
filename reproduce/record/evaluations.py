"""What `eval` finds with weights that a paper's authors publish: a line each in ``evaluations.csv``. No torch.

record({"row": "san10-pair", "dataset": "imagenet", "top1": 0.7493, "images": 50_000, ...})
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reproduce.record import checksummed_csv
from reproduce.record.ledger import locked, results_path

COLUMNS = ("row", "dataset", "data_sha256", "top1", "top5", "images", "eval_mode", "equalised", "precision")
_AGAIN = "delete it and run `attnrepro eval` again: it holds nothing else"


def evaluations_path() -> Path:
    """Return where this machine's evaluations of published weights lie."""
    return results_path() / "evaluations.csv"


def record(result: Mapping[str, Any], path: Path | None = None) -> None:
    """Add an evaluation; one of the same row, data and arithmetic takes the place of an earlier one.

    Args:
        result: as `evaluate.evaluate_checkpoint` returns it.
        path: by default :func:`evaluations_path`.

    Raises:
        UserError: the file is damaged or held by another process, or cannot be written.
    """
    path = path or evaluations_path()
    row = {name: str(result[name]) for name in COLUMNS}
    with locked(path):
        alike = [name for name in COLUMNS if not name.startswith("top")]
        kept = [line for line in read(path) if any(line.get(name) != row[name] for name in alike)]
        checksummed_csv.write_file(path, COLUMNS, [[line.get(name, "") for name in COLUMNS] for line in [*kept, row]])


def read(path: Path) -> list[Mapping[str, str]]:
    """Return the lines of a file of :func:`record`, none where there is no file.

    Raises:
        UserError: a damaged file.
    """
    try:
        return checksummed_csv.read_file(path, _AGAIN)
    except FileNotFoundError:
        return []
