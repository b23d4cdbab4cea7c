"""The suites by name: measured, planned, drawn and written.

    measure_suite("models", "cpu", rows=None, repetitions=5)["cases"]
    plan_suite("kernels", "cuda", rows=None, roof=(4.3e12, 6e13))["cases"]     # nothing is run, no GPU is needed

A suite is a module with ``measure(device, rows, repetitions) -> (cases, notes)``; a case is a flat dict. A suite with
a ``plan(device, rows)`` can say beforehand what it would run; one of `ROOFED` is measured against a roofline.
"""

import csv
import io
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from reproduce.errors import UserError, did_you_mean
from reproduce.record.whole_files import write_whole

SUITES = ("models", "kernels", "san", "latency", "input", "structure", "train", "complexity", "engine", "precision",
          "code")  # fmt: skip
PLANNED = ("kernels", "san", "latency")
ROOFED = ("kernels", "san")
DRAWN = (*ROOFED, "complexity")
COUNTED = ("structure", "code")  # exact wherever they are counted, and on no device
SIGNED = tuple(suite for suite in SUITES if suite not in COUNTED)  # what a file says depends on where it was made
REPETITIONS = 5
ASSUMED = (4.8e12, 67e12)  # byte/s and float32 FLOP/s of an H200: NVIDIA, "H200 Tensor Core GPU" data sheet, SXM
# What a text table shows of a case; JSON and CSV have all of it.
SHOWN = (
    "case", "batch", "gbyte", "moved_gbyte", "gflop", "flop_per_byte", "roof_ms", "bound", "ms", "ms_q1", "ms_q3", "n",
    "gbyte_per_s", "gflop_per_s", "roof_share", "peak_mb", "error", "speedup", "peak_ratio", "chain_ms",
    "chain_speedup", "image_size", "ms_mean", "ms_sd",
)  # fmt: skip


def measure_suite(suite: str, kind: str, rows: Sequence[str] | None, repetitions: int | None = None) -> dict[str, Any]:
    """Run a suite on a ``kind`` of device (cpu or cuda) and return its cases, notes and the machine.

    Raises:
        UserError: an unknown suite or row, or no such device.
    """
    _check_suite(suite)
    if repetitions is not None and repetitions < 1:
        raise UserError(f"{repetitions} repetitions measure nothing", "give --repetitions 1 or more")
    import torch

    if kind == "cuda" and suite not in COUNTED and not torch.cuda.is_available():
        raise UserError(
            "there is no CUDA device that torch can use here",
            "run it on a machine with an NVIDIA GPU, or measure this one with --cpu"
            + (", or see what would run with --dry-run" if suite in PLANNED else ""),
        )
    from reproduce.record.manifest import machine, versions
    from reproduce.training.precision import set_products

    module = import_module(f"reproduce.bench.{suite}")
    turns: int = getattr(module, "REPETITIONS", REPETITIONS) if repetitions is None else repetitions
    result: dict[str, Any] = {"suite": suite, "device": kind}
    if suite not in ("train", "precision", *COUNTED):  # which have runs of every precision
        set_products("fp32", torch.device(kind))
    if suite in ROOFED:
        from reproduce.bench.roofline import measure_roof

        module.plan(kind, rows)  # refuses a wrong name before anything takes time
        roof = measure_roof(torch.device(kind))
        result |= {"roof": {"byte_per_s": roof.bandwidth, "flop_per_s": roof.rate}}
        result["cases"], result["notes"] = module.measure(kind, rows, turns, roof)
    elif suite == "input":
        result["cases"], result["notes"] = _measure_input(module, turns)
    else:
        result["cases"], result["notes"] = module.measure(kind, rows, turns)
    return result | {"machine": machine(), "versions": versions()}


def plan_suite(
    suite: str, kind: str, rows: Sequence[str] | None, roof: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Return what a suite would run, its counted bytes and FLOPs, and the least time the roof allows.

    Args:
        suite: one of `PLANNED`.
        kind: cpu or cuda; no device is needed.
        rows: parts of the cases' names, or None for the suite's own choice.
        roof: bytes and FLOPs a second; without it the device's are measured if it is here, else `ASSUMED`.

    Raises:
        UserError: an unknown suite or row, a suite that has no plan, a rate that is not above zero.
    """
    _check_suite(suite)
    if suite not in PLANNED:
        raise UserError(f"suite '{suite}' has no plan to show", f"--dry-run works with: {', '.join(PLANNED)}")
    cases = import_module(f"reproduce.bench.{suite}").plan(kind, rows)
    result: dict[str, Any] = {"suite": suite, "device": kind, "dry_run": True, "cases": cases}
    if suite not in ROOFED:
        return result | {"notes": ["nothing was run; at batch 1 the launches count, which no formula predicts"]}
    import torch

    from reproduce.bench.report import fill_plan
    from reproduce.bench.roofline import Roof, measure_roof

    if roof is not None and min(roof) <= 0:
        raise UserError("a roof needs rates above zero", "give --bandwidth in GB/s and --flops in GFLOP/s")
    known, source = (None, "") if roof is None else (Roof(*roof), "as given")
    if known is None and (kind == "cpu" or torch.cuda.is_available()):
        known, source = measure_roof(torch.device(kind)), "measured now"
    if known is None:
        known, source = Roof(*ASSUMED), "assumed, an H200's data sheet (--bandwidth and --flops take another's)"
    notes = ["nothing was run; gbyte and gflop are counted from the formulas, roof_ms is the least time they allow"]
    notes.append(f"roof {source}: {known.bandwidth / 1e9:.4g} GB/s, {known.rate / 1e9:.4g} GFLOP/s (float32)")
    result["roof"] = {"byte_per_s": known.bandwidth, "flop_per_s": known.rate}
    return result | {"cases": [fill_plan(case, known) for case in cases], "notes": notes}


def shorten(cases: Sequence[dict[str, Any]], suite: str) -> list[dict[str, Any]]:
    """Return the cases with the fields that a text table has room for."""
    if suite not in PLANNED:
        return list(cases)
    return [{name: case[name] for name in SHOWN if name in case} for case in cases]


def draw_result(result: dict[str, Any], path: Path) -> None:
    """Draw a measured result as PNG or SVG: its roofline, or its curves over the number of tokens.

    Raises:
        UserError: a suite without a picture, or a file that cannot be written.
    """
    check_plot(result["suite"], path)
    from reproduce.bench.report import read_device

    title = f"{result['suite']} on {read_device(result['device'])['device']}"
    if result["suite"] not in ROOFED:
        from reproduce.bench import complexity_plot

        complexity_plot.draw(result["cases"], title, path)
        return
    from reproduce.bench.plot import draw
    from reproduce.bench.roofline import Roof

    draw(result["cases"], Roof(result["roof"]["byte_per_s"], result["roof"]["flop_per_s"]), title, path)


def check_plot(suite: str, path: Path) -> None:
    """Refuse, before anything is measured, a plot that could not be drawn."""
    if suite not in DRAWN:
        raise UserError(f"suite '{suite}' has no picture to draw", f"--plot works with: {', '.join(DRAWN)}")
    from reproduce.bench.plot import check_format

    check_format(path)


def write_result(result: dict[str, Any], path: Path) -> Path:
    """Write a result's cases as CSV and return where: in a folder, under a name made of suite, device and versions.

    Lines of `SIGNED` suites say on which device, driver and versions they were measured.
    """
    cases = result["cases"]
    if result["suite"] in SIGNED and not result.get("dry_run"):
        from reproduce.bench.report import read_device

        made = read_device(result["device"]) | {name: result["versions"][name] for name in ("torch", "cupy", "python")}
        cases = [{"suite": result["suite"]} | case | made for case in cases]
        if path.is_dir():
            parts = [result["suite"], made["device"], f"torch {made['torch']}"]
            if made["cuda"]:
                parts += [f"cuda {made['cuda']}", f"driver {made['driver']}", f"cupy {made['cupy'] or 'none'}"]
            path = path / f"{re.sub(r'[^a-z0-9.]+', '-', ' '.join(parts).lower()).strip('-')}.csv"
    elif path.is_dir():
        path = path / f"{result['suite']}{'-plan' if result.get('dry_run') else ''}.csv"
    write_csv(cases, path)
    return path


def write_csv(cases: Sequence[dict[str, Any]], path: Path) -> None:
    """Write cases as CSV, one line each; raises UserError where the file cannot be written."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for case in cases for name in case))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(cases)
    write_whole(path, text.getvalue().encode())


def _check_suite(suite: str) -> None:
    if suite not in SUITES:
        raise UserError(f"no suite is called '{suite}'", did_you_mean(suite, SUITES))


def _measure_input(module: Any, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the pipelines of suite ``input`` as cases: images a second, and the ratio of a round."""
    found = module.measure(rounds=repetitions)
    cases = [{"case": name} | found[name] | {"n": found["n"]} for name in ("ours", "torchvision", "ratio")]
    sizes = f"{found['images']} images of {found['image_size']} pixels, batch {found['batch_size']}"
    return cases, [f"images a second, {found['n']} rounds; {sizes}; {found['threads']} threads"]
