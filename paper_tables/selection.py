"""Which runs of a ledger may share a cell: those of one identity, one value per seed. No torch.

Budget, variant, scale and settings are one digest (``recipe_sha256``); the data's fingerprint and the precision
complete the identity. Where runs of several identities are there, one rule says which of them speak, in tables as in
claims: the official data first, then the most rows and the most seeds. When a run was made never counts, so that no new
run hides an old one; of runs that share a seed the mean is that seed's value. A run that diverged has no accuracy to
average; it is counted beside those that have, so that no mean is of the survivors alone without saying so.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reproduce.data.cards import CARDS, find_by_content
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
    """The runs of one cell: their identity, the values of each metric by seed, and the device of the costs.

    ``seeds`` are those of the finished and of the diverged runs together; ``finished`` counts the former, one per seed.
    ``test_images`` is the number that the runs have recorded, the least where they differ, None where one has not.
    """

    identity: Identity
    values: Mapping[str, tuple[float, ...]]
    device: str
    seeds: tuple[int, ...] = ()
    finished: int = 0
    diverged: int = 0
    test_images: int | None = None

    def trials(self, recipe: Recipe | None) -> int | None:
        """Return how many test images are behind one run: as recorded, for older runs what data of that name has."""
        return self.test_images or (test_size(self.identity.dataset, recipe) if recipe else None)

    def unscored(self, headline: str) -> int:
        """Return how many finished seeds have no finite ``headline`` and are in no mean of it."""
        return self.finished - len(self.values.get(headline, ()))

    def intervals(self, headline: str, test_images: int | None) -> dict[str, intervals.Interval]:
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
    """Return how many test images a data set of this name has for a recipe; None where only the data could tell."""
    known = TEST_IMAGES.get(dataset)
    if recipe is None:
        return known
    if recipe.data.drop_grey:
        known = CARDS[dataset].count(drop_grey=True)[1] if dataset in CARDS else None
    limit = recipe.data.test_limit
    return recipe.accuracy_over or (known if limit is None else min(limit, known or limit))


def by_content(runs: "pd.DataFrame") -> "pd.DataFrame":
    """Return runs with the content sum of their data in place of older fingerprints: same images, same data."""
    sums = {sha: found for sha in runs["data_sha256"].unique() if (found := _present_sum(str(sha))) != sha}
    return runs.assign(data_sha256=runs["data_sha256"].replace(sums)) if sums else runs


def select(
    plan: Mapping[str, Recipe], runs: "pd.DataFrame", precision: str, data_sha256: Mapping[str, str] | None = None
) -> Selection:
    """Choose the ended runs of the plan's recipes at ``precision``, all rows of one data set on the same content.

    Rows that ``data_sha256`` does not name take the content, among those that rows reading a data set of the same name
    were run on, that :func:`_rank_data` puts first.
    """
    runs = by_content(runs)
    frame = runs[runs["status"].isin(ENDED) & (runs["precision"] == precision)]
    wanted = {row: recipe.sha256() for row, recipe in plan.items()}
    fits = (frame["row"].map(wanted) == frame["recipe_sha256"]).fillna(False)
    frame = frame[fits.astype(bool)]
    asked = {row: _present_sum(sha) for row, sha in (data_sha256 or {}).items()}
    chosen = {row: asked.get(row) or _best_data(frame, plan, row) for row in plan}
    fits = (frame["row"].map(chosen) == frame["data_sha256"]).astype(bool)
    same, others = frame[fits], frame[~fits & (frame["status"] == "done")]
    choices = {str(row): _choice(group) for row, group in same.groupby("row", sort=True)}
    names = sorted({str(name) for name in same["dataset"]})
    left_out = {str(row): int(count) for row, count in others["row"].value_counts(sort=False).items()}
    prints = list(dict.fromkeys(sha for sha in chosen.values() if sha))
    return Selection(choices, " + ".join(names), " + ".join(prints), dict(sorted(left_out.items())))


def _present_sum(sha256: str) -> str:
    card = find_by_content(sha256)
    return card.content if card and card.content else sha256


def _best_data(frame: "pd.DataFrame", plan: Mapping[str, Recipe], row: str) -> str:
    """Return the fingerprint that comes first among those of the rows that read the same data set as ``row``."""
    recipe = plan[row]
    alike = frame[frame["row"].isin([other for other in plan if plan[other].data.name == recipe.data.name])]
    ranked = [(_rank_data(group, recipe), str(sha)) for sha, group in alike.groupby("data_sha256", sort=True)]
    return max(ranked, default=((), ""))[1]


def _rank_data(group: "pd.DataFrame", recipe: Recipe) -> tuple[Any, ...]:
    """Rank the runs on one content: the named data set, all its test images, then the most rows, then the most seeds.

    Runs that diverged count last: they show nothing where others have finished.
    """
    done = group[group["status"] == "done"]
    official = bool((group["dataset"] == recipe.data.name).all())
    size = test_size(recipe.data.name, recipe)
    whole = bool(size is not None and (group["test_images"] == size).fillna(False).all())
    seeds = len(done.drop_duplicates(["row", "seed"]))
    return (official, whole, done["row"].nunique(), seeds, len(group))


def best_committed(
    row: str, variant: str, committed: "pd.DataFrame", precision: str, published_data: str, digest: str = ""
) -> Choice | None:
    """Return the runs of ``row`` that say most, by the rule of this module.

    Those that can be held against the paper come first (its budget, scale and data, and the recipe with ``digest``
    where one is given), then by budget, data, scale, precision and number of seeds.
    """
    committed = by_content(committed)
    ended = committed["status"].isin(ENDED)
    frame = committed[ended & (committed["row"] == row) & (committed["variant"] == variant)]
    groups = frame.groupby(
        ["budget", "scale", "dataset", "data_sha256", "precision", "recipe_sha256"], sort=True, dropna=False
    )
    choices = [_choice(group) for _, group in groups if (group["status"] == "done").any()]

    def rank(choice: Choice) -> tuple[Any, ...]:
        identity = choice.identity
        budget = BUDGETS.index(identity.budget) if identity.budget in BUDGETS else -1
        seeds = max(map(len, choice.values.values()), default=0)
        fit = (identity.dataset == published_data, identity.scale == "paper")
        current = not digest or identity.recipe_sha256 == digest
        comparable = identity.budget == "paper" and all(fit) and current
        where = (identity.data_sha256, identity.recipe_sha256)
        return (comparable, budget, *fit, identity.precision == precision, choice.test_images or 0, seeds, *where)

    return max(choices, key=rank, default=None)


def count_diverged(row: str, variant: str, committed: "pd.DataFrame") -> int:
    """Return how many committed runs of ``row`` diverged, of whatever identity."""
    of_row = (committed["row"] == row) & (committed["variant"] == variant)
    return int((of_row & (committed["status"] == "diverged")).sum())


def _choice(group: "pd.DataFrame") -> Choice:
    """Return the values of ended runs of one identity: of finished runs that share a seed the mean."""
    group = group.sort_values("run_id", kind="stable")
    seeds = group["seed"].astype("string").str.zfill(20)
    group = group.assign(of_seed=seeds.fillna(group["run_id"]))  # a run that knows no seed stands for itself
    done = group[group["status"] == "done"]
    timed = done[done[LATENCY].notna()]
    counts = timed["device"].value_counts()
    device = min((str(name) for name in counts.index[counts == counts.max()]), default="")
    values = {name: _by_seed(done, name) for name in ACCURACIES}
    values |= {name: _by_seed(done[done["device"] == device], name) for name in COSTS}  # other machines, other times
    sizes = set(done["test_images"].dropna())
    known = len(sizes) > 1 or bool(sizes and done["test_images"].notna().all())
    return Choice(
        Identity(**{name: str(group.iloc[0][name]) for name in Identity.__dataclass_fields__}),
        {name: found for name, found in values.items() if found},
        device,
        seeds=tuple(sorted({int(seed) for seed in group["seed"].dropna()})),
        finished=done["of_seed"].nunique(),
        diverged=len(set(group["of_seed"]) - set(done["of_seed"])),
        test_images=int(min(sizes)) if known else None,
    )


def _by_seed(runs: "pd.DataFrame", name: str) -> tuple[float, ...]:
    means = runs.groupby("of_seed", sort=True)[name].mean()
    return tuple(float(value) for value in means if math.isfinite(value))


def _interval(name: str, values: tuple[float, ...], test_images: int | None) -> intervals.Interval:
    share = name.startswith("top")
    if len(values) > 1 or not share or not test_images or not 0 <= values[0] <= 1:
        return intervals.summarise(values, share=share)
    found = intervals.wilson(round(values[0] * test_images), test_images)
    return intervals.Interval(values[0], found.low, found.high, 1, found.method)
