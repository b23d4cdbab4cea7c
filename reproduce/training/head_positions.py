"""Where Gaussian heads look, epoch by epoch: a few numbers a head in ``positions.csv``, not whole checkpoints.

    record_positions(run.folder, model, epoch=1)
    read_positions(run.folder)["epoch"]

A head's score is -1/2 (d - mu)^T Sigma^-1 (d - mu) up to a constant; ``centre_row`` and ``centre_column`` are mu and
``precision_*`` the entries of Sigma^-1, in tokens. Under slip B3 the centre is where the score really peaks.
"""

import math
from pathlib import Path

from torch import nn

from reproduce.errors import UserError
from reproduce.models.positions import GaussianPositions
from reproduce.record import checksummed_csv

NAME = "positions.csv"
COLUMNS = (
    "epoch",
    "layer",
    "head",
    "centre_row",
    "centre_column",
    "precision_row",
    "precision_both",
    "precision_column",
)
Line = dict[str, float]


def list_positions(model: nn.Module, epoch: int) -> list[Line]:
    """Return one line a head of every layer with Gaussian positions; none for other networks."""
    lines: list[Line] = []
    layers = [layer for layer in model.modules() if isinstance(layer, GaussianPositions)]
    for number, layer in enumerate(layers, start=1):
        values = (part.detach().double().cpu().tolist() for part in (*layer.centres.T, *layer.precision()))
        for head, (row, column, a, b, c) in enumerate(zip(*values, strict=True), start=1):
            if layer.add_centre:
                row, column = _peak(row, column, a, b, c)
            line = (epoch, number, head, row, column, a, b, c)
            lines.append(dict(zip(COLUMNS, line, strict=True)))
    return lines


def record_positions(folder: Path, model: nn.Module, epoch: int) -> None:
    """Put the positions after ``epoch`` into ``positions.csv``; later epochs, of a run that was cut off, go.

    Raises:
        UserError: the file is damaged or cannot be written.
    """
    fresh = list_positions(model, epoch)
    if not fresh:
        return
    kept = [line for line in read_positions(folder) if line["epoch"] < epoch] if epoch > 1 else []
    rows = (
        [*(str(int(line[name])) for name in COLUMNS[:3]), *(repr(line[name]) for name in COLUMNS[3:])]
        for line in [*kept, *fresh]
    )
    checksummed_csv.write_file(folder / NAME, COLUMNS, rows)


def read_positions(folder: Path) -> list[Line]:
    """Return the lines of a run's ``positions.csv``, none where there is no such file; UserError where damaged."""
    path, again = folder / NAME, "delete it and train the row again"
    try:
        return [{name: float(line[name]) for name in COLUMNS} for line in checksummed_csv.read_file(path, again)]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError) as error:
        raise UserError(f"{path} is not a whole list of positions ({error})", again) from None


def _peak(row: float, column: float, a: float, b: float, c: float) -> tuple[float, float]:
    """Return where the score of slip B3 peaks: Sigma^-1 d = (a mu_1 + b mu_2, c + mu_2 + b mu_1)."""
    along_row, along_column = a * row + b * column, c + column + b * row
    determinant = a * c - b * b
    if determinant == 0:
        return math.inf, math.inf
    return (c * along_row - b * along_column) / determinant, (a * along_column - b * along_row) / determinant
