"""Suite ``complexity``: what full and linear attention cost over the number of tokens, and where they cross.

    attnrepro bench --cpu --suite complexity [--rows wide-g1] [--plot complexity.svg]

The slides give O(n^2 (dk + dv)) against O(n dk dv), "the same for space" (the slides' pages on complexity). Counted:
n^2 (dk + dv) and 2 n dk dv / h multiply-accumulates, so they cross at n* = 2 dk dv / (h (dk + dv)) tokens. Measured:
forward and backward of the attention core alone, one image, float32; ``fused`` is torch's own full attention, which
never stores the n x n weights where it has a kernel that does not.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from reproduce.bench.memory import peak_bytes
from reproduce.bench.report import choose
from reproduce.bench.timing import quartiles, time_in_turns
from reproduce.models.augmented_convolution import full_attention, linear_attention

TOKENS = (64, 256, 1024, 4096, 16384)
FORMS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "full": full_attention,
    "fused": F.scaled_dot_product_attention,
    "linear": linear_attention,
}
FITTED = 3  # points at the upper end of a series that its slope is fitted to
_WEIGHTS_HELD = 5  # n x n tensors that full attention holds at most, forward and backward
_LARGEST_BYTES = 6 * 2**30


@dataclass(frozen=True)
class Layer:
    """Sizes of one augmented layer: channels of keys and values over all heads."""

    key: int
    value: int
    heads: int

    def macs(self, form: str, tokens: int) -> int:
        """Return the multiply-accumulates of the forward pass."""
        if form == "linear":
            return 2 * tokens * self.key * self.value // self.heads
        return tokens**2 * (self.key + self.value)

    @property
    def crossover(self) -> float:
        """Number of tokens at which both forms count the same."""
        return 2 * self.key * self.value / (self.heads * (self.key + self.value))


LAYERS = {
    "simple-b1": Layer(32, 32, 2),
    "simple-b2": Layer(128, 128, 4),
    "wide-g1": Layer(256, 64, 1),
    "wide-g2": Layer(512, 128, 2),
    "wide-g3": Layer(1024, 256, 4),
}
_DEFAULT = ("simple-b1", "wide-g1")


def measure(
    kind: str, rows: Sequence[str] | None, repetitions: int, tokens: Sequence[int] = TOKENS
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a layer, form and number of tokens, and the fitted slopes and crossovers in words.

    Raises:
        UserError: an unknown layer.
    """
    device = torch.device(kind)
    cases: list[dict[str, Any]] = []
    notes = [
        f"forward and backward of the core, batch 1, float32, {torch.get_num_threads()} threads; "
        f"median and quartiles of {repetitions} turns",
        f"slopes: log-log fit to the last {FITTED} points; crossover: tokens at which linear becomes cheaper",
    ]
    for name in choose(list(LAYERS), rows or _DEFAULT):
        series = _measure_layer(name, LAYERS[name], device, repetitions, tokens)
        cases += series
        notes += list(_describe(name, LAYERS[name], series))
    left_out = sorted({tokens_ for tokens_ in tokens for name in LAYERS if _too_large(LAYERS[name], tokens_)})
    if left_out:
        notes.append("full attention is left out where its weights would not fit into 6 GiB")
    return cases, notes


def _measure_layer(
    name: str, layer: Layer, device: torch.device, repetitions: int, tokens: Sequence[int]
) -> list[dict[str, Any]]:
    cases = []
    for n in tokens:
        forms = [form for form in FORMS if form == "linear" or not _too_large(layer, n)]
        works: Mapping[str, Callable[[], object]] = {form: _make_work(form, layer, n, device) for form in forms}
        seconds = time_in_turns(works, repetitions, device)
        for form, work in works.items():
            low, median, high = quartiles([1e3 * second for second in seconds[form]])
            case = {"case": f"{name}/{form}/{n}", "layer": name, "form": form, "tokens": n}
            case |= {"mmacs": layer.macs(form, n) / 1e6, "ms": median, "ms_q1": low, "ms_q3": high}
            cases.append(case | {"n": repetitions, "peak_mb": peak_bytes(work, device) / 1e6})
    return [{k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in case.items()} for case in cases]


def _make_work(form: str, layer: Layer, tokens: int, device: torch.device) -> Callable[[], object]:
    torch.manual_seed(0)
    depths = (layer.key, layer.key, layer.value)
    inputs = [
        torch.randn(1, layer.heads, tokens, depth // layer.heads, device=device, requires_grad=True) for depth in depths
    ]
    return partial(_run, FORMS[form], inputs)


def _run(attend: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    torch.autograd.grad(attend(*inputs).sum(), inputs)


def _too_large(layer: Layer, tokens: int) -> bool:
    return _WEIGHTS_HELD * 4 * layer.heads * tokens**2 > _LARGEST_BYTES


def fit_slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of log y over log x by least squares: the exponent of a power law."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    middle_x, middle_y = (math.fsum(values) / len(logs) for values in zip(*logs, strict=True))
    across = math.fsum((x - middle_x) ** 2 for x, _ in logs)
    return math.fsum((x - middle_x) * (y - middle_y) for x, y in logs) / across


def find_crossover(full: Mapping[int, float], linear: Mapping[int, float]) -> float | None:
    """Return where the two curves cross for the last time, interpolated on log axes; None where they do not.

    Above the crossover ``linear`` is the lower one.
    """
    shared = sorted(set(full) & set(linear))
    gaps = [(math.log(n), math.log(full[n] / linear[n])) for n in shared]
    for (x0, y0), (x1, y1) in zip(reversed(gaps[:-1]), reversed(gaps[1:]), strict=True):
        if y0 <= 0 < y1:
            return math.exp(x0 + (x1 - x0) * -y0 / (y1 - y0))
    return None


def list_series(cases: Sequence[dict[str, Any]], layer: str, metric: str) -> dict[str, dict[int, float]]:
    """Return by form the measured ``metric`` over the number of tokens."""
    series: dict[str, dict[int, float]] = {}
    for case in cases:
        if case["layer"] == layer:
            series.setdefault(case["form"], {})[case["tokens"]] = case[metric]
    return series


def _describe(name: str, layer: Layer, cases: Sequence[dict[str, Any]]) -> list[str]:
    sentences = []
    for metric, word in (("mmacs", "counted"), ("ms", "time"), ("peak_mb", "memory")):
        series = list_series(cases, name, metric)
        slopes = [
            f"{form} {fit_slope(list(points.items())[-FITTED:]):.2f}"
            for form, points in series.items()
            if len(points) >= FITTED and (metric != "mmacs" or form != "fused")
        ]
        if metric == "mmacs":
            crossing = f"{layer.crossover:.4g}"
        else:
            found = find_crossover(series["full"], series["linear"])
            first = min(series["full"])
            below = series["linear"][first] < series["full"][first]
            crossing = f"{found:.3g}" if found else f"below {first}" if below else "not in the range"
        sentences.append(f"{name}, {word}: slopes {', '.join(slopes)}; crossover at {crossing} tokens")
    return sentences
