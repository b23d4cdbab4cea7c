"""The curve of a run: one line per epoch in ``history.csv``. No torch."""

from pathlib import Path

from reproduce.errors import UserError
from reproduce.record import checksummed_csv

HISTORY = (
    "epoch",
    "lr",
    "train_loss",
    "train_top1",
    "val_loss",
    "val_top1",
    "test_loss",
    "test_top1",
    "test_top5",
    "seconds",
)


def write_history(path: Path, history: list[dict[str, float | None]]) -> None:
    """Write the curve of a run: one line an epoch, empty cells where nothing was evaluated."""
    cells = ([line.get(name) for name in HISTORY] for line in history)
    checksummed_csv.write_file(path, HISTORY, (["" if cell is None else repr(cell) for cell in row] for row in cells))


def read_history(path: Path) -> list[dict[str, float | None]]:
    """Return the curve in a run's ``history.csv``, None where nothing was measured; UserError where it is damaged."""
    again = "train the row again with --resume never"
    try:
        return [
            {name: float(cell) if cell else None for name, cell in line.items()}
            for line in checksummed_csv.read_file(path, again)
        ]
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not a whole curve ({error})", again) from None
