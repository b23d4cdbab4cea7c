"""Training: one loop for every row, a checkpoint an epoch, and a resumed run that is the unbroken one.

    history = train(run, dataset, device=torch.device("cpu"))

Everything random in an epoch is drawn from (seed, epoch), so an epoch that is run again after an interruption gives
the same weights bit for bit on the same CPU and build.
"""

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from reproduce.console.options import RunOptions
from reproduce.console.signals import hold_signals
from reproduce.data.batches import Batches
from reproduce.data.dataset import Dataset, hold_out
from reproduce.data.rng import seed_global
from reproduce.errors import UserError
from reproduce.models.networks import build, prefers_channels_last
from reproduce.record.correct import NAME, write_correct
from reproduce.training.checkpoint import fill, load_state, save_state, save_weights
from reproduce.training.deadline import Deadline
from reproduce.training.distributed import ALONE, Ranks
from reproduce.training.evaluate import Score, evaluate
from reproduce.training.head_positions import record_positions
from reproduce.training.history import write_history
from reproduce.training.malloc import keep_freed_memory
from reproduce.training.optimiser import initialise_kaiming, make_optimiser, smoothed_cross_entropy
from reproduce.training.precision import set_products
from reproduce.training.run import Run
from reproduce.training.schedule import learning_rate
from reproduce.training.step_modes import prepare, translated

_EVALUATION_BATCH = 200


@dataclass
class Progress:
    """Where a run stands: what is written into its checkpoint besides the tensors."""

    epoch: int = 0  # the last one that is complete
    history: list[dict[str, float | None]] = field(default_factory=list)
    selected: dict[str, float] | None = None  # the epoch that validation chose
    seconds: float = 0.0  # spent in training steps
    images: int = 0
    diverged: bool = False
    right: dict[str, str] = field(default_factory=dict)  # bits in hexadecimal, by kind: see `record.correct`


Report = Callable[[Progress, int], None]
Steps = Callable[[int, int, int], None]


def train(
    run: Run,
    dataset: Dataset,
    *,
    device: torch.device,
    options: RunOptions | None = None,
    deadline: Deadline | None = None,
    on_epoch: Report | None = None,
    on_step: Steps | None = None,
    ranks: Ranks = ALONE,
) -> tuple[nn.Module, Progress]:
    """Train ``run`` to its last epoch and return the network and its progress; state is saved after every epoch.

    Args:
        run: recipe, data, seed and precision.
        dataset: the images of ``run.source``.
        device: where to train.
        options: whether to go on from the run's ``last.pt``, and how steps are carried out.
        deadline: stop after the last epoch that ends before it, or the first of all (``progress.epoch`` tells).
        on_epoch: called with the progress and the number of epochs after each one.
        on_step: called with the epoch, the step and the number of steps.
        ranks: the processes that share the run; only the first one writes.

    Raises:
        UserError: a checkpoint of another run, a folder that cannot be written, sizes that do not fit.
    """
    recipe, options = run.recipe, options or RunOptions()
    trainer = Trainer(run, dataset, device, ranks, options.execution)
    if options.resumes:
        trainer.resume()
    progress, deadline = trainer.progress, deadline or Deadline()
    try:
        while progress.epoch < recipe.total_epochs and not progress.diverged:
            begun = time.monotonic()
            trainer.run_epoch(on_step)
            if on_epoch:
                on_epoch(progress, recipe.total_epochs)
            deadline.note(time.monotonic() - begun)
            if ranks.agree(deadline.forbids_epoch()):
                break
    except KeyboardInterrupt as stop:  # Ctrl-C or SIGTERM
        saved = f"epoch {trainer.saved} of {recipe.total_epochs}" if trainer.saved else "no epoch yet"
        stop.add_note(f"{run.run_id} has saved {saved}")
        raise
    return trainer.model, progress


class Trainer:
    """A network with its optimiser and batches, one epoch at a time."""

    def __init__(
        self, run: Run, dataset: Dataset, device: torch.device, ranks: Ranks = ALONE, execution: str = "eager"
    ) -> None:
        self.run, self.device, self.ranks = run, device, ranks
        recipe = run.recipe
        set_products(run.precision, device)
        if device.type == "cpu":
            keep_freed_memory()
        seed_global(run.seed, "weights")
        self.model = build(recipe.model)
        if recipe.initialisation == "kaiming":
            initialise_kaiming(self.model)
        self.model.to(device)
        if prefers_channels_last(self.model):
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if ranks.world > 1 and recipe.eval_mode != "eval":
            raise UserError(
                f"eval_mode={recipe.eval_mode} changes the network while it is measured, in one process of several",
                "train this recipe in one process",
            )
        network = ranks.wrap(self.model, recipe.batch_statistics)
        self.execution = execution
        self.passes = prepare(execution, network, precision=run.precision, device=device, world=ranks.world)
        self.optimiser = make_optimiser(self.model, recipe.optimiser)
        self._read(dataset)
        self.progress = Progress()
        self.saved = 0  # the epoch that last.pt holds

    def _read(self, dataset: Dataset) -> None:
        """Put the images on the device, in batches for training, selection and testing."""
        recipe, innermost = self.run.recipe, prefers_channels_last(self.model)
        chosen, held_out = hold_out(dataset.train, recipe.data.holdout)
        if len(chosen) == 0:
            raise UserError(f"'{dataset.source.name}' has no training images", "choose other data, or use `eval`")
        size, mean, std = recipe.batch_size, recipe.data.mean, recipe.data.std
        self.training = Batches(
            chosen,
            size,
            mean,
            std,
            augmentation=recipe.augmentation,
            seed=self.run.seed,
            device=self.device,
            drop_last=recipe.drop_last,
            reshuffle=recipe.reshuffle,
            channels_last=innermost,
            share=(self.ranks.rank, self.ranks.world),
        )
        if len(self.training) == 0:
            raise UserError(
                f"{len(chosen)} training images do not fill a batch of {size}", "lower batch_size, or drop_last=false"
            )
        # B17 depends on how the test images fall into batches: the report uses the training batch size
        test_size = size if recipe.batch_mean_accuracy or recipe.eval_mode != "eval" else _EVALUATION_BATCH
        measured = functools.partial(
            Batches, batch_size=test_size, mean=mean, std=std, device=self.device, channels_last=innermost
        )
        self.test = measured(dataset.test)
        self.validation = measured(held_out) if held_out else None

    def resume(self) -> None:
        """Go on from ``last.pt`` where there is one."""
        path = self.run.folder / "last.pt"
        if not path.exists():
            return
        state = load_state(path, self.run.identity, self.device)
        fill(self.model, state["model"], path)
        self.optimiser.load_state_dict(state["optimiser"])
        self.progress.__dict__.update(state["progress"])
        self.saved = self.progress.epoch

    def run_epoch(self, on_step: Steps | None = None) -> None:
        """Train one epoch, evaluate where the recipe asks for it, save everything."""
        recipe, progress = self.run.recipe, self.progress
        epoch = progress.epoch + 1
        lr = self._set_rate(epoch, 0.0)
        # every process of a run its own dropout masks
        seed_global(self.run.seed, "epoch" if self.ranks.main else f"epoch.{self.ranks.rank}", epoch)
        start = time.perf_counter()
        loss, top1 = self.step_through(epoch, on_step)
        seconds = time.perf_counter() - start
        progress.epoch = epoch
        progress.seconds += seconds
        progress.images += self.training.images
        line: dict[str, float | None] = {"epoch": epoch, "lr": lr, "train_loss": loss, "train_top1": top1}
        line["seconds"] = round(seconds, 3)
        progress.diverged = not math.isfinite(loss)
        due = (epoch - 1) % recipe.evaluate_every == 0 or epoch == recipe.total_epochs
        if due and not progress.diverged and self.ranks.main:
            line |= self._evaluate(epoch)
            record_positions(self.run.folder, self.model, epoch)
        progress.history.append(line)
        if self.ranks.main:
            self._save()

    def _set_rate(self, epoch: int, done: float) -> float:
        recipe = self.run.recipe
        lr = learning_rate(recipe.schedule, lr=recipe.optimiser.lr, epochs=recipe.epochs, epoch=epoch, done=done)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        return lr

    def step_through(self, epoch: int, on_step: Steps | None = None) -> tuple[float, float]:
        """Train on every batch of the epoch; return the mean loss and the share of images classified correctly.

        Both are of the network as it was at each step, on augmented images. The host waits for the device at the end.
        """
        self.model.train()
        total = torch.zeros(2, dtype=torch.float64, device=self.device)
        by_step = self.run.recipe.schedule.per == "step"
        for step, (x_B3HW, y_B) in enumerate(self.training.epoch(epoch), start=1):
            if by_step:
                self._set_rate(epoch, (step - 1) / len(self.training))
            self.optimiser.zero_grad(set_to_none=True)
            with translated(self.execution):
                logits_BC = self.passes(x_B3HW)
                loss = smoothed_cross_entropy(logits_BC, y_B, self.run.recipe)
                self.ranks.weigh(loss, len(y_B), self.training.size_of(step)).backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total[0] += loss.detach() * len(y_B)
            total[1] += (logits_BC.detach().argmax(1) == y_B).sum()
            if on_step:
                on_step(epoch, step, len(self.training))
        loss_sum, right = self.ranks.total(total).tolist()
        return loss_sum / self.training.images, right / self.training.images

    def _evaluate(self, epoch: int) -> dict[str, float | None]:
        line: dict[str, float | None] = {}
        test = self._score(self.test)
        line |= {"test_loss": test.loss, "test_top1": test.top1, "test_top5": test.top5}
        right = self.progress.right
        right["last"] = np.packbits(test.right_N.numpy()).tobytes().hex()
        if all(test.top1 > (past.get("test_top1") or -1.0) for past in self.progress.history):
            right["best"] = right["last"]
        if self.validation is not None:
            held = self._score(self.validation)
            line |= {"val_loss": held.loss, "val_top1": held.top1}
            best = self.progress.selected
            if best is None or held.top1 > best["val_top1"]:
                right["selected"] = right["last"]
                self.progress.selected = {"epoch": epoch, "val_top1": held.top1, "test_top1": test.top1}
                self._save_weights(epoch)
        elif epoch == self.run.recipe.total_epochs:
            # nothing was held out to choose by: the last epoch's weights are the run's weights
            self._save_weights(epoch)
        return line

    def _save_weights(self, epoch: int) -> None:
        save_weights(self.run.folder / "best.safetensors", self.model, self.run.recipe, epoch, self.run.source)

    def _score(self, batches: Batches) -> Score:
        recipe = self.run.recipe
        return evaluate(
            self.model,
            batches.epoch(),
            mode=recipe.eval_mode,
            precision=self.run.precision,
            batch_mean=recipe.batch_mean_accuracy,
            over=recipe.accuracy_over,
        )

    def _save(self) -> None:
        """Save after a complete epoch. A diverged one leaves ``last.pt`` at the last good epoch.

        A signal waits until all is saved, so that what is said on the way out is what lies on the disk.
        """
        with hold_signals():
            self._write(self.run.folder)

    def _write(self, folder: Path) -> None:
        write_history(folder / "history.csv", self.progress.history)
        if self.progress.diverged:
            return
        if self.progress.right:
            bits = {kind: bytes.fromhex(text) for kind, text in self.progress.right.items()}
            write_correct(folder / NAME, data=self.run.source.sha256, images=self.test.count, bits=bits)
        state: dict[str, Any] = {
            "recipe": self.run.recipe.to_json(),
            "epoch": self.progress.epoch,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": self.progress.__dict__,
            "classes": list(self.run.source.classes),
            "data_sha256": self.run.source.sha256,
        }
        save_state(folder / "last.pt", self.run.identity, state)
        self.saved = self.progress.epoch
