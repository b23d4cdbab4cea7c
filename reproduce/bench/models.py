"""Suite ``models``: the attention rows' fast path against the naive einsum form, at paper scale, in one process.

    attnrepro bench --cpu --suite models [--rows quadratic,vit]

Evaluation and training steps (forward, backward, SGD) in float32, and the fast path in bfloat16 where the machine
multiplies it in hardware. MACs of both forms beside the times: they say what the ratio could be.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from reproduce.bench.timing import ratios, time_in_turns
from reproduce.errors import UserError
from reproduce.models.networks import attention_layers, build, count_macs, use_path
from reproduce.recipes.registry import find_entry, resolve
from reproduce.training.optimiser import make_optimiser
from reproduce.training.precision import arithmetic

ROWS = ("quadratic", "quadratic-aniso", "learned", "learned-content", "learned-content-ha", "vit", "vit-ha")
_BATCH = {"cpu": 16, "cuda": 100}


def measure(kind: str, rows: Sequence[str] | None, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a row and phase (eval, train), and what to know when reading them."""
    device = torch.device(kind)
    halves = kind == "cuda" or bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    cases = []
    for row in rows or ROWS:
        model = build(resolve(find_entry(row).recipe.row).model).to(device)
        if not any(True for _ in attention_layers(model)):
            raise UserError(f"row '{row}' has no naive form to measure against", f"choose from: {', '.join(ROWS)}")
        macs = {path: count_macs(use_path(model, path), 32) / 1e9 for path in ("naive", "fast")}
        for phase in ("eval", "train"):
            cases.append(_measure_case(model, row, phase, macs, device, halves, repetitions))
    notes = [
        f"ratio = naive fp32 / fast, median (min..max) of {repetitions} turns in one process; "
        f"batch {_BATCH[kind]}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "GMAC: multiply-accumulates of one image's inference; the training step merges weights once a step",
    ]
    if not halves:
        notes.append("bf16 is not in this processor's hardware and was not measured")
    return cases, notes


def _measure_case(
    model: nn.Module,
    row: str,
    phase: str,
    macs: dict[str, float],
    device: torch.device,
    halves: bool,
    repetitions: int,
) -> dict[str, Any]:
    image = torch.randn(_BATCH[device.type], 3, 32, 32, device=device)
    label = torch.zeros(len(image), dtype=torch.int64, device=device)
    forms = {"naive": ("naive", "fp32"), "fast": ("fast", "fp32")} | ({"bf16": ("fast", "bf16")} if halves else {})
    step = _evaluate_step if phase == "eval" else _train_step
    contestants = {name: step(model, image, label, *form) for name, form in forms.items()}
    seconds = time_in_turns(contestants, repetitions, device)
    case: dict[str, Any] = {"row": row, "phase": phase, "gmac_naive": macs["naive"], "gmac_fast": macs["fast"]}
    case |= {"batch": len(image), "n": repetitions}
    case["macs_ratio"] = macs["naive"] / macs["fast"]
    case["naive_ms"] = 1e3 * sorted(seconds["naive"])[repetitions // 2]
    for name in [name for name in forms if name != "naive"]:
        median, low, high = ratios(seconds["naive"], seconds[name])
        case[f"{name}_ratio"] = round(median, 3)
        case[f"{name}_range"] = f"{low:.2f}..{high:.2f}"
    return case


def _evaluate_step(
    model: nn.Module, image: torch.Tensor, label: torch.Tensor, path: str, precision: str
) -> Callable[[], object]:
    del label

    def step() -> object:
        use_path(model, path).eval()
        with torch.no_grad(), arithmetic(precision, image.device):
            return model(image)

    return step


def _train_step(
    model: nn.Module, image: torch.Tensor, label: torch.Tensor, path: str, precision: str
) -> Callable[[], object]:
    optimiser = make_optimiser(model, resolve("quadratic", changes={"optimiser.lr": 1e-6}).optimiser)

    def step() -> object:
        use_path(model, path).train()
        with arithmetic(precision, image.device):
            logits = model(image)
        loss = F.cross_entropy(logits.float(), label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return loss

    return step
