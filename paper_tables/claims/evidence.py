"""What claims are judged by: our runs, or what the papers print, behind one interface. No torch.

Runs of a comparison share budget, data and precision; those of this version's recipes at the paper's budget and on the
paper's data come first, and whatever falls short of that is named as an obstacle.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from paper_tables.claims.claim import Missing, Study
from paper_tables.claims.files import Point, read_counts, read_curve, read_quantities
from paper_tables.published import Value, read_losses
from paper_tables.published import read_curves as read_published_curves
from paper_tables.published import read_table as read_published_table
from paper_tables.selection import TEST_IMAGES, Choice, best_committed, test_size
from reproduce.contrasts import Sample
from reproduce.errors import UserError
from reproduce.recipe import BUDGETS, Recipe, override, read_settings
from reproduce.recipes import ENTRIES, find_table, resolve

if TYPE_CHECKING:
    import pandas as pd

KEY = ("budget", "dataset", "data_sha256", "precision")
_PRINTED = {
    "latency_ms": "wall_ms",
    "images_per_second": "seconds_per_epoch",
}  # our names of metrics -> those of published/*.csv


@dataclass(frozen=True)
class Found:
    """Samples of several arms that may be compared, what they share, and why they may not decide."""

    samples: tuple[Sample, ...]
    basis: str
    obstacles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arm:
    """A row of the registry with changed settings: ``"learned-content model.transpose_content=true"``."""

    row: str
    settings: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Arm":
        """Return the arm that ``text`` names: a row, then settings."""
        row, *settings = text.split()
        return cls(row, tuple(settings))

    def recipe(self, variant: str, budget: str) -> Recipe | None:
        """Return its recipe; None where this version's registry has no such row, variant or setting."""
        return _resolve(self, variant, budget)

    def digests(self, variant: str, budget: str, dataset: str) -> frozenset[str]:
        """Return the digests of this version's recipe of the arm: on its own data, and on ``dataset``."""
        return _digest(self, variant, budget, dataset)

    def __str__(self) -> str:
        return " ".join([self.row, *self.settings])

    def command(self, variant: str, seeds: str) -> str:
        """Return the command that makes runs of it as the paper has it."""
        words = [f"attnrepro train {self.row} --budget paper --seeds {seeds}"]
        words += [f"--variant {variant}"] if variant != "described" else []
        return " ".join([*words, *(f"--set {setting}" for setting in self.settings)])


class Evidence(ABC):
    """What a part may ask. The base knows what needs no training; what it lacks it reports as missing."""

    side: Literal["ours", "published"] = "ours"
    variant = "described"

    def __init__(self, study: Study, table: str = "", counts: Mapping[tuple[str, str], Any] | None = None) -> None:
        """Speak for ``study``; printed values are those of ``table`` where a row stands in several."""
        self.study, self.table = study, table
        self.counts = read_counts() if counts is None else counts

    @abstractmethod
    def samples(self, arms: Sequence[str], metric: str = "top1") -> Found | Missing:
        """Return a sample of every arm, all from comparable runs."""

    @abstractmethod
    def curve(self, row: str, column: str = "test_top1") -> tuple[list[Point], str, tuple[str, ...]] | Missing:
        """Return (epoch, value) of training, what it is of, and obstacles."""

    @abstractmethod
    def quantities(self, row: str, kind: str) -> tuple[list[dict[str, float]], str, tuple[str, ...]] | Missing:
        """Return what was measured on a trained network's attention maps, a record a head, with basis and obstacles."""

    def count(self, row: str, column: str = "params") -> float | Missing:
        """Return an exact count of the paper-scale model: ``params``, ``macs_fast`` or ``macs_naive``."""
        found = self.counts.get((row, self.variant), self.counts.get((row, "described"), {})).get(column)
        if found is None:
            return Missing(f"'{row}' is not in measured/structure.csv", ("attnrepro bench --cpu --suite structure",))
        return float(found)

    def printed(self, row: str, metric: str = "top1") -> Value | None:
        """Return what the study prints for ``row``: in the claim's table, else in the first of the study's."""
        for table in dict.fromkeys([self.table, *self.study.tables]):
            if table:
                try:
                    value = _values_of(table).get((row, metric))
                except UserError:
                    continue  # a table that this version does not have
                if value is not None:
                    return value
        return None

    def printed_sample(self, row: str, metric: str = "top1") -> Sample | None:
        """Return the printed value as a sample: with its spread where one is printed."""
        value = self.printed(row, metric)
        if value is None:
            return None
        data = ENTRIES[row].recipe.data.name if row in ENTRIES else ""
        trials = TEST_IMAGES.get(data, self.study.trials) if metric.startswith("top") else None
        return Sample.printed(value.value, value.deviation, value.n, trials)


class Printed(Evidence):
    """The published values as evidence."""

    side = "published"

    def samples(self, arms: Sequence[str], metric: str = "top1") -> Found | Missing:
        """Return the printed values of all arms."""
        found = [None if " " in arm else self.printed_sample(arm, _PRINTED.get(metric, metric)) for arm in arms]
        absent = [arm for arm, sample in zip(arms, found, strict=True) if sample is None]
        if absent:
            return Missing(f"nothing is printed for {', '.join(absent)}")
        return Found(tuple(sample for sample in found if sample is not None), "as printed")

    def curve(self, row: str, column: str = "test_top1") -> tuple[list[Point], str, tuple[str, ...]] | Missing:
        """Return the points read off a published plot."""
        if column not in ("test_top1", "train_loss"):
            return Missing(f"no published {column.replace('_', ' ')} of {row}")
        if column == "test_top1":
            read = [(point.epoch, point.top1, point.error) for point in _curves() if point.row == row]
        else:
            read = [(point.epoch, point.loss, point.error) for point in _losses() if point.row == row]
        if not read:
            return Missing(f"no published curve of {row}")
        error = max(point[2] for point in read)
        basis = f"read off a plot to +-{error:g}" if error else "as printed"
        return [(epoch, value) for epoch, value, _ in read], basis, ()

    def quantities(self, row: str, kind: str) -> tuple[list[dict[str, float]], str, tuple[str, ...]] | Missing:
        """Return what is missing: papers show maps, they print no numbers of them."""
        return Missing("maps are shown, no numbers of them are printed")

    def count(self, row: str, column: str = "params") -> float | Missing:
        """Return the printed number of parameters."""
        value = self.printed(row, column)
        return Missing(f"no {column} of {row} are printed") if value is None else value.value


class Ours(Evidence):
    """Finished runs as evidence: the committed ones and this machine's."""

    def __init__(
        self,
        study: Study,
        runs: "pd.DataFrame",
        table: str = "",
        variant: str = "described",
        counts: Mapping[tuple[str, str], Any] | None = None,
        local: bool = True,
        cache: dict[tuple[Arm, str], Any] | None = None,
    ) -> None:
        """Speak from ``runs`` of ``variant``; files beside a run's weights count where it is ``local``.

        Evidence for several claims on the same runs may share a ``cache``.
        """
        super().__init__(study, table, counts)
        self.runs, self.variant, self.local = runs, variant, local
        self._cache = {} if cache is None else cache

    def samples(self, arms: Sequence[str], metric: str = "top1") -> Found | Missing:
        """Return the runs of all arms at the best budget, data and precision that they share."""
        asked = [Arm.read(arm) for arm in arms]
        unknown = [arm.row for arm in asked if arm.row not in ENTRIES]
        if unknown:
            return Missing(f"rows that this version lacks: {', '.join(dict.fromkeys(unknown))}")
        odd = [setting for arm in asked if arm.recipe(self.variant, "paper") is None for setting in arm.settings]
        if odd:
            return Missing(f"settings that this version lacks: {', '.join(dict.fromkeys(odd))}")
        frames = [self._frame(arm, metric) for arm in asked]
        common = set.intersection(*(set(frame) for frame in frames))
        if not common:
            absent = [arm for arm, frame in zip(asked, frames, strict=True) if not frame]
            reason = f"no run of {', '.join(map(str, absent))}" if absent else "no runs at a common identity"
            return Missing(reason, tuple(arm.command(self.variant, self.study.seeds) for arm in absent or asked))
        options = [(key, [frame[key] for frame in frames]) for key in common]
        _, choices = max(options, key=lambda option: self._rank(option[0], asked, option[1], metric))
        return self._found(asked, choices, metric)

    def curve(self, row: str, column: str = "test_top1") -> tuple[list[Point], str, tuple[str, ...]] | Missing:
        """Return the mean history over the seeds of the best runs of ``row``."""
        return self._recorded(row, lambda run_id, folder: read_curve(run_id, folder, column), "history")

    def quantities(self, row: str, kind: str) -> tuple[list[dict[str, float]], str, tuple[str, ...]] | Missing:
        """Return the numbers of the figure ``kind`` (query, average, centers) drawn from the best run of ``row``."""
        return self._recorded(row, lambda run_id, folder: read_quantities(run_id, folder, kind), kind)

    def _recorded(self, row: str, read: Any, what: str) -> Any:
        found = self.samples((row,))
        if isinstance(found, Missing):
            return found
        arm = Arm(row)
        for choice in sorted(
            self._frame(arm, "top1").values(), key=lambda c: self._rank(_key(c), [arm], [c], "top1"), reverse=True
        ):
            chosen = self._of(choice)
            for run_id, checkpoint in sorted(zip(chosen["run_id"], chosen["checkpoint"], strict=True)):
                record = read(str(run_id), Path(str(checkpoint)).parent if self.local else None)
                if record:
                    return record, f"{_basis(choice)}, run {run_id}", self._obstacles(arm, choice)
        flags = {"query": "--query-pixel --images 50", "average": "--average --images 50", "centers": "--centers"}
        command = (
            f"attnrepro plot-attention {row} {flags[what]}"
            if what in flags
            else arm.command(self.variant, self.study.seeds)
        )
        return Missing(f"no {what} of a run of {row} is here", (command,))

    def _of(self, choice: Choice) -> "pd.DataFrame":
        runs = self.runs
        for name, value in vars(choice.identity).items():
            runs = runs[runs[name] == value]
        return runs[runs["status"] == "done"]

    def _frame(self, arm: Arm, metric: str) -> dict[tuple[str, ...], Choice]:
        """Return the runs of an arm by budget, data and precision: of each the registry's recipe, if it was run."""
        if (arm, metric) not in self._cache:
            self._cache[arm, metric] = self._group(arm, metric)
        frame: dict[tuple[str, ...], Choice] = self._cache[arm, metric]
        return frame

    def _group(self, arm: Arm, metric: str) -> dict[tuple[str, ...], Choice]:
        runs = self.runs[(self.runs["row"] == arm.row) & (self.runs["status"] == "done")]
        runs = runs[runs["variant"] == self.variant]
        found: dict[tuple[str, ...], Choice] = {}
        for key, group in runs.groupby(list(KEY), sort=True):
            ours = group[group["recipe_sha256"].isin(arm.digests(self.variant, str(key[0]), str(key[1])))]
            if ours.empty and arm.settings:
                continue  # runs of other settings are not this arm's
            choice = best_committed(arm.row, self.variant, group if ours.empty else ours, str(key[3]), str(key[1]))
            if choice is not None and self._values(arm, choice, metric):
                found[tuple(map(str, key))] = choice
        return found

    def _values(self, arm: Arm, choice: Choice, metric: str) -> tuple[float, ...]:
        if metric == "top1":
            metric = find_table(ENTRIES[arm.row].recipe.table).headline_of(self.variant)
        return choice.values.get(metric, ())

    def _rank(self, key: tuple[str, ...], arms: Sequence[Arm], choices: Sequence[Choice], metric: str) -> Any:
        obstacles = max(len(self._obstacles(arm, choice)) for arm, choice in zip(arms, choices, strict=True))
        budget = BUDGETS.index(key[0]) if key[0] in BUDGETS else -1
        seeds = min(len(self._values(arm, choice, metric)) for arm, choice in zip(arms, choices, strict=True))
        return (obstacles == 0, budget, -obstacles, key[3] == "fp32", seeds, key)

    def _obstacles(self, arm: Arm, choice: Choice) -> tuple[str, ...]:
        """Return why these runs may not decide a claim about the paper's own setting."""
        identity = choice.identity
        paper = arm.recipe(self.variant, "paper")
        wanted = paper.data.name if paper else ""
        found = [f"budget {identity.budget}, not paper"] if identity.budget != "paper" else []
        found += [f"{identity.scale} model, not paper scale"] if identity.scale == "mini" else []
        found += [f"data {identity.dataset}, not {wanted}"] if identity.dataset != wanted else []
        if identity.recipe_sha256 not in arm.digests(self.variant, identity.budget, identity.dataset):
            found.append("another recipe than this version's")
        return tuple(found)

    def _found(self, arms: Sequence[Arm], choices: Sequence[Choice], metric: str) -> Found:
        samples: list[Sample] = []
        obstacles: list[str] = []
        for arm, choice in zip(arms, choices, strict=True):
            recipe = arm.recipe(self.variant, choice.identity.budget)
            trials = test_size(choice.identity.dataset, recipe) if metric.startswith("top") else None
            samples.append(Sample.of(self._values(arm, choice, metric), trials))
            obstacles += self._obstacles(arm, choice)
        if metric == "latency_ms" and len({choice.device for choice in choices}) > 1:
            obstacles.append("measured on different devices")
        if len({choice.identity.scale for choice in choices if choice.identity.scale != "custom"}) > 1:
            obstacles.append("models of different scale")
        return Found(tuple(samples), _basis(choices[0]), tuple(dict.fromkeys(obstacles)))


@functools.cache
def _resolve(arm: Arm, variant: str, budget: str) -> Recipe | None:
    try:
        return resolve(arm.row, variant=variant, budget=budget, changes=read_settings(arm.settings))
    except UserError:
        return None


@functools.cache
def _digest(arm: Arm, variant: str, budget: str, dataset: str) -> frozenset[str]:
    recipe = arm.recipe(variant, budget)
    if recipe is None:
        return frozenset()
    return frozenset((recipe.sha256(), override(recipe, {"data.name": dataset}).sha256()))


_values_of = functools.cache(read_published_table)  # the package's own files do not change while it runs
_curves = functools.cache(read_published_curves)
_losses = functools.cache(read_losses)


def _key(choice: Choice) -> tuple[str, ...]:
    return tuple(str(getattr(choice.identity, name)) for name in KEY)


def _basis(choice: Choice) -> str:
    identity = choice.identity
    parts = [identity.budget, identity.dataset]
    parts += [identity.precision] if identity.precision != "fp32" else []
    return " ".join([*parts, *([f"{identity.scale} scale"] if identity.scale != "paper" else [])])
