"""Suite ``latency``: milliseconds of one image by the protocol of the [Re] report's Table 3; eager, and a CUDA graph.

    attnrepro bench --gpu --suite latency [--rows san-pair,vit]

Evaluation mode, batch 1, float32, 10 warm-ups, 300 repetitions, each between two events and waited for. The report
gives means only. On the CPU there is no graph to capture.
"""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from reproduce.bench.report import choose
from reproduce.bench.timing import quartiles, time_on_device
from reproduce.kernels import capture_inference
from reproduce.models.networks import build
from reproduce.recipes.architectures import San
from reproduce.recipes.registry import ENTRIES, TABLES, resolve
from reproduce.training.cost import PROTOCOL_REPETITIONS, PROTOCOL_WARMUPS

REPETITIONS = PROTOCOL_REPETITIONS


def list_rows() -> list[str]:
    """Return the rows of Table 3 and every other row of a SAN at the size of CIFAR."""
    small = [row for row in ENTRIES if isinstance(spec := resolve(row).model, San) and spec.image_size <= 32]
    return list(dict.fromkeys([*TABLES["hierarchical"].rows, *small]))


def plan(kind: str, rows: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the cases that ``rows`` (parts of names) choose; nothing is predicted: batch 1 waits for launches."""
    modes = ("eager", "graph") if kind == "cuda" else ("eager",)
    names = [f"{row}/{mode}" for row in list_rows() for mode in modes]
    return [{"case": name, "batch": 1, "image_size": _spec(name).image_size} for name in choose(names, rows)]


def measure(kind: str, rows: Sequence[str] | None, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a row and mode, and what to know when reading them."""
    device, cases = torch.device(kind), []
    planned = plan(kind, rows)
    for row in dict.fromkeys(case["case"].rsplit("/", 1)[0] for case in planned):
        cases += _measure_row([case for case in planned if case["case"].startswith(f"{row}/")], device, repetitions)
    notes = [
        f"mean, sd, median, quartiles of {repetitions} repetitions after {PROTOCOL_WARMUPS} warm-ups; "
        f"batch 1, float32, {torch.get_num_threads()} threads",
        "eager and graph take turns; speedup = eager / graph, turn by turn",
    ]
    return cases, notes if kind == "cuda" else notes[:1]


def _measure_row(planned: list[dict[str, Any]], device: torch.device, repetitions: int) -> list[dict[str, Any]]:
    torch.manual_seed(0)
    spec = _spec(planned[0]["case"])
    model = build(spec).to(device).eval()
    image = torch.randn(1, 3, spec.image_size, spec.image_size, device=device)
    forms: dict[str, Callable[[Tensor], object]] = {}
    for case in planned:
        mode = case["case"].rsplit("/", 1)[1]
        forms[mode] = model if mode == "eager" else capture_inference(model, image)
    with torch.no_grad():
        works = {mode: _bind(form, image) for mode, form in forms.items()}
        seconds = time_on_device(works, repetitions, device, warmups=PROTOCOL_WARMUPS)
    return [case | _summarise(case["case"].rsplit("/", 1)[1], seconds) for case in planned]


def _bind(form: Callable[[Tensor], object], image: Tensor) -> Callable[[], object]:
    return lambda: form(image)


def _summarise(mode: str, seconds: dict[str, list[float]]) -> dict[str, Any]:
    times = [1e3 * second for second in seconds[mode]]
    low, median, high = quartiles(times)
    spread = statistics.stdev(times) if len(times) > 1 else 0.0
    case: dict[str, Any] = {"ms_mean": statistics.fmean(times), "ms_sd": spread, "ms": median}
    case |= {"ms_q1": low, "ms_q3": high, "n": len(times)}
    case = {name: float(f"{value:.5g}") if isinstance(value, float) else value for name, value in case.items()}
    case["speedup"] = None
    if mode == "graph" and "eager" in seconds:
        each = [slow / fast for slow, fast in zip(seconds["eager"], seconds["graph"], strict=True)]
        case["speedup"] = float(f"{statistics.median(each):.5g}")
    return case


def _spec(name: str) -> Any:
    return resolve(name.rsplit("/", 1)[0]).model
