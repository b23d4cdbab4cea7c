"""Doing runs: how long they may take, training them, measuring what they cost, one row of the ledger each.

session = Session(device=choose_device("auto"))
row = session.finish(run, command="attnrepro train vit")
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from reproduce import ledger, manifest
from reproduce.data.dataset import load
from reproduce.data.identity import Source
from reproduce.errors import UserError
from reproduce.measure import mean_latency_ms, peak_memory_mb, reset_peak_memory
from reproduce.models import build, count_macs, count_parameters
from reproduce.run import Run
from reproduce.train import Progress, train


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is the first CUDA device, or the CPU.

    Raises:
        UserError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"device '{name}' cannot be used here ({reason[:100]})", "try --device cpu") from None
    return device


@dataclass
class Session:
    """How runs are done: where, whether they go on from a checkpoint, when they stop, whether a bar is shown."""

    device: torch.device
    resume: bool = True
    max_minutes: float | None = None
    quiet: bool = False

    def estimate_seconds(self, run: Run) -> float:
        """Return a rough time for ``run``: its multiply-accumulates at half of the product rate measured just now.

        Three passes' worth of products an image in training, one in evaluation.
        """
        recipe = run.recipe
        macs = count_macs(build(recipe.model), recipe.model.image_size)
        images = recipe.data.train_limit or _count_images(run.source)
        flops = 2.0 * macs * 3.0 * images * recipe.total_epochs
        return flops / (0.5 * measure_rate(self.device, run.precision))

    def finish(self, run: Run, command: str) -> dict[str, Any] | None:
        """Train ``run`` to the end, measure what it costs, append its row to the ledger and return the row.

        Returns None where ``max_minutes`` ended it first; the same command goes on from there.

        Raises:
            UserError: the training loss is no longer finite (the row says ``diverged``), or files cannot be written.
        """
        dataset = load(run.source, run.recipe.data)
        record = self._open_record(run, command)
        reset_peak_memory(self.device)
        with _bar(run, self.quiet) as bar:
            model, progress = train(
                run,
                dataset,
                device=self.device,
                resume=self.resume,
                max_minutes=self.max_minutes,
                on_epoch=bar.end_epoch,
                on_step=bar.end_step,
            )
        if progress.epoch < run.recipe.total_epochs and not progress.diverged:
            return None
        row = self._measure(run, model, progress) | record
        ledger.append(row)
        if progress.diverged:
            raise UserError(
                f"{run.run_id} diverged in epoch {progress.epoch}: its loss is no longer finite",
                f"its last good state is {run.folder / 'last.pt'}; try a smaller --set optimiser.lr",
            )
        return row

    def _open_record(self, run: Run, command: str) -> dict[str, Any]:
        recipe = run.recipe
        facts = manifest.collect(
            recipe, run.source.name, run.source.sha256, run.seed, run.precision, str(self.device), command
        )
        manifest.write(facts, run.folder)
        git = facts["git"]
        return {
            "run_id": run.run_id,
            "row": recipe.row,
            "table": recipe.table,
            "budget": recipe.budget,
            "variant": recipe.variant,
            "scale": recipe.scale,
            "dataset": run.source.name,
            "data_sha256": run.source.sha256,
            "recipe_sha256": recipe.sha256(),
            "seed": run.seed,
            "precision": run.precision,
            "device": describe_device(self.device),
            "torch": torch.__version__,
            "cuda": torch.version.cuda if self.device.type == "cuda" else None,
            "cupy": facts["versions"].get("cupy") if self.device.type == "cuda" else None,
            "git": f"{git['commit'][:12]}{'+' if git.get('dirty') is True else ''}",
            "started": facts["started"],
            "checkpoint": str(run.folder / "best.safetensors"),
        }

    def _measure(self, run: Run, model: nn.Module, progress: Progress) -> dict[str, Any]:
        evaluated = [line for line in progress.history if line.get("test_top1") is not None]
        last = evaluated[-1] if evaluated else {}
        size = run.recipe.model.image_size
        peak = peak_memory_mb(self.device)
        full = run.recipe.budget != "smoke"
        return {
            "epochs": progress.epoch,
            "top1_last": last.get("test_top1"),
            "top1_best": max((line["test_top1"] for line in evaluated if line["test_top1"]), default=None),
            "top1_val_selected": progress.selected["test_top1"] if progress.selected else None,
            "top5_last": last.get("test_top5"),
            "loss_last": last.get("test_loss"),
            "params": count_parameters(model),
            "macs": count_macs(model, size),
            "latency_ms": None
            if progress.diverged
            else mean_latency_ms(model, size, full=full, precision=run.precision),
            "train_seconds": round(progress.seconds, 3),
            "images_per_second": round(progress.images / progress.seconds, 2),
            "peak_memory_mb": round(peak, 1),
            "status": "diverged" if progress.diverged else "done",
        }


def describe_device(device: torch.device) -> str:
    """Return the device as the ledger names it: the GPU's name, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def measure_rate(device: torch.device, precision: str) -> float:
    """Return the FLOP/s of a 1024 x 1024 x 1024 product on ``device``, the best of a few."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(1024, 1024, device=device).to(dtype)
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * 1024**3 / best


def _count_images(source: Source) -> int:
    known = {"shapes": 5_000, "imagenet": 1_281_167, "tiny-imagenet": 100_000}
    return known.get(source.name, 50_000)


class _Bar:
    """A tqdm bar over the steps of a run, or one line an epoch where the output is not a terminal."""

    def __init__(self, run: Run, bar: "tqdm[Any] | None", quiet: bool) -> None:
        self.name = f"{run.recipe.row} seed {run.seed}"
        self.epochs = run.recipe.total_epochs
        self.bar, self.quiet = bar, quiet

    def end_step(self, epoch: int, step: int, steps: int) -> None:
        """Show one more step."""
        if self.bar is None:
            return
        self.bar.total = steps * self.epochs
        self.bar.n = (epoch - 1) * steps + step
        self.bar.update(0)

    def end_epoch(self, progress: Progress, epochs: int) -> None:
        """Show what the epoch brought."""
        line = progress.history[-1]
        top1 = line.get("test_top1")
        brought = f"loss {line['train_loss']:.3f}" + ("" if top1 is None else f", test top-1 {top1:.3f}")
        if self.bar is not None:
            self.bar.set_postfix_str(brought)
        elif not self.quiet:
            print(f"{self.name}: epoch {progress.epoch}/{epochs}, {brought}", file=sys.stderr, flush=True)


@contextmanager
def _bar(run: Run, quiet: bool) -> Iterator[_Bar]:
    if quiet or not sys.stderr.isatty():
        yield _Bar(run, None, quiet)
        return
    name = f"{run.recipe.row} seed {run.seed}"
    with tqdm(desc=name, unit="step", dynamic_ncols=True, leave=False, mininterval=0.2) as bar:
        yield _Bar(run, bar, quiet)


ASK_SECONDS = 600.0


def finish_all(
    session: Session, runs: list[Run], command: str, *, agree: Callable[[str], bool]
) -> list[dict[str, Any] | None]:
    """Do ``runs`` one after the other and return their rows; asks first where they may take over ten minutes.

    Raises:
        UserError: the question was answered with no.
    """
    if runs:
        seconds = sum(session.estimate_seconds(run) for run in runs)
        if seconds > ASK_SECONDS and not agree(describe_duration(seconds)):
            raise UserError(
                f"{len(runs)} runs of about {describe_duration(seconds)} were not started",
                "add --yes to start them, or --budget smoke for a quick look",
            )
    return [session.finish(run, command) for run in runs]


def describe_duration(seconds: float) -> str:
    """Return seconds as a person says them: ``40 s``, ``12 min``, ``3.5 h``, ``6 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
