"""The cheapest next step of a study: the runs that would settle one more printed accuracy, with seeds and hours.

Cheap is what multiplies least: multiply-accumulates per image, times images, epochs and seeds, which is known of every
row. Hours follow where the row's speed was measured.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from figures.report.chapter import Accuracy
from figures.report.summary.speeds import Speed, count_images
from paper_tables.verdict import as_printed
from reproduce.recipes.command import write_command
from reproduce.recipes.registry import resolve
from reproduce.stats.against_published import LEAST_SEEDS, seeds_needed


@dataclass(frozen=True)
class Step:
    """Runs to make: how many seeds in all, how many of them are still to be run, and what that takes.

    ``hours`` are of the seeds still to be run on ``machine``, None where no speed of the row is measured; ``work`` is
    in multiply-accumulates of the forward passes.
    """

    accuracy: Accuracy
    command: str
    seeds: int
    missing: int
    basis: str
    work: float
    hours: float | None
    machine: str

    def say(self) -> str:
        """Return the step in words."""
        one = self.accuracy
        there = f", {self.seeds - self.missing} of them run already" if self.missing < self.seeds else ""
        network = f"{one.row.label} ({one.table.name})"
        return f"{self.seeds} seeds of {network} against the printed {one.value.printed()}: {self.basis}{there}."

    def say_hours(self) -> str:
        """Return how long it takes and on what, or that nobody has measured it."""
        if self.hours is None:
            return "Hours: not measured here; the second command measures them."
        hours = f"{self.hours:,.0f}" if self.hours >= 10 else f"{self.hours:.1f}"
        return f"About {hours} hours, evaluation left out ({self.machine})."

    @property
    def commands(self) -> tuple[str, ...]:
        """The command that makes the runs, and the one that measures their hours where nobody has."""
        measure = f"attnrepro bench --cpu --suite train --rows {self.accuracy.row.row}/fp32"
        return (self.command,) if self.hours is not None else (self.command, measure)


def find_step(accuracies: Iterable[Accuracy], speeds: Mapping[str, Speed]) -> Step | None:
    """Return the cheapest step that can settle one of ``accuracies``; None where none is open or can be settled."""
    found = [_plan(one, speeds) for one in list_open(accuracies)]
    return min((step for step in found if step is not None), key=lambda step: (step.work, step.command), default=None)


def list_open(accuracies: Iterable[Accuracy]) -> list[Accuracy]:
    """Return the accuracies as described by the papers that have no verdict yet in any variant."""
    every = list(accuracies)
    closed = {one.place for one in every if one.verdict.word in ("agrees", "differs")}
    return [one for one in every if one.place not in closed and one.table.variant == "described"]


def _plan(one: Accuracy, speeds: Mapping[str, Speed]) -> Step | None:
    planned, macs = _count_seeds(one), one.row.macs
    if planned is None or macs is None:
        return None
    seeds, basis = planned
    recipe = resolve(one.row.row, variant=one.table.variant, budget="paper")
    missing = max(seeds - one.seeds, 1)
    speed = speeds.get(one.row.row)
    return Step(
        accuracy=one,
        command=write_command(one.row.row, budget="paper", variant=one.table.variant, seeds=tuple(range(seeds))),
        seeds=seeds,
        missing=missing,
        basis=basis,
        work=macs * count_images(recipe) * missing,
        hours=None if speed is None else speed.hours(recipe) * missing,
        machine="" if speed is None else speed.machine,
    )


def _count_seeds(one: Accuracy) -> tuple[int, str] | None:
    """Return how many seeds should settle an accuracy and why so many; None where no number of them would."""
    if one.verdict.word == "undecided":
        needed = one.verdict.seeds_needed
        return None if needed is None else (needed, "as many as the verdict asks for")
    printed = as_printed(one.value)
    if printed.n < 2 or not printed.deviation:
        return LEAST_SEEDS, "the least that a verdict takes"
    family, margin = max(one.table.family, 1), one.table.paper.margin
    needed = seeds_needed(printed.deviation, 0.0, printed, family=family, margin=margin, above=LEAST_SEEDS - 1)
    return None if needed is None else (needed, "enough if ours spread as the paper's runs do and agree")
