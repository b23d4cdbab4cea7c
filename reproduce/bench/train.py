"""Suite ``train``: a training step of each row at paper scale, the rate it reaches and the hours it predicts.

    attnrepro bench --gpu --suite train --rows vit,learned/bf16,learned/graphed     words of a case, some or all

The trainer's own steps (augmentation, forward, backward, optimiser) on random images that are on the device already.
FLOPs are those that one step executes, counted; the peak is a 1024 x 1024 (CUDA: 8192 x 8192) product in the same
precision, measured in the same run. Hours are of the paper's recipe: its images, its epochs, nothing for evaluation.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from reproduce.bench.timing import quartiles, time_in_turns
from reproduce.console.output import say
from reproduce.data.cards import CARDS
from reproduce.errors import UserError
from reproduce.recipes.recipe import EXECUTIONS, Recipe
from reproduce.recipes.registry import TABLES, resolve
from reproduce.recipes.settings import override
from reproduce.training.estimate import make_trainer, measure_rate

_TABLES = ("accuracy", "heads", "hierarchical")
_EXECUTIONS = {"cpu": ("eager",), "cuda": EXECUTIONS}
_STEPS = {"cpu": 1, "cuda": 20}  # steps in one measured turn
_MANY = 20  # cases: more of them, compilations included, may well be longer than ten minutes
_BATCH = {"cpu": 8, "cuda": 10**6}  # at most: a paper batch takes a CPU half a minute


def list_rows() -> list[str]:
    """Return the rows of Tables 1 to 3."""
    return list(dict.fromkeys(row for name in _TABLES for row in TABLES[name].rows))


def choose_cases(kind: str, precisions: Sequence[str], asked: Sequence[str] | None) -> list[tuple[Recipe, str, str]]:
    """Return (recipe, precision, execution) of every case asked for: ``vit``, ``vit/bf16``, ``bf16/graphed``.

    What a request leaves open is all there is: rows are then those of Tables 1 to 3.

    Raises:
        UserError: a word that is none of the three, here.
    """
    cases: dict[str, tuple[Recipe, str, str]] = {}
    for request in asked or [""]:
        words = list(filter(None, request.split("/")))
        timed = [word for word in words if word in precisions] or precisions
        ways = [word for word in words if word in _EXECUTIONS[kind]] or _EXECUTIONS[kind]
        rows = [word for word in words if word not in (*precisions, *_EXECUTIONS[kind])] or list_rows()
        for recipe, precision, execution in itertools.product(map(resolve, rows), timed, ways):
            cases[f"{recipe.row}/{precision}/{execution}"] = recipe, precision, execution
    return list(cases.values())


def measure(kind: str, rows: Sequence[str] | None, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a row, precision and execution, and the hours that each table takes in words.

    Raises:
        UserError: as `choose_cases`.
    """
    device = torch.device(kind)
    precisions = ["fp32", *(["tf32"] if kind == "cuda" else []), *(["bf16"] if multiplies_halves(device) else [])]
    chosen = choose_cases(kind, precisions, rows)
    if len(chosen) > _MANY:
        say(
            f"{len(chosen)} cases, each with a network to build, and some to compile: it may well take hours; choose"
            " words of ROW/PRECISION/EXECUTION, as in --rows vit/bf16,learned/graphed"
        )
    peaks = {precision: measure_peak(device, precision) for precision in precisions}
    cases, failures = [], []
    for recipe, precision, execution in chosen:
        try:
            cases.append(_measure_row(recipe, precision, execution, device, peaks[precision], repetitions))
        except (UserError, torch.OutOfMemoryError) as error:  # the next case may well work
            failures.append(f"{recipe.row}/{precision}/{execution}: {error}")
    notes = [
        f"median and quartiles of {repetitions} turns of {_STEPS[kind]} steps; {torch.get_num_threads()} threads; "
        + "; ".join(f"{name} product {rate / 1e12:.3g} TFLOP/s" for name, rate in peaks.items()),
        "hours: images and epochs of the paper's recipe at the measured rate, evaluation left out",
        *_total_tables(cases),
        *failures,
    ]
    return cases, notes


def multiplies_halves(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware."""
    return device.type == "cuda" or bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def measure_peak(device: torch.device, precision: str) -> float:
    """Return the FLOP/s of a large square product on ``device`` in ``precision``."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return measure_rate(device, precision, side=8192 if device.type == "cuda" else 1024)


def count_flops(recipe: Recipe, precision: str, device: torch.device, steps: int) -> int:
    """Return the FLOPs of ``steps`` training steps: products only, those of our own kernels by their formulas."""
    from reproduce.kernels import flops  # noqa: F401  (tells the counter of our operators)
    from reproduce.kernels.backend import without_twins  # which multiply value by value, and that is not counted

    # the counter sees operators, not what they were compiled to
    with without_twins(), FlopCounterMode(display=False) as counter:
        make_trainer(recipe, precision, device, steps).step_through(1)
    return counter.get_total_flops()


def _measure_row(
    recipe: Recipe, precision: str, execution: str, device: torch.device, peak: float, repetitions: int
) -> dict[str, Any]:
    steps = _STEPS[device.type]
    batch = min(recipe.batch_size, _BATCH[device.type])
    recipe = override(recipe, {"batch_size": batch})
    flops_an_image = count_flops(recipe, precision, device, steps) / (steps * batch)
    trainer = make_trainer(recipe, precision, device, steps, execution)
    seconds = time_in_turns({"step": lambda: trainer.step_through(1)}, repetitions, device)["step"]
    low, median, high = quartiles([1e3 * second / steps for second in seconds])
    rate = 1e3 * batch / median
    images = CARDS[recipe.data.name].count(drop_grey=recipe.data.drop_grey)[0] * (1 - recipe.data.holdout)
    case = {
        "case": f"{recipe.row}/{precision}/{execution}", "row": recipe.row, "precision": precision,
        "execution": execution, "batch": batch,
        "ms": median, "ms_q1": low, "ms_q3": high, "n": repetitions, "images_per_s": rate,
        "gflop_per_image": flops_an_image / 1e9, "tflop_per_s": rate * flops_an_image / 1e12,
        "peak_share": rate * flops_an_image / peak, "hours": images * recipe.total_epochs / rate / 3600,
    }  # fmt: skip
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in case.items()}


def _total_tables(cases: Sequence[dict[str, Any]]) -> list[str]:
    """Say for each table, precision and execution how long its rows take together."""
    hours: dict[tuple[str, str], dict[str, float]] = {}
    for case in cases:
        hours.setdefault((case["precision"], case["execution"]), {})[case["row"]] = case["hours"]
    sentences = []
    for name in _TABLES:
        rows = TABLES[name].rows
        each = [
            f"{precision} {execution} {sum(found[row] for row in rows):.3g} h"
            for (precision, execution), found in hours.items()
            if all(row in found for row in rows)
        ]
        if each:
            sentences.append(f"table {name}, one seed: {', '.join(each)}")
    return sentences
