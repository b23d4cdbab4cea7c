"""Benchmarks: pairs of measurements in one process, medians of ratios, never a timed test.

    measure_suite("models", "cpu", rows=None, repetitions=5)["cases"]

A suite is a module with ``measure(device, rows, repetitions) -> (cases, notes)``; a case is a flat dict.
"""

import csv
import io
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from reproduce.errors import UserError, did_you_mean
from reproduce.files import write_whole

SUITES = ("models", "input", "structure")


def measure_suite(suite: str, kind: str, rows: Sequence[str] | None, repetitions: int) -> dict[str, Any]:
    """Run a suite on a ``kind`` of device (cpu or cuda) and return its cases, notes and the machine.

    Raises:
        UserError: an unknown suite or row, or no such device.
    """
    if suite not in SUITES:
        raise UserError(f"no suite is called '{suite}'", did_you_mean(suite, SUITES))
    if repetitions < 1:
        raise UserError(f"{repetitions} repetitions measure nothing", "give --repetitions 1 or more")
    import torch

    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "there is no CUDA device that torch can use here",
            "run it on a machine with an NVIDIA GPU, or measure this one with: attnrepro bench --cpu",
        )
    from reproduce.manifest import machine, versions

    cases, notes = import_module(f"reproduce.bench.{suite}").measure(kind, rows, repetitions)
    return {
        "suite": suite,
        "device": kind,
        "cases": cases,
        "notes": notes,
        "machine": machine(),
        "versions": versions(),
    }


def write_csv(cases: Sequence[dict[str, Any]], path: Path) -> None:
    """Write cases as CSV, one line each; raises UserError where the file cannot be written."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for case in cases for name in case))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(cases)
    write_whole(path, text.getvalue().encode())
