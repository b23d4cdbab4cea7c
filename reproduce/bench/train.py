"""Suite ``train``: a training step of each row at paper scale, the rate it reaches and the hours it predicts.

    attnrepro bench --gpu --suite train [--rows vit,learned]

The trainer's own steps (augmentation, forward, backward, optimiser) on random images that are on the device already.
FLOPs are those that one step executes, counted; the peak is a 1024 x 1024 (CUDA: 8192 x 8192) product in the same
precision, measured in the same run. Hours are of the paper's recipe: its images, its epochs, nothing for evaluation.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from reproduce.bench.report import choose
from reproduce.bench.timing import quartiles, time_in_turns
from reproduce.data.dataset import Dataset, Split
from reproduce.data.identity import Source
from reproduce.launch import measure_rate
from reproduce.recipe import Recipe, override
from reproduce.recipes import TABLES, resolve
from reproduce.run import Run
from reproduce.train import Trainer

_TABLES = ("accuracy", "heads", "hierarchical")
_STEPS = {"cpu": 1, "cuda": 20}  # steps in one measured turn
_BATCH = {"cpu": 8, "cuda": 10**6}  # at most: a paper batch takes a CPU half a minute
_TRAIN_IMAGES = {"cifar10": 50_000, "cifar100": 50_000, "tiny-imagenet": 98_179, "intel-scenes": 14_034}


def list_rows() -> list[str]:
    """Return the rows of Tables 1 to 3."""
    return list(dict.fromkeys(row for name in _TABLES for row in TABLES[name].rows))


def measure(kind: str, rows: Sequence[str] | None, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a row and precision, and the hours that each table takes in words.

    Raises:
        UserError: a row that does not exist.
    """
    device = torch.device(kind)
    precisions = ["fp32", *(["tf32"] if kind == "cuda" else []), *(["bf16"] if multiplies_halves(device) else [])]
    peaks = {precision: measure_peak(device, precision) for precision in precisions}
    names = choose(list_rows(), None) if rows is None else [resolve(row).row for row in rows]
    cases = [
        _measure_row(resolve(name), precision, device, peaks[precision], repetitions)
        for name in names
        for precision in precisions
    ]
    notes = [
        f"median and quartiles of {repetitions} turns of {_STEPS[kind]} steps; {torch.get_num_threads()} threads; "
        + "; ".join(f"{name} product {rate / 1e12:.3g} TFLOP/s" for name, rate in peaks.items()),
        "hours: images and epochs of the paper's recipe at the measured rate, evaluation left out",
        *_total_tables(cases, precisions),
    ]
    return cases, notes


def multiplies_halves(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware."""
    return device.type == "cuda" or bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def measure_peak(device: torch.device, precision: str) -> float:
    """Return the FLOP/s of a large square product on ``device`` in ``precision``."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    return measure_rate(device, precision, side=8192 if device.type == "cuda" else 1024)


def _measure_row(recipe: Recipe, precision: str, device: torch.device, peak: float, repetitions: int) -> dict[str, Any]:
    steps = _STEPS[device.type]
    batch = min(recipe.batch_size, _BATCH[device.type])
    trainer = make_trainer(override(recipe, {"batch_size": batch}), precision, device, steps)
    with FlopCounterMode(display=False) as counter:
        trainer.step_through(1)
    flops_an_image = counter.get_total_flops() / (steps * batch)
    seconds = time_in_turns({"step": lambda: trainer.step_through(1)}, repetitions, device)["step"]
    low, median, high = quartiles([1e3 * second / steps for second in seconds])
    rate = 1e3 * batch / median
    images = _TRAIN_IMAGES.get(recipe.data.name, 50_000) * (1 - recipe.data.holdout)
    case = {
        "case": f"{recipe.row}/{precision}", "row": recipe.row, "precision": precision, "batch": batch,
        "ms": median, "ms_q1": low, "ms_q3": high, "n": repetitions, "images_per_s": rate,
        "gflop_per_image": flops_an_image / 1e9, "tflop_per_s": rate * flops_an_image / 1e12,
        "peak_share": rate * flops_an_image / peak, "hours": images * recipe.total_epochs / rate / 3600,
    }  # fmt: skip
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in case.items()}


def make_trainer(recipe: Recipe, precision: str, device: torch.device, steps: int) -> Trainer:
    """Return a trainer of ``steps`` batches of random images; nothing of it is written anywhere."""
    size, classes = recipe.model.image_size, recipe.model.classes
    count = steps * recipe.batch_size
    drawn = torch.Generator().manual_seed(0)
    images_N3HW = torch.randint(0, 256, (count, 3, size, size), generator=drawn, dtype=torch.uint8)
    split = Split(images_N3HW, torch.arange(count) % classes)
    source = Source("random", "shapes", "0" * 64, None, size, tuple(map(str, range(classes))))
    whole = replace(recipe, data=replace(recipe.data, holdout=0.0))
    run = Run(recipe=whole, source=source, precision=precision)
    return Trainer(run, Dataset(source, split, split), device)


def _total_tables(cases: Sequence[dict[str, Any]], precisions: Sequence[str]) -> list[str]:
    hours = {(case["row"], case["precision"]): case["hours"] for case in cases}
    sentences = []
    for name in _TABLES:
        rows = TABLES[name].rows
        if all((row, precisions[0]) in hours for row in rows):
            each = ", ".join(f"{p} {sum(hours[row, p] for row in rows):.3g} h" for p in precisions)
            sentences.append(f"table {name}, one seed: {each}")
    return sentences
