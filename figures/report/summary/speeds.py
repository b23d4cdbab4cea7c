"""How fast training at the paper's scale was measured to be: from committed runs, else from committed benchmarks.

speeds = read_speeds(runs)
speeds["vit"].hours(resolve("vit"))         # of one seed, evaluation left out
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paper_tables.measured import MEASURED
from reproduce.data.cards import CARDS
from reproduce.recipes.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

BENCHES = MEASURED / "bench"


@dataclass(frozen=True)
class Speed:
    """Training images per second of a row at the paper's scale in fp32, and on what that was measured."""

    images_per_second: float
    machine: str

    def hours(self, recipe: Recipe) -> float:
        """Return how long one seed of ``recipe`` takes at this rate, evaluation left out."""
        return count_images(recipe) / self.images_per_second / 3600


def count_images(recipe: Recipe) -> float:
    """Return how many training images one run of a whole-data recipe reads, all epochs together."""
    held = CARDS[recipe.data.name].count(drop_grey=recipe.data.drop_grey)[0] * (1 - recipe.data.holdout)
    return held * recipe.total_epochs


def read_speeds(runs: "pd.DataFrame", benches: Path = BENCHES) -> dict[str, Speed]:
    """Return the speed of every row that was timed: its runs' median on the device that has most, else a benchmark's.

    Raises:
        ValueError, KeyError: a benchmark file without the columns that its suite writes.
    """
    return {**_of_benches(benches), **_of_runs(runs)}


def _of_runs(runs: "pd.DataFrame") -> dict[str, Speed]:
    rated = runs[(runs["status"] == "done") & (runs["scale"] == "paper") & (runs["precision"] == "fp32")]
    rated = rated[rated["images_per_second"] > 0]
    found = {}
    for row, group in rated.groupby("row", sort=True):
        counts = group["device"].value_counts()
        device = min(str(name) for name in counts.index[counts == counts.max()])
        rate = float(group[group["device"] == device]["images_per_second"].median())
        found[str(row)] = Speed(rate, f"{device}, committed runs")
    return found


def _of_benches(folder: Path) -> dict[str, Speed]:
    """Return the speeds that the suites ``models`` (its fast form) and ``train`` measured in fp32."""
    found = {}
    for path in sorted(folder.glob("models-*.csv")):
        for line in _lines(path):
            if line["phase"] == "train":
                seconds = float(line["naive_ms"]) / float(line["fast_ratio"]) / 1e3
                found[line["row"]] = Speed(int(line["batch"]) / seconds, _say_machine(line))
    for path in sorted(folder.glob("train-*.csv")):
        for line in _lines(path):
            if line["precision"] == "fp32":
                found[line["row"]] = Speed(float(line["images_per_s"]), _say_machine(line))
    return found


def _lines(path: Path) -> Iterable[dict[str, str]]:
    return csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def _say_machine(line: dict[str, str]) -> str:
    threads = f", {line['threads']} threads" if line.get("threads") and not line.get("cuda") else ""
    return f"{line['device']}{threads}, benchmark of training steps at batch {line['batch']}"
