"""Which runs of a ledger may share a cell: those of one identity, one run a seed. No torch.

Budget, variant, scale and settings are one digest (``recipe_sha256``); the data's fingerprint and the precision
complete the identity. Nothing here depends on the order of the ledger's rows. A run that diverged has no accuracy to
average; it is counted beside those that have, so that no mean is of the survivors alone without saying so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reproduce.data.cards import CARDS
from reproduce.recipes.recipe import BUDGETS, Recipe
from reproduce.stats import intervals

if TYPE_CHECKING:
    import pandas as pd

TEST_IMAGES = {name: card.test_images for name, card in CARDS.items()}
ACCURACIES = ("top1_last", "top1_best", "top1_val_selected", "top5_last")
ENDED = ("done", "diverged")  # runs that came to an end of their own; others may still go on
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
    """The runs of one cell: their identity, the values of each metric, and the device of the wall time.

    ``seeds`` are those of the finished and of the diverged runs together; ``finished`` counts the former, one a seed.
    """

    identity: Identity
    values: Mapping[str, tuple[float, ...]]
    device: str
    seeds: tuple[int, ...] = ()
    finished: int = 0
    diverged: int = 0

    def unscored(self, headline: str) -> int:
        """Return how many finished runs have no finite ``headline`` and are in no mean of it."""
        return self.finished - len(self.values.get(headline, ()))

    def intervals(self, headline: str, test_images: int | None) -> dict[str, intervals.Interval]:
        """Return mean and interval of each metric; ``top1`` is the one called ``headline``."""
        found = {name: _interval(name, values, test_images) for name, values in self.values.items()}
        return {"top1": found[headline], **found} if headline in found else found


@dataclass(frozen=True)
class Selection:
    """The runs of each row, the data they share, and how many runs on other data were left out of each row.

    ``diverged`` has the seeds of the rows of which every run diverged: they have no choice.
    """

    choices: Mapping[str, Choice]
    dataset: str
    data_sha256: str
    left_out: Mapping[str, int]
    diverged: Mapping[str, tuple[int, ...]]


def test_size(dataset: str, recipe: Recipe | None) -> int | None:
    """Return how many test images one run's accuracy is a share of; None where only the data set itself could tell."""
    known = TEST_IMAGES.get(dataset)
    if recipe is None:
        return known
    if recipe.data.drop_grey:
        known = CARDS[dataset].count(drop_grey=True)[1] if dataset in CARDS else None
    limit = recipe.data.test_limit
    return recipe.accuracy_over or (known if limit is None else min(limit, known or limit))


def select(
    plan: Mapping[str, Recipe], runs: "pd.DataFrame", precision: str, data_sha256: Mapping[str, str] | None = None
) -> Selection:
    """Choose the finished runs of the plan's recipes at ``precision``, all rows of one data set on the same bytes.

    Rows that ``data_sha256`` does not name take the data of the newest fitting run among the rows that read a data
    set of the same name.
    """
    frame = runs[runs["status"].isin(ENDED) & (runs["precision"] == precision)]
    wanted = {row: recipe.sha256() for row, recipe in plan.items()}
    fits = (frame["row"].map(wanted) == frame["recipe_sha256"]).fillna(False)
    frame = frame[fits.astype(bool)]
    done = frame[frame["status"] == "done"]
    # where nothing is finished, data of runs that diverged
    chosen = {
        row: (data_sha256 or {}).get(row) or _newest(done, plan, row) or _newest(frame, plan, row) for row in plan
    }
    fits = (frame["row"].map(chosen) == frame["data_sha256"]).astype(bool)
    same, others = frame[fits], done[~fits[done.index]]
    groups = {str(row): group for row, group in same.groupby("row", sort=True)}
    choices = {row: _choice(group) for row, group in groups.items() if (group["status"] == "done").any()}
    diverged = {row: _seeds(group) for row, group in groups.items() if row not in choices}
    names = sorted({str(name) for name in same["dataset"]})
    left_out = {str(row): int(count) for row, count in others["row"].value_counts(sort=False).items()}
    prints = list(dict.fromkeys(sha for sha in chosen.values() if sha))
    return Selection(choices, " + ".join(names), " + ".join(prints), dict(sorted(left_out.items())), diverged)


def _newest(frame: "pd.DataFrame", plan: Mapping[str, Recipe], row: str) -> str:
    """Return the fingerprint of the newest run of the rows that read the same data set as ``row``."""
    alike = frame[frame["row"].isin([other for other in plan if plan[other].data.name == plan[row].data.name])]
    return str(max(zip(alike["started"], alike["data_sha256"], strict=True), default=("", ""))[1])


def best_committed(
    row: str, variant: str, committed: "pd.DataFrame", precision: str, published_data: str
) -> Choice | None:
    """Return the best committed runs of ``row``: by budget, then published data, scale, precision, number of seeds."""
    ended = committed["status"].isin(ENDED)
    frame = committed[ended & (committed["row"] == row) & (committed["variant"] == variant)]
    groups = frame.groupby(
        ["budget", "scale", "dataset", "data_sha256", "precision", "recipe_sha256"], sort=True, dropna=False
    )
    finished = [group for _, group in groups if (group["status"] == "done").any()]
    choices = [(_choice(group), str(group.loc[group["status"] == "done", "started"].max())) for group in finished]

    def rank(item: tuple[Choice, str]) -> tuple[Any, ...]:
        identity = item[0].identity
        budget = BUDGETS.index(identity.budget) if identity.budget in BUDGETS else -1
        seeds = max(map(len, item[0].values.values()), default=0)
        fit = (identity.dataset == published_data, identity.scale == "paper", identity.precision == precision)
        return (budget, *fit, seeds, item[1], identity.data_sha256, identity.recipe_sha256)

    return max(choices, key=rank)[0] if choices else None


def count_diverged(row: str, variant: str, committed: "pd.DataFrame") -> int:
    """Return how many committed runs of ``row`` diverged, of whatever identity."""
    of_row = (committed["row"] == row) & (committed["variant"] == variant)
    return int((of_row & (committed["status"] == "diverged")).sum())


def _choice(group: "pd.DataFrame") -> Choice:
    """Return the values of ended runs of one identity: of finished runs that share a seed the newest alone counts."""
    ordered = _newest_last(group[group["status"] == "done"])
    single = _one_a_seed(ordered)
    ended = _one_a_seed(_newest_last(group))
    newest = ordered.iloc[-1]
    values = {name: _finite(single[name]) for name in ACCURACIES}
    timed = ordered[ordered[LATENCY].notna()]
    device = str(timed.iloc[-1]["device"]) if len(timed) else ""
    on_device = single[single["device"] == device]  # other machines, other times
    values |= {name: _finite(on_device[name]) for name in COSTS}
    fields = {name: str(newest[name]) for name in Identity.__dataclass_fields__}
    return Choice(
        Identity(**fields),
        {name: found for name, found in values.items() if found},
        device,
        seeds=_seeds(group),
        finished=len(single),
        diverged=int((ended["status"] == "diverged").sum()),
    )


def _newest_last(group: "pd.DataFrame") -> "pd.DataFrame":
    return group.sort_values(["started", "run_id"], kind="stable")


def _one_a_seed(ordered: "pd.DataFrame") -> "pd.DataFrame":
    return ordered[ordered["seed"].isna() | ~ordered.duplicated("seed", keep="last")].sort_values(["seed", "run_id"])


def _seeds(group: "pd.DataFrame") -> tuple[int, ...]:
    return tuple(sorted({int(seed) for seed in group["seed"].dropna()}))


def _finite(column: "pd.Series[Any]") -> tuple[float, ...]:
    return tuple(float(value) for value in column if math.isfinite(value))


def _interval(name: str, values: tuple[float, ...], test_images: int | None) -> intervals.Interval:
    if len(values) > 1 or name not in ACCURACIES or not test_images or not 0 <= values[0] <= 1:
        return intervals.summarise(values)
    found = intervals.wilson(round(values[0] * test_images), test_images)
    return intervals.Interval(values[0], found.low, found.high, 1, found.method)
