"""Our runs as evidence: the committed ones and this machine's, of one identity at a time. No torch.

Runs of a comparison share budget, precision and, of every data set, the version. A claim is put to every identity that
its rows were run at (:meth:`Ours.identities`); which of them speaks is settled in ``assess.py``. Whatever falls short
of the paper's own setting is named as an obstacle.
"""

import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_tables.claims.arms import Arm
from paper_tables.claims.chosen_runs import Record, answers_of, count_lost, finished, images_of, recorded, seeds_of
from paper_tables.claims.evidence import Curves, Evidence, Evidenced, Found, Maps
from paper_tables.claims.measured_files import read_curve, read_quantities
from paper_tables.claims.outcome import Missing, Obstacle
from paper_tables.selection import COSTS, Choice, best_committed, test_size
from reproduce.data.cards import CARDS
from reproduce.recipes.recipe import BUDGETS
from reproduce.recipes.registry import ENTRIES, find_table
from reproduce.stats.against_published import at_chance
from reproduce.stats.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, ...]
KEY = ("budget", "dataset", "data_sha256", "precision")
_FLAGS = {"query": "--query-pixel --images 50", "average": "--average --images 50", "centers": "--centers"}


class Ours(Evidence):
    """Finished runs of one identity."""

    def __init__(
        self,
        runs: "pd.DataFrame",
        tables: Sequence[str] = (),
        trials: int = 10_000,
        seeds: str = "0-4",
        variant: str = "described",
        counts: Mapping[tuple[str, str], Any] | None = None,
        local: bool = True,
        cache: dict[Arm, dict[Key, Choice]] | None = None,
        identity: Mapping[str, Key] | None = None,
    ) -> None:
        """Speak from ``runs`` of ``variant``; files beside a run's weights count where it is ``local``.

        ``identity`` says by the name of a recipe's data which runs on it count; without one none do. Evidence for
        several claims on the same runs may share a ``cache``.
        """
        super().__init__(tables, trials, seeds, counts)
        self.runs, self.variant, self.local = runs, variant, local
        self._cache = {} if cache is None else cache
        self.identity = identity or {}

    def at(self, identity: Mapping[str, Key]) -> "Ours":
        """Return the same evidence, from runs of ``identity`` alone."""
        found = copy.copy(self)
        found.identity = identity
        return found

    def identities(self, rows: Sequence[str]) -> list[Mapping[str, Key]]:
        """Return all that runs of ``rows`` may share: a budget, a precision, and of every data set one version."""
        options: dict[str, set[Key]] = {}
        for arm in map(Arm.read, rows):
            if self._data(arm):
                options.setdefault(self._data(arm), set()).update(self._frame(arm))
        found: list[Mapping[str, Key]] = []
        for shared in sorted({(key[0], key[3]) for keys in options.values() for key in keys}):
            fitting = {name: sorted(k for k in keys if (k[0], k[3]) == shared) for name, keys in options.items()}
            fitting = {name: keys for name, keys in fitting.items() if keys}
            found += [dict(zip(fitting, keys, strict=True)) for keys in itertools.product(*fitting.values())]
        return found

    def samples(self, arms: Sequence[str], metric: str = "top1") -> Found | Missing:
        """Return the runs of all arms."""
        asked = [Arm.read(arm) for arm in arms]
        chosen = self._choose(asked, metric)
        return chosen if isinstance(chosen, Missing) else self._found(asked, chosen, metric)

    def curves(self, rows: Sequence[str], column: str = "test_top1") -> Curves | Missing:
        """Return the recorded curves of all rows: one per seed, none is averaged away."""
        asked = [Arm.read(row) for row in rows]
        chosen = self._choose(asked)
        if isinstance(chosen, Missing):
            return chosen
        found, seeds = [], []
        for arm, choice in zip(asked, chosen, strict=True):
            kept, _ = self._recorded(choice, lambda run_id, folder: read_curve(run_id, folder, column))
            if not kept:
                lacking = f"no history with {column} of a run of {arm} is here"
                return Missing(lacking, (arm.command(self.variant, self.seeds),))
            found.append(tuple(tuple(curve) for _, curve in kept))
            seeds.append(tuple(seed for seed, _ in kept))
        return Curves(tuple(found), _basis(chosen[0]), self._all_obstacles(asked, chosen), tuple(seeds))

    def maps(self, row: str, kind: str, columns: Sequence[str]) -> Maps | Missing:
        """Return the numbers of the figures ``kind`` (query, average, centers) drawn from the runs of ``row``."""
        arm = Arm.read(row)
        chosen = self._choose([arm])
        if isinstance(chosen, Missing):
            return chosen
        kept, without = self._recorded(chosen[0], lambda run_id, folder: read_quantities(run_id, folder, kind, columns))
        commands = tuple(f"attnrepro plot-attention {run_id} {_FLAGS[kind]}" for run_id in without)
        if not kept:
            return Missing(f"no {kind} of a run of {row} is here", commands)
        return Maps(
            tuple(tuple(record) for _, record in kept), _basis(chosen[0]), self._all_obstacles([arm], chosen), commands
        )

    def held_against_print(self, row: str, found: Evidenced) -> Evidenced | Missing:
        """Return ``found`` if it is of the paper's budget, scale and data: no other run is beside a printed value."""
        foreign = [obstacle.said for obstacle in found.obstacles if obstacle.foreign]
        if not foreign:
            return found
        command = Arm.read(row).command(self.variant, self.seeds)
        return Missing(f"not comparable with a printed value: {'; '.join(foreign)}", (command,))

    def _choose(self, arms: Sequence[Arm], metric: str = "top1") -> list[Choice] | Missing:
        """Return the runs of every arm at this identity that have ``metric``, or what is lacking."""
        unknown = [arm.row for arm in arms if arm.row not in ENTRIES]
        if unknown:
            return Missing(f"rows that this version lacks: {', '.join(dict.fromkeys(unknown))}")
        odd = [setting for arm in arms if arm.recipe(self.variant, "paper") is None for setting in arm.settings]
        if odd:
            return Missing(f"settings that this version lacks: {', '.join(dict.fromkeys(odd))}")
        found, absent, nowhere = [], [], []
        for arm in arms:
            frame = self._frame(arm)
            choice = frame.get(self.identity.get(self._data(arm), ()))
            if choice is not None and self._values(arm, choice, metric):
                found.append(choice)
                continue
            absent.append(arm)
            nowhere += [] if any(self._values(arm, other, metric) for other in frame.values()) else [arm]
        if not absent:
            return found
        reason = f"no run of {', '.join(map(str, nowhere))}" if nowhere else "no runs at a common identity"
        reason = "; ".join([reason, *(obstacle.said for arm in nowhere for obstacle in self._lost(arm))])
        return Missing(reason, tuple(arm.command(self.variant, self.seeds) for arm in nowhere or absent))

    def _recorded(
        self, choice: Choice, read: Callable[[str, Path | None], Sequence[Record]]
    ) -> tuple[list[tuple[int, Sequence[Record]]], list[str]]:
        return recorded(self.runs, choice, self.local, read)

    def _frame(self, arm: Arm) -> dict[Key, Choice]:
        """Return the runs of an arm by budget, data and precision: of each the registry's recipe, if it was run."""
        if arm not in self._cache:
            runs = self.runs[(self.runs["row"] == arm.row) & (self.runs["status"] == "done")]
            runs, found = runs[runs["variant"] == self.variant], dict[Key, Choice]()
            for key, group in runs.groupby(list(KEY), sort=True):
                ours = group[group["recipe_sha256"].isin(arm.digests(self.variant, str(key[0]), str(key[1])))]
                if ours.empty and arm.settings:
                    continue  # runs of other settings are not this arm's
                choice = best_committed(arm.row, self.variant, group if ours.empty else ours, str(key[3]), str(key[1]))
                if choice is not None:
                    found[tuple(map(str, key))] = choice
            self._cache[arm] = found
        return self._cache[arm]

    def _data(self, arm: Arm) -> str:
        """Return the name of the data that the paper has an arm run on; empty where this version lacks the arm."""
        paper = arm.recipe(self.variant, "paper")
        return paper.data.name if paper else ""

    def _headline(self, arm: Arm) -> str:
        return find_table(ENTRIES[arm.row].recipe.table).headline_of(self.variant)

    def _values(self, arm: Arm, choice: Choice, metric: str) -> tuple[float, ...]:
        return choice.values.get(self._headline(arm) if metric == "top1" else metric, ())

    def _obstacles(self, arm: Arm, choice: Choice, metric: str) -> list[Obstacle]:
        """Return why these runs may not decide a claim about the paper's own setting.

        A time is one of a model's size: how long it was trained before, and on which images, does not change it.
        """
        identity, wanted, found = choice.identity, self._data(arm), []
        if not (metric in COSTS and identity.scale == "paper"):
            few = BUDGETS.index(identity.budget) < BUDGETS.index("short") if identity.budget in BUDGETS else True
            found += [Obstacle(f"budget {identity.budget}, not paper", few)] if identity.budget != "paper" else []
            found += [Obstacle(f"data {identity.dataset}, not {wanted}")] if identity.dataset != wanted else []
            found += [*self._lost(arm), *self._collapsed(arm, choice)]
            found += self._few_images(arm, choice) if metric.startswith("top") and identity.dataset == wanted else []
        if identity.scale == "mini":
            found.append(Obstacle(f"{identity.scale} model, not paper scale", mute=True))
        if identity.recipe_sha256 not in arm.digests(self.variant, identity.budget, identity.dataset):
            found.append(Obstacle("another recipe than this version's"))
        return found

    def _few_images(self, arm: Arm, choice: Choice) -> list[Obstacle]:
        """Return the obstacle that accuracies are shares of another number of test images than the data have."""
        wanted = test_size(self._data(arm), arm.recipe(self.variant, "paper"))
        odd = sorted(images_of(self.runs, choice) - {wanted}) if wanted else []
        said = " and ".join(f"{number:,}" for number in odd)
        return [Obstacle(f"measured on {said} test images, not {wanted:,}")] if odd else []

    def _collapsed(self, arm: Arm, choice: Choice) -> list[Obstacle]:
        """Return the obstacle that networks of an arm learned nothing: their spread is not that of trained ones."""
        values, card = self._values(arm, choice, "top1"), CARDS.get(choice.identity.dataset)
        trials = self._trials(arm, choice)
        if card is None or not trials:
            return []
        fallen = sum(at_chance(value, trials, card.classes) for value in values)
        said = f"{fallen} of {len(values)} runs of {arm} no better than chance"
        return [Obstacle(said, foreign=False)] if fallen else []

    def _trials(self, arm: Arm, choice: Choice) -> int | None:
        """Return how many test images are behind one run: as recorded, for older runs what its data have."""
        known = test_size(choice.identity.dataset, arm.recipe(self.variant, choice.identity.budget))
        return min(images_of(self.runs, choice), default=known)

    def _lost(self, arm: Arm) -> list[Obstacle]:
        """Return the obstacle that seeds of an arm diverged: the mean of the others is one of survivors."""
        runs, key = self.runs, self.identity.get(self._data(arm), ())
        for name, value in zip(KEY, key, strict=bool(key)):
            runs = runs[runs[name] == value]
        gone, of = count_lost(runs, arm, self.variant, self._headline(arm))
        return [Obstacle(f"{gone} of {of} runs of {arm} lost", foreign=False)] if gone else []

    def _all_obstacles(
        self, arms: Sequence[Arm], choices: Sequence[Choice], metric: str = "top1"
    ) -> tuple[Obstacle, ...]:
        found = [text for arm, one in zip(arms, choices, strict=True) for text in self._obstacles(arm, one, metric)]
        if metric in COSTS and len(choices) > 1:
            # a cost is of a machine and its software: what the ledger knows of them has to be the same
            if len({choice.device for choice in choices}) > 1:
                found.append(Obstacle("measured on different devices"))
            columns = ["torch", "cuda"]
            builds = [finished(self.runs, one)[columns].astype(str).itertuples(index=False) for one in choices]
            if len(set(itertools.chain.from_iterable(builds))) > 1:
                found.append(Obstacle("measured with different versions of torch"))
        if len({choice.identity.scale for choice in choices if choice.identity.scale != "custom"}) > 1:
            found.append(Obstacle("models of different scale"))
        return tuple(dict.fromkeys(found))

    def _found(self, arms: Sequence[Arm], choices: Sequence[Choice], metric: str) -> Found:
        samples: list[Sample] = []
        for arm, choice in zip(arms, choices, strict=True):
            trials = self._trials(arm, choice) if metric.startswith("top") else None
            column = self._headline(arm) if metric == "top1" else metric
            seeds = seeds_of(self.runs, choice, column)
            answers = answers_of(self.runs, choice, column, self.local)
            samples.append(Sample.of(self._values(arm, choice, metric), trials, seeds, answers))
        basis = _basis(choices[0]) + (f", {choices[0].device}" if metric in COSTS else "")
        return Found(tuple(samples), basis, self._all_obstacles(arms, choices, metric))


def _basis(choice: Choice) -> str:
    identity = choice.identity
    parts = [identity.budget, identity.dataset]
    parts += [identity.precision] if identity.precision != "fp32" else []
    return " ".join([*parts, *([f"{identity.scale} scale"] if identity.scale != "paper" else [])])
