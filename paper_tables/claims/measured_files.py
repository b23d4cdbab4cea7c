"""What is read beside the ledger: exact counts, training histories, and the numbers behind attention figures. No torch.

Committed files lie in ``measured``; those of a run lie beside its checkpoint. Nothing is read twice in one assessment.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paper_tables.measured import MEASURED
from reproduce.errors import UserError
from reproduce.record import checksummed_csv, evaluations
from reproduce.record.correct import NAME, read_correct
from reproduce.stats.sample import Answers

Point = tuple[int, float]
_RESTORE = "restore the file from the repository"


def read_curve(run_id: str, folder: Path | None, column: str) -> list[Point]:
    """Return (epoch, value) of a run's history: committed as ``measured/histories/RUN.csv``, or in the run's folder."""
    paths = [MEASURED / "histories" / f"{run_id}.csv", *([folder / "history.csv"] if folder else [])]
    for path in paths:
        points = [
            (int(line["epoch"]), line[column])
            for line in _read(path)
            if not math.isnan(line.get(column, math.nan)) and not math.isnan(line.get("epoch", math.nan))
        ]
        if points:
            return sorted(points)
    return []


def read_quantities(run_id: str, folder: Path | None, kind: str, columns: Sequence[str]) -> list[dict[str, float]]:
    """Return the records of ``KIND*-quantities.csv``: of the figure that took most images into account.

    Figures write them beside themselves; committed ones lie in ``measured/attention/RUN``.

    Raises:
        UserError: a damaged file, or one that lacks one of ``columns``.
    """
    found: list[tuple[Path, list[dict[str, float]]]] = []
    for place in (MEASURED / "attention" / run_id, *([folder / "figures"] if folder else [])):
        found += [(path, _read(path)) for path in sorted(place.glob(f"{kind}*-quantities.csv"))]
    path, records = max(
        ((path, records) for path, records in found if records),
        key=lambda one: (one[1][0].get("images", 0.0), len(one[1])),
        default=(Path(), []),
    )
    absent = [column for column in columns if records and column not in records[0]]
    if absent:
        raise UserError(f"{path} has no column '{absent[0]}'", "draw the figure once more: attnrepro plot-attention")
    return records


def read_answers(run_id: str, folder: Path | None, moment: str) -> Answers | None:
    """Return which test images a run got right at ``moment`` (last, best, selected); None where it was not kept.

    Committed as ``measured/correct/RUN.json``, or in the run's folder.

    Raises:
        UserError: a damaged file.
    """
    for path in (MEASURED / "correct" / f"{run_id}.json", *([folder / NAME] if folder else [])):
        try:
            found = read_correct(path)
        except FileNotFoundError:
            continue
        if moment in found.bits:
            return Answers(found.data, found.images, found.bits[moment])
    return None


def read_bench(suite: str) -> list[list[dict[str, str]]]:
    """Return what ``attnrepro bench`` measured of a suite, by session: the committed ``measured/bench/SUITE-*.csv``.

    Raises:
        UserError: a damaged file.
    """
    paths = sorted((MEASURED / "bench").glob(f"{suite}-*.csv"))
    return [[dict(line) for line in checksummed_csv.read_file(path, _RESTORE)] for path in paths]


def read_evaluations(local: bool) -> dict[str, tuple[float, int]]:
    """Return (top-1, images) of published weights by row: the committed ones, then where ``local`` this machine's.

    Only those in float32 and the usual mode, on images as they are, speak of the paper's numbers.

    Raises:
        UserError: a damaged file.
    """
    found = {}
    for path in (MEASURED / "evaluations.csv", *([evaluations.evaluations_path()] if local else [])):
        for line in evaluations.read(path):
            usual = (line.get("eval_mode"), line.get("precision"), line.get("equalised")) == ("eval", "fp32", "False")
            if usual and line["dataset"] == "imagenet":
                try:
                    found[line["row"]] = float(line["top1"]), int(line["images"])
                except ValueError as error:
                    raise UserError(f"{path} cannot be read ({error})", "run `attnrepro eval` again") from None
    return found


def _read(path: Path) -> list[dict[str, float]]:
    """Return the records of a CSV of numbers; empty cells are NaN, a missing file is empty."""
    again = "draw the figure, or train the row, once more"
    try:
        lines = checksummed_csv.read_file(path, again)
        return [{name: _number(cell) for name, cell in line.items()} for line in lines]
    except FileNotFoundError:
        return []
    except (TypeError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error})", again) from None


def _number(cell: Any) -> float:
    return float(cell) if cell else math.nan
