"""Suite ``san``: whole networks, evaluation and training step, against the same by unfold, on CUDA also by the chain.

    attnrepro bench --gpu --suite san [--rows san10,ece176] [--plot roofline.svg]

SAN10, SAN15 and SAN19 at 224 pixels, the scenes and ECE 176 sizes, and every SAN row of the recipes. Bytes and FLOPs
are counted (`traffic`): the attention as it is designed here, the rest as plain operators run it.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproduce.bench.counted_cost import FLOAT, PHASES, Cost, Layer, count, count_block_rest, eager_bytes
from reproduce.bench.report import choose, describe, fill_times
from reproduce.bench.rivals import contest, measure_each
from reproduce.bench.roofline import Roof
from reproduce.bench.unfold import CHAIN, UNFOLD, Formulation, attending_by
from reproduce.models.networks import build
from reproduce.recipes.architectures import San
from reproduce.recipes.registry import ENTRIES, resolve
from reproduce.training.optimiser import make_optimiser

_PIXELS = 64 * 224**2  # of a batch at most: the unfold form holds k * k values a pixel and channel
_ERROR = "error: logits at evaluation against the unfold form in float64"
# Without a choice the CPU measures the networks that take minutes together; the others by name.
_CPU_ROWS = ("san10-", "scenes", "ece176", "san-pair", "san-patch")


def list_networks() -> dict[str, tuple[San, int]]:
    """Return specification and training batch of every SAN row: the recipe's batch, or what many pixels leave of it."""
    found: dict[str, tuple[San, int]] = {}
    for row in ENTRIES:
        recipe = resolve(row)
        if isinstance(recipe.model, San):
            found[row] = recipe.model, min(recipe.batch_size, _PIXELS // recipe.model.image_size**2)
    return found


def list_layers(spec: San, batch: int) -> list[tuple[Layer, int]]:
    """Return each stage's (or pass's) attention layer and how many blocks have it."""
    found = []
    for s, (C, side) in enumerate(zip(spec.widths, spec.sides(), strict=True)):
        own = 0 if spec.hierarchical else s
        r, mid, shared = spec.channels(C)
        found.append((Layer(batch, side, spec.kernels[own], C, r, mid, shared), spec.layers[own]))
    return found


def count_network(spec: San, batch: int, phase: str) -> tuple[Cost, int]:
    """Return the cost of a pass (eval) or a step without its optimiser (train), and the bytes of the unfold form."""
    cost = twin = Cost(0, 0)
    for layer, blocks in list_layers(spec, batch):
        rest = count_block_rest(layer, phase)
        cost = cost.plus(count(spec.attention, layer, phase), blocks).plus(rest, blocks)
        twin = twin.plus(Cost(eager_bytes(spec.attention, layer, phase), 0), blocks).plus(rest, blocks)
    ends = _count_ends(spec, batch, phase)
    return cost.plus(ends), twin.plus(ends).bytes


def _count_ends(spec: San, batch: int, phase: str) -> Cost:
    """Return the cost of stem, pools, transitions, stage norms and logits."""
    pixels, channels = batch * spec.image_size**2, spec.stem
    floats, products = pixels * (3 + 5 * channels), pixels * 3 * channels  # read, write, BatchNorm and ReLU twice
    for C, side in zip(spec.widths, spec.sides(), strict=True):
        after = batch * side**2
        floats += channels * (pixels + after) if after < pixels else 0
        if spec.transitions:
            floats, products = floats + after * (channels + 5 * C), products + after * channels * C
        pixels, channels = after, C
    floats, products = floats + pixels * channels, products + batch * channels * spec.classes
    times = 3 if phase == "train" else 1
    return Cost(FLOAT * floats * times, 2 * products * times)


def plan(kind: str, rows: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the cases that ``rows`` (parts of names) choose, with what they cost by the formulas."""
    networks = list_networks()
    names = [f"{row}/{phase}" for row in networks for phase in PHASES]
    chosen = choose(names, rows or (None if kind == "cuda" else _CPU_ROWS))
    cases = []
    for name in chosen:
        row, phase = name.rsplit("/", 1)
        spec, batch = networks[row]
        batch = batch if kind == "cuda" else max(1, min(batch, 8 * 32**2 // spec.image_size**2))
        cost, twin = count_network(spec, batch, phase)
        cases.append({"case": name, "batch": batch, "image_size": spec.image_size, "cost": cost, "twin_bytes": twin})
    return cases


def measure(
    kind: str, rows: Sequence[str] | None, repetitions: int, roof: Roof, chain: bool | None = None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a network and phase, and what to know when reading them; what failed is said there.

    With ``chain``, by default on CUDA, the network is measured against the published chain of operations, too.
    """
    device, networks, chained = torch.device(kind), list_networks(), kind == "cuda" if chain is None else chain

    def measure_case(case: dict[str, Any]) -> dict[str, Any]:
        row, phase = case["case"].rsplit("/", 1)
        return _measure_case(case, networks[row][0], phase, roof, device, repetitions, chained)

    cases, failures = measure_each(plan(kind, rows), measure_case)
    return cases, [*describe(roof, repetitions), _ERROR, *failures]


def _measure_case(
    planned: dict[str, Any],
    spec: San,
    phase: str,
    roof: Roof,
    device: torch.device,
    repetitions: int,
    chained: bool,
) -> dict[str, Any]:
    torch.manual_seed(0)
    model, size = build(spec).to(device).train(phase == "train"), spec.image_size
    image = torch.randn(planned["batch"], 3, size, size, device=device)
    error = _deviation(model, image[:2])
    ours = _make_step(model, image) if phase == "train" else lambda: _evaluate(model, image)
    ways: dict[str, Callable[[], object]] = {"ours": ours, "twin": _attend_by(UNFOLD, ours)}
    if chained:
        ways["chain"] = _attend_by(CHAIN, ours)
    seconds, peaks = contest(ways, repetitions, device)
    return fill_times(planned, roof, seconds, peaks) | {"error": error}


def _attend_by(formulation: Formulation, work: Callable[[], object]) -> Callable[[], object]:
    def work_so() -> object:
        with attending_by(formulation):
            return work()

    return work_so


@torch.no_grad()
def _evaluate(model: nn.Module, image: Tensor) -> Tensor:
    return cast(Tensor, model(image))


def _make_step(model: nn.Module, image: Tensor) -> Callable[[], object]:
    optimiser = make_optimiser(model, resolve("san-pair", changes={"optimiser.lr": 1e-6}).optimiser)
    label = torch.zeros(len(image), dtype=torch.int64, device=image.device)

    def step() -> object:
        loss = F.cross_entropy(model(image), label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return loss

    return step


def _deviation(model: nn.Module, image: Tensor) -> float:
    """Return the largest deviation of the logits from float64, relative to the largest logit."""
    was_training = model.training
    ours = _evaluate(model.eval(), image).double()
    with attending_by(UNFOLD):
        theirs = _evaluate(model.double(), image.double())
    model.float().train(was_training)
    return float((ours - theirs).abs().max() / theirs.abs().max())
