"""One session: on which device and how runs are done, and one row of the ledger for each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from reproduce.console.logs import LOG
from reproduce.console.options import RunOptions
from reproduce.data.dataset import load
from reproduce.data.rng import make_deterministic
from reproduce.errors import UserError, did_you_mean
from reproduce.models.networks import count_macs, count_parameters
from reproduce.record import ledger, manifest
from reproduce.record.folder import results_path
from reproduce.runs.plan import find_done
from reproduce.runs.progress import Event, describe_epoch, watch
from reproduce.runs.run_lock import hold
from reproduce.runs.tensorboard import check_board, open_board
from reproduce.training.cost import mean_latency_ms, peak_memory_mb, reset_peak_memory
from reproduce.training.deadline import Deadline
from reproduce.training.distributed import ALONE, Ranks, is_loss_of_rank, own_device
from reproduce.training.estimate import estimate_seconds
from reproduce.training.forewarn import forewarn
from reproduce.training.run import Run
from reproduce.training.train import Progress, train


def _list_devices() -> list[str]:
    """Return the names of the devices that torch can use here."""
    devices = [f"cuda:{number}" for number in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return ["cpu", *(["cuda"] if devices else []), *devices, *(["mps"] if torch.backends.mps.is_available() else [])]


def choose_device(name: str) -> torch.device:
    """Return the device called ``name``; ``auto`` is the first CUDA device (under torchrun, one's own), or the CPU.

    Raises:
        UserError: no such device here.
    """
    if name == "auto":
        return own_device(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        device = own_device(torch.device(name))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError):
        devices = _list_devices()
        hint = did_you_mean("cuda" if name.lower() == "gpu" else name, devices)
        raise UserError(f"device '{name}' cannot be used here; torch has: {', '.join(devices)}", hint) from None
    return device


@dataclass
class Session:
    """How runs are done: where, whether they go on from a checkpoint, when they stop."""

    device: torch.device
    options: RunOptions = field(default_factory=RunOptions)
    ranks: Ranks = ALONE
    deadline: Deadline | None = None  # set when it begins, for all that one command does in one place
    appends: bool = True  # False: whoever asked for the run appends its row

    def __post_init__(self) -> None:
        """Refuse, before anything takes time, a board that could not be written; settle the operators."""
        if self.options.tensorboard:
            check_board()
        if self.options.deterministic:  # before anything is multiplied, the measured rate of an estimate included
            make_deterministic(self.device)

    def estimate_seconds(self, runs: "list[Run]") -> float:
        """Return about how long ``runs`` take one after the other; seeds of one recipe are taken to cost the same."""
        costs: dict[str, float] = {}
        total = 0.0
        for run in runs:
            alike = f"{run.recipe.sha256()} {run.source.name} {run.precision}"
            if alike not in costs:
                with _threads(run, self.device):
                    costs[alike] = estimate_seconds(run, self.device, self.ranks.world)
            total += costs[alike]
        return total

    def finish(
        self,
        run: Run,
        command: str,
        on_event: "Callable[[Event], None] | None" = None,
        on_step: "Callable[[int, int, int], None] | None" = None,
    ) -> dict[str, Any] | None:
        """Train ``run`` to the end, measure what it costs, append its row to the ledger and return the row.

        ``on_event`` is told of every epoch and ``on_step`` of every step; without the first a bar or lines are shown
        here. Returns None where the deadline ended it first; the same command goes on from there. A run that
        another process has finished since it was asked for is not done twice: its row is returned.

        Raises:
            UserError: another process trains the run, the training loss is no longer finite (the row says
                ``diverged``), or files cannot be written.
        """
        self.deadline = self.deadline or Deadline.after(self.options.max_minutes)
        if self.ranks.agree(self.deadline.forbids_epoch()):
            return None
        with hold(run) if self.ranks.main else nullcontext():
            # only its holder appends a run's row, so what the ledger lacks here nobody else adds
            done = find_done(ledger.read(), run) if self.options.resumes and ledger.mentions(run.label) else None
            done = self.ranks.agree(done)
            if done is not None:
                return done
            try:
                return self._finish_held(run, command, on_event, on_step)
            except RuntimeError as error:
                if self.ranks.world == 1 or not is_loss_of_rank(error):
                    raise
                raise UserError(
                    f"a process of {run.run_id} was lost", "the same command goes on from the last saved epoch"
                ) from None

    def _finish_held(
        self,
        run: Run,
        command: str,
        on_event: "Callable[[Event], None] | None",
        on_step: "Callable[[int, int, int], None] | None",
    ) -> dict[str, Any] | None:
        if self.options.deterministic:  # in a worker, to which the session was handed as it is
            make_deterministic(self.device)
        dataset = load(run.source, run.recipe.data)
        test_images = run.recipe.accuracy_over or len(dataset.test)
        record = self._open_record(run, command, test_images) if self.ranks.main else {}
        if self.ranks.main:
            with _threads(run, self.device):
                forewarn(run, self.device, self.deadline or Deadline(), self.ranks.world)
        reset_peak_memory(self.device)
        board = (
            open_board(run.folder) if self.options.tensorboard and self.ranks.main else nullcontext(lambda line: None)
        )
        with watch(run) as (tell, step), _threads(run, self.device), board as show:
            tell = on_event or tell

            def on_epoch(progress: Progress, _: int) -> None:
                tell(describe_epoch(run, progress))
                show(progress.history[-1])

            model, progress = train(
                run,
                dataset,
                device=self.device,
                options=self.options,
                deadline=self.deadline,
                on_epoch=on_epoch,
                on_step=on_step or (None if on_event else step),
                ranks=self.ranks,
            )
            if progress.epoch < run.recipe.total_epochs and not progress.diverged:
                return None
            row = self._measure(run, model, progress) | record if self.ranks.main else {}
        if self.ranks.main and self.appends:
            ledger.append(row)
        self.ranks.wait()
        LOG.debug("added %s to %s", run.run_id, ledger.ledger_path())
        if progress.diverged:
            raise UserError(
                f"{run.run_id} diverged in epoch {progress.epoch}: its loss is no longer finite",
                f"its last good state is {run.folder / 'last.pt'}; try a smaller --set optimiser.lr",
            )
        return row

    def _open_record(self, run: Run, command: str, test_images: int) -> dict[str, Any]:
        recipe = run.recipe
        facts = manifest.collect(
            recipe, run.source.name, run.source.sha256, run.seed, run.precision, str(self.device), command
        )
        facts["data_path"] = str(run.source.root.resolve()) if run.source.root else None
        facts["test_images"] = test_images
        facts["execution"] = self.options.execution
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
            "device": describe_device(self.device, self.ranks.world),
            "torch": torch.__version__,
            "cuda": torch.version.cuda if self.device.type == "cuda" else None,
            "cupy": facts["versions"].get("cupy") if self.device.type == "cuda" else None,
            "git": f"{git['commit'][:12]}{'+' if git.get('dirty') is True else ''}",
            "started": facts["started"],
            "checkpoint": str((run.folder / "best.safetensors").relative_to(results_path())),
            "test_images": test_images,
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


def describe_device(device: torch.device, world: int = 1) -> str:
    """Return the device as the ledger names it: the GPU's name, or ``cpu``; with their number where there are more."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return name if world == 1 else f"{world} x {name}"


def uses_one_thread(run: Run, device: torch.device) -> bool:
    """Return whether ``run`` is done with one thread: mini models on a CPU, whose products are too small to share.

    On two cores a second thread made a smoke epoch no faster, and three times slower beside another process.
    """
    return device.type == "cpu" and run.recipe.scale == "mini"


@contextmanager
def _threads(run: Run, device: torch.device) -> Iterator[None]:
    before = torch.get_num_threads()
    if uses_one_thread(run, device):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
