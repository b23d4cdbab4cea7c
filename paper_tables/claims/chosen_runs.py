"""The single runs behind a choice: their values by seed, what lies beside them, which were lost. No torch."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from paper_tables.claims.arms import Arm
from paper_tables.claims.measured_files import read_answers
from paper_tables.selection import COSTS, Choice
from reproduce.record.folder import find_weights
from reproduce.stats.sample import Answers

if TYPE_CHECKING:
    import pandas as pd

Record = TypeVar("Record")
_MOMENTS = {"top1_last": "last", "top1_best": "best", "top1_val_selected": "selected"}


def finished(runs: "pd.DataFrame", choice: Choice) -> "pd.DataFrame":
    """Return the finished runs of a choice, one per seed: of runs that share one the first by name, whatever its day.

    What lies beside runs (curves, maps, right answers) cannot be averaged, as tables do with their accuracies.
    """
    for name, value in vars(choice.identity).items():
        runs = runs[runs[name] == value]
    runs = runs[runs["status"] == "done"].sort_values("run_id", kind="stable")
    return runs[runs["seed"].isna() | ~runs.duplicated("seed", keep="first")].sort_values(["seed", "run_id"])


def seeds_of(runs: "pd.DataFrame", choice: Choice, metric: str) -> tuple[int, ...]:
    """Return the seeds of a choice's values of ``metric``, in their order; empty where some are not known.

    A cost is of a moment and a machine, which runs of one seed do not share: it has none.
    """
    if metric in COSTS:
        return ()
    single = finished(runs, choice)
    single = single[[math.isfinite(value) for value in single[metric]]]
    seeds = tuple(int(seed) for seed in single["seed"].dropna())
    return seeds if len(seeds) == len(choice.values.get(metric, ())) else ()


def answers_of(runs: "pd.DataFrame", choice: Choice, metric: str, local: bool) -> Answers | None:
    """Return which test images the one run of a choice got right; None of several runs, and where it is not known."""
    if len(choice.values.get(metric, ())) != 1 or metric not in _MOMENTS:
        return None
    found, _ = recorded(
        runs, choice, local, lambda run_id, folder: [read_answers(run_id, folder, _MOMENTS[metric])]
    )  # fmt: skip
    return found[0][1][0] if len(found) == 1 else None


def images_of(runs: "pd.DataFrame", choice: Choice) -> set[int]:
    """Return the numbers of test images that the runs of a choice were measured on, as far as they were recorded."""
    single = finished(runs, choice)
    return {int(count) for count in single.get("test_images", single["seed"][:0]).dropna()}


def recorded(
    runs: "pd.DataFrame", choice: Choice, local: bool, read: Callable[[str, Path | None], Sequence[Record]]
) -> tuple[list[tuple[int, Sequence[Record]]], list[str]]:
    """Return (seed, what ``read`` finds) of the runs of ``choice``, and the runs of which it finds nothing."""
    kept, without = [], []
    single = finished(runs, choice)
    lines = zip(single["run_id"], single["seed"], single["row"], single["checkpoint"], strict=True)
    for run_id, seed, row, checkpoint in lines:
        place = find_weights({"run_id": run_id, "row": row, "checkpoint": checkpoint})
        record = read(str(run_id), place.parent if local else None)
        kept += [(-1 if math.isnan(float(seed)) else int(seed), record)] if record else []
        without += [] if record else [str(run_id)]
    return kept, without


def count_lost(runs: "pd.DataFrame", arm: Arm, variant: str, headline: str) -> tuple[int, int]:
    """Return how many seeds of an arm diverged or have no accuracy, and how many it has in all.

    A seed that was run again, and then finished, is not lost.
    """
    runs = runs[(runs["row"] == arm.row) & (runs["variant"] == variant)]
    settings = zip(runs["recipe_sha256"], runs["budget"], runs["dataset"], strict=True)
    runs = runs[[sha in arm.digests(variant, str(budget), str(data)) for sha, budget, data in settings]]
    if runs.empty:
        return 0, 0
    whole = (runs["status"] == "done") & runs[headline].notna()
    lost = (runs["status"] == "diverged") | ((runs["status"] == "done") & ~whole)
    kept = set(runs["seed"][whole])
    gone = set(runs["seed"][lost]) - kept
    return len(gone), len(gone | kept)
