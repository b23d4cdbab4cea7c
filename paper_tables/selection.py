"""Which runs of a ledger may share a cell: those of one identity, one run a seed. No torch.

Budget, variant, scale and settings are one digest (``recipe_sha256``); the data's fingerprint and the precision
complete the identity. Nothing here depends on the order of the ledger's rows.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reproduce import stats
from reproduce.recipe import BUDGETS, Recipe

if TYPE_CHECKING:
    import pandas as pd

TEST_IMAGES = {
    "cifar10": 10_000,
    "cifar10-jpeg75": 10_000,
    "cifar100": 10_000,
    "tiny-imagenet": 10_000,
    "intel-scenes": 3_000,
    "imagenet": 50_000,
}
ACCURACIES = ("top1_last", "top1_best", "top1_val_selected", "top5_last")
LATENCY = "latency_ms"
COSTS = (LATENCY, "images_per_second", "peak_memory_mb")  # of one machine: never averaged over two


@dataclass(frozen=True)
class Identity:
    """What all runs of a cell have in common."""

    budget: str
    variant: str
    scale: str
    dataset: str
    data_sha256: str
    precision: str
    recipe_sha256: str


@dataclass(frozen=True)
class Choice:
    """The runs of one cell: their identity, the values of each metric, and the device of the wall time."""

    identity: Identity
    values: Mapping[str, tuple[float, ...]]
    device: str

    def intervals(self, headline: str, test_images: int | None) -> dict[str, stats.Interval]:
        """Return mean and interval of each metric; ``top1`` is the one called ``headline``."""
        found = {name: _interval(name, values, test_images) for name, values in self.values.items()}
        return {"top1": found[headline], **found} if headline in found else found


@dataclass(frozen=True)
class Selection:
    """The runs of each row, the data they share, and how many runs on other data were left out of each row."""

    choices: Mapping[str, Choice]
    dataset: str
    data_sha256: str
    left_out: Mapping[str, int]


def test_size(dataset: str, recipe: Recipe | None) -> int | None:
    """Return how many test images one run has seen; None where only the data set itself could tell."""
    known = TEST_IMAGES.get(dataset)
    limit = recipe.data.test_limit if recipe else None
    return known if limit is None else min(limit, known or limit)


def select(
    plan: Mapping[str, Recipe], runs: "pd.DataFrame", precision: str, data_sha256: Mapping[str, str] | None = None
) -> Selection:
    """Choose the finished runs of the plan's recipes at ``precision``, all rows of one data set on the same bytes.

    Rows that ``data_sha256`` does not name take the data of the newest fitting run among the rows that read a data
    set of the same name.
    """
    frame = runs[(runs["status"] == "done") & (runs["precision"] == precision)]
    wanted = {row: recipe.sha256() for row, recipe in plan.items()}
    fits = (frame["row"].map(wanted) == frame["recipe_sha256"]).fillna(False)
    frame = frame[fits.astype(bool)]
    chosen = {row: (data_sha256 or {}).get(row) or _newest(frame, plan, row) for row in plan}
    fits = frame["row"].map(chosen) == frame["data_sha256"]
    same, others = frame[fits.astype(bool)], frame[~fits.astype(bool)]
    choices = {str(row): _choice(group) for row, group in same.groupby("row", sort=True)}
    names = sorted({choice.identity.dataset for choice in choices.values()})
    left_out = {str(row): int(count) for row, count in others["row"].value_counts(sort=False).items()}
    prints = list(dict.fromkeys(sha for sha in chosen.values() if sha))
    return Selection(choices, " + ".join(names), " + ".join(prints), dict(sorted(left_out.items())))


def _newest(frame: "pd.DataFrame", plan: Mapping[str, Recipe], row: str) -> str:
    """Return the fingerprint of the newest run of the rows that read the same data set as ``row``."""
    alike = frame[frame["row"].isin([other for other in plan if plan[other].data.name == plan[row].data.name])]
    return str(max(zip(alike["started"], alike["data_sha256"], strict=True), default=("", ""))[1])


def best_committed(
    row: str, variant: str, committed: "pd.DataFrame", precision: str, published_data: str
) -> Choice | None:
    """Return the best committed runs of ``row``: by budget, then published data, scale, precision, number of seeds."""
    frame = committed[(committed["status"] == "done") & (committed["row"] == row) & (committed["variant"] == variant)]
    groups = frame.groupby(
        ["budget", "scale", "dataset", "data_sha256", "precision", "recipe_sha256"], sort=True, dropna=False
    )
    choices = [(_choice(group), str(group["started"].max())) for _, group in groups]

    def rank(item: tuple[Choice, str]) -> tuple[Any, ...]:
        identity = item[0].identity
        budget = BUDGETS.index(identity.budget) if identity.budget in BUDGETS else -1
        seeds = max(map(len, item[0].values.values()), default=0)
        fit = (identity.dataset == published_data, identity.scale == "paper", identity.precision == precision)
        return (budget, *fit, seeds, item[1], identity.data_sha256, identity.recipe_sha256)

    return max(choices, key=rank)[0] if choices else None


def _choice(group: "pd.DataFrame") -> Choice:
    """Return the values of runs of one identity: of runs that share a seed the newest alone counts."""
    ordered = group.sort_values(["started", "run_id"], kind="stable")
    unseeded = ordered["seed"].isna()
    single = ordered[unseeded | ~ordered.duplicated("seed", keep="last")].sort_values(["seed", "run_id"])
    newest = ordered.iloc[-1]
    values = {name: _finite(single[name]) for name in ACCURACIES}
    timed = ordered[ordered[LATENCY].notna()]
    device = str(timed.iloc[-1]["device"]) if len(timed) else ""
    on_device = single[single["device"] == device]  # other machines, other times
    values |= {name: _finite(on_device[name]) for name in COSTS}
    fields = {name: str(newest[name]) for name in Identity.__dataclass_fields__}
    return Choice(Identity(**fields), {name: found for name, found in values.items() if found}, device)


def _finite(column: "pd.Series[Any]") -> tuple[float, ...]:
    return tuple(float(value) for value in column if math.isfinite(value))


def _interval(name: str, values: tuple[float, ...], test_images: int | None) -> stats.Interval:
    if len(values) > 1 or name not in ACCURACIES or not test_images or not 0 <= values[0] <= 1:
        return stats.summarise(values)
    found = stats.wilson(round(values[0] * test_images), test_images)
    return stats.Interval(values[0], found.low, found.high, 1, found.method)
