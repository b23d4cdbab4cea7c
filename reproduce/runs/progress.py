"""What a person sees while runs go on: a bar on a terminal, a line per epoch elsewhere.

with watch(run) as (on_event, on_step):
    train(run, dataset, device=device, on_step=on_step)
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reproduce.console.logs import LOG
from reproduce.training.run import Run
from reproduce.training.train import Progress

if TYPE_CHECKING:
    import rich.progress


@dataclass(frozen=True)
class Event:
    """A run has ended an epoch."""

    name: str
    epoch: int
    epochs: int
    brought: str

    def line(self) -> str:
        """Return the event as a line of text."""
        return f"{self.name}: epoch {self.epoch}/{self.epochs}, {self.brought}"


def describe_epoch(run: Run, progress: Progress) -> Event:
    """Return the event of the epoch that ``progress`` has just ended."""
    last = progress.history[-1]
    top1 = last.get("test_top1")
    brought = f"loss {last['train_loss']:.3f}" + ("" if top1 is None else f", test top-1 {top1:.3f}")
    return Event(_name(run), progress.epoch, run.recipe.total_epochs, brought)


@contextmanager
def watch(run: Run) -> Iterator[tuple[Callable[[Event], None], Callable[[int, int, int], None]]]:
    """Yield what to do at the end of an epoch and of a step: move a bar, or print a line per epoch."""
    if not _shows_bars():
        yield lambda event: LOG.info(event.line()), lambda *_: None
        return
    with _bars() as bars:
        bar = bars.add_task(_name(run), total=None, brought="")

        def step(epoch: int, step: int, steps: int) -> None:
            bars.update(bar, total=steps * run.recipe.total_epochs, completed=(epoch - 1) * steps + step)

        yield lambda event: bars.update(bar, brought=event.brought), step


def show_events(events: Any, runs: list[Run]) -> None:
    """Show what workers put into the queue ``events`` until a None comes.

    One bar over all epochs on a terminal, a line per epoch elsewhere.
    """
    if not _shows_bars():
        while (parts := events.get()) is not None:
            LOG.info(Event(*parts).line())
        return
    done: dict[str, int] = {}
    with _bars() as bars:
        bar = bars.add_task("epochs", total=sum(run.recipe.total_epochs for run in runs), brought="")
        while (parts := events.get()) is not None:
            event = Event(*parts)
            done[event.name] = event.epoch
            bars.update(bar, completed=sum(done.values()), brought=f"{event.name}: {event.brought}")


def _name(run: Run) -> str:
    return f"{run.recipe.row} seed {run.seed}"


def _shows_bars() -> bool:
    return sys.stderr.isatty() and LOG.isEnabledFor(logging.INFO)


def _bars() -> "rich.progress.Progress":
    """Return bars on stderr that leave nothing behind; refreshed from the training loop's own calls."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    brought = TextColumn("{task.fields[brought]}", markup=False)
    return Progress(*columns, brought, console=Console(stderr=True), transient=True, refresh_per_second=4)
