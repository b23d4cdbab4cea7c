"""Suite ``kernels``: the local-attention operators against the unfold formulation, at the sizes of the studies.

    attnrepro bench --cpu --suite kernels [--rows aggregation,cifar-16] [--plot roofline.svg]

On CUDA the attentions are measured against the published chain of operations, too. All take turns in one process.
Bytes and FLOPs are counted (`traffic`), the roofline is this device's in this run.
"""

from collections.abc import Sequence
from typing import Any

import torch

from reproduce.bench.counted_cost import OPERATORS, PHASES, Layer, count, eager_bytes
from reproduce.bench.moved import moved_gbyte
from reproduce.bench.operator_case import Problem
from reproduce.bench.report import choose, describe, fill_times
from reproduce.bench.rivals import contest, measure_each
from reproduce.bench.roofline import Roof

_SAN10 = [(112, 3, 64), (56, 7, 256), (28, 7, 512), (14, 7, 1024), (7, 7, 2048)]  # side at 224 pixels, k, C
_CPU_BATCH = 2
_CHAINED = ("pairwise", "patchwise")  # a single operator is its own chain
_SETTLED = "every counted call follows an uncounted one of the same way, so neither finds the heap as the other left it"


def list_layers(kind: str) -> dict[str, Layer]:
    """Return the layers by name; off CUDA batches are small, so that all of them take minutes."""
    gpu = kind == "cuda"

    def layer(batch: int, side: int, kernel: int, C: int) -> Layer:
        return Layer(batch, side, kernel, C, C // 16, C // 4, C // 32)

    found = {f"san10-stage{i}": layer(64 if gpu else _CPU_BATCH, *sizes) for i, sizes in enumerate(_SAN10)}
    found["ece-k3"] = layer(512 if gpu else _CPU_BATCH, 32, 3, 128)
    found["ece-k7"] = layer(512 if gpu else _CPU_BATCH, 32, 7, 128)
    found["scenes-stage1"] = layer(64 if gpu else _CPU_BATCH, 37, 7, 256)
    found["cifar-16"] = layer(32, 16, 3, 256)
    found["cifar-32"] = layer(32, 32, 3, 256)
    found["map-56"] = layer(64 if gpu else 8, 56, 7, 256)
    return found


def plan(kind: str, rows: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the cases that ``rows`` (parts of names) choose, with what they cost by the formulas."""
    layers = list_layers(kind)
    names = [f"{operator}/{layer}/{phase}" for layer in layers for operator in OPERATORS for phase in PHASES]
    cases = []
    for name in choose(names, rows):
        operator, layer, phase = name.split("/")
        cost = count(operator, layers[layer], phase)
        twin = eager_bytes(operator, layers[layer], phase)
        case = {"case": name, "batch": layers[layer].batch, "cost": cost, "twin_bytes": twin}
        moved = moved_gbyte(operator, layers[layer], phase) if kind == "cuda" else None
        cases.append(case if moved is None else case | {"moved_gbyte": moved})
    return cases


def measure(
    kind: str, rows: Sequence[str] | None, repetitions: int, roof: Roof, chain: bool | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case an operator, layer and phase, and what to know when reading them; what failed is said there.

    With ``chain``, by default on CUDA, the attentions are measured against the published chain of operations, too.
    """
    device, layers, chained = torch.device(kind), list_layers(kind), kind == "cuda" if chain is None else chain
    cases, failures = measure_each(
        plan(kind, rows), lambda case: _measure_case(case, layers, roof, device, repetitions, chained)
    )
    return cases, [*describe(roof, repetitions), *([_SETTLED] if kind == "cpu" else []), *failures]


def _measure_case(
    planned: dict[str, Any],
    layers: dict[str, Layer],
    roof: Roof,
    device: torch.device,
    repetitions: int,
    chained: bool,
) -> dict[str, Any]:
    operator, layer, phase = planned["case"].split("/")
    problem = Problem(operator, layers[layer], phase, device)
    ways = {"ours": lambda: problem.run("fused"), "twin": lambda: problem.run("unfold")}
    if chained and operator in _CHAINED:
        ways["chain"] = lambda: problem.run("chain")
    seconds, peaks = contest(ways, repetitions, device, warmups=2, settle=1)
    return fill_times(planned, roof, seconds, peaks) | {"error": problem.error()}
