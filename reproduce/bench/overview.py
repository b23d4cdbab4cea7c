"""Several suites in one go, and one summary of them: what `attnrepro bench --gpu` does with no more words.

overview = plan_overview("cuda", roof=(4.8e12, 67e12))     # or measure_overview, on a GPU
summarise(overview)                                        # a line per case
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reproduce.bench.suites import PLANNED, ROOFED, draw_result, measure_suite, plan_suite, write_result
from reproduce.errors import UserError

SUMMED = ("suite", "case", "batch", "ms", "roof_ms", "roof_share", "bound", "speedup", "chain_speedup", "peak_mb",
          "peak_ratio", "error")  # fmt: skip


def measure_overview(kind: str, repetitions: int | None) -> dict[str, Any]:
    """Return the results of kernels, whole SAN networks and latency, one after another.

    Raises:
        UserError: no such device, or nothing of one suite could be measured.
    """
    return _join([measure_suite(suite, kind, None, repetitions) for suite in PLANNED])


def plan_overview(kind: str, roof: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return what `measure_overview` would run; no device is needed."""
    return _join([plan_suite(suite, kind, None, roof if suite in ROOFED else None) for suite in PLANNED])


def summarise(overview: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a line per case of all suites, those of `SUMMED` that it has; None where a suite has no such column."""
    lines = [{"suite": result["suite"]} | case for result in overview["suites"] for case in result["cases"]]
    names = [name for name in SUMMED if any(name in line for line in lines)]
    return [{name: line.get(name) for name in names} for line in lines]


def write_overview(overview: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write each suite's cases as CSV into ``folder`` and return where.

    Raises:
        UserError: ``folder`` is none, or cannot be written.
    """
    if not folder.is_dir():
        raise UserError(f"several suites need a folder to be written to, and '{folder}' is none", "make it, or --suite")
    return [write_result(result, folder) for result in overview["suites"]]


def draw_overview(overview: Mapping[str, Any], path: Path) -> list[Path]:
    """Draw a roofline per suite that has one, beside ``path``, its name with the suite's added; return where."""
    drawn = []
    for result in overview["suites"]:
        if result["suite"] in ROOFED:
            drawn.append(path.with_name(f"{path.stem}-{result['suite']}{path.suffix}"))
            draw_result(result, drawn[-1])
    return drawn


def _join(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    notes = [f"{result['suite']}: {note}" for result in results for note in result["notes"]]
    return {"suites": list(results), "notes": notes}
