"""What ``attnrepro plot-attention`` is asked for, and where what it draws is put. No torch.

Figures go to ``figures`` beside the run's checkpoint unless ``--out`` names a file; the CSV of what is drawn and of the
quantities behind the claims lie beside each.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures.subject import Subject
from reproduce.record.whole_files import write_whole


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of ``plot-attention``; ``query`` is None where ``--query-pixel`` is absent, "" where it is bare."""

    target: str | None = None
    query: str | None = None
    average: bool = False
    centers: bool = False
    images: int | None = None
    image: Sequence[str] = ()
    slice: str | None = None
    reading: str | None = None
    layers: str | None = None
    compare: str | None = None
    budget: str | None = None
    variant: str = "described"
    scale: str = "shared"
    form: str | None = None
    out: Path | None = None
    label: str = ""  # of a published figure, in front of the title


def place(subject: Subject, request: Request, stem: str) -> Path:
    """Return where the figure goes: ``--out``, or ``stem`` in the run's folder of figures."""
    return request.out or subject.folder / f"{stem}.{request.form}"


def beside(path: Path, what: str) -> Path:
    """Return the path of a CSV beside a figure."""
    return path.with_name(f"{path.stem}-{what}.csv")


def write_csv(path: Path, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> Path:
    """Write records as CSV in one step; floats in full, empty cells for None and NaN."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in line] for line in lines)
    write_whole(path, text.getvalue().encode())
    return path


def _cell(value: Any) -> Any:
    if value is None or value != value:
        return ""
    return repr(float(value)) if isinstance(value, float) else value
