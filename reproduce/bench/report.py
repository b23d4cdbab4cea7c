"""From seconds, bytes and FLOPs to a case of a suite: a flat record with units in its names."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from reproduce.bench.roofline import Roof
from reproduce.bench.timing import quartiles
from reproduce.errors import UserError, did_you_mean

_RIVALS = {"twin": "", "chain": "chain_"}  # what ours is measured against, and what its ratios are called with


def choose(names: Sequence[str], parts: Sequence[str] | None) -> list[str]:
    """Return the names that hold one of ``parts``, all of them where it is None.

    Raises:
        UserError: a part that no name holds.
    """
    for part in parts or ():
        if not any(part in name for name in names):
            words = sorted({word for name in names for word in name.split("/")})
            raise UserError(f"no case is called '{part}'", did_you_mean(part, words))
    return [name for name in names if not parts or any(part in name for part in parts)]


def fill_plan(planned: Mapping[str, Any], roof: Roof | None) -> dict[str, Any]:
    """Return the record of a planned case: counts, and the roof's time where there is a roof."""
    cost = planned["cost"]
    case = {name: value for name, value in planned.items() if name not in ("cost", "twin_bytes")}
    case |= {"gbyte": _round(cost.bytes / 1e9), "gflop": _round(cost.flops / 1e9)}
    case |= {"flop_per_byte": _round(cost.intensity), "twin_gbyte": _round(planned["twin_bytes"] / 1e9)}
    case["roof_ms"] = None if roof is None else _round(1e3 * roof.seconds(cost))
    case["bound"] = None if roof is None else roof.bound(cost)
    return case


def fill_times(
    planned: Mapping[str, Any], roof: Roof, seconds: Mapping[str, list[float]], peaks: Mapping[str, int]
) -> dict[str, Any]:
    """Return the record of a measured case: ``ours``, and beside each of `_RIVALS`, None where it was not measured."""
    low, median, high = quartiles(seconds["ours"])
    cost = planned["cost"]
    case = fill_plan(planned, roof)
    case |= {"ms": _round(1e3 * median), "ms_q1": _round(1e3 * low), "ms_q3": _round(1e3 * high)}
    case |= {"n": len(seconds["ours"]), "gbyte_per_s": _round(cost.bytes / median / 1e9)}
    case |= {"gflop_per_s": _round(cost.flops / median / 1e9), "roof_share": _round(roof.seconds(cost) / median)}
    case["peak_mb"] = _round(peaks["ours"] / 1e6)
    for rival, prefix in _RIVALS.items():
        names = [f"{prefix}{name}" for name in ("speedup", "speedup_q1", "speedup_q3", "peak_ratio")]
        case |= dict.fromkeys([f"{rival}_ms", f"{rival}_peak_mb", *names])
        if rival not in seconds:
            continue
        each = [slow / fast for slow, fast in zip(seconds[rival], seconds["ours"], strict=True)]
        low, median, high = quartiles(each)
        shares = peaks["ours"] / peaks[rival] if peaks[rival] else None
        values = [None if value is None else _round(value) for value in (median, low, high, shares)]
        case |= dict(zip(names, values, strict=True))
        case[f"{rival}_ms"] = _round(1e3 * quartiles(seconds[rival])[1])
        case[f"{rival}_peak_mb"] = _round(peaks[rival] / 1e6)
    return case


def describe(roof: Roof, repetitions: int) -> list[str]:
    """Return the notes under a table of measured cases."""
    return [
        f"roof of this device, measured in this run: copy {roof.bandwidth / 1e9:.4g} GB/s, "
        f"float32 matrix product {roof.rate / 1e9:.4g} GFLOP/s; {torch.get_num_threads()} threads",
        f"ms: median and quartiles of {repetitions} turns in one process; speedup = unfold / ours, turn by turn",
        "chain: the published operations one after another, by our local kernels; chain_speedup = chain / ours",
        "gbyte, gflop: counted from the formulas, float32, useful bytes only; train = forward + backward",
    ]


def read_device(kind: str) -> dict[str, str]:
    """Return the device's name and, on CUDA, the CUDA release and driver; "" for what cannot be found out."""
    if kind != "cuda":
        from reproduce.record.manifest import machine
        from reproduce.training.malloc import describe_heap

        return {
            "device": str(machine()["cpu"]),
            "threads": str(torch.get_num_threads()),
            "heap": describe_heap(),
            "cuda": "",
            "driver": "",
        }
    driver, program = "", shutil.which("nvidia-smi")
    if program:
        asked = [program, "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
        driver = done.stdout.strip() if done.returncode == 0 else ""
    cuda = str(torch.version.cuda or "")
    return {"device": torch.cuda.get_device_name(0), "threads": "", "heap": "", "cuda": cuda, "driver": driver}


def _round(value: float) -> float:
    """Return ``value`` with five digits: more than any clock here is good for."""
    return float(f"{value:.5g}")
