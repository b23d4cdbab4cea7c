"""Suite ``precision``: what bfloat16 changes in a row's accuracy, seed by seed.

    attnrepro bench --cpu --suite precision [--rows vit,learned-content] [--repetitions 5]     repetitions: seeds

A pair is one seed at smoke in float32 and in bfloat16: the same weights at the start, the same batches. The runs are
ordinary ones; those that the ledger has are not done again. The interval and the test are Student's, of the pairs'
differences.
"""

from collections.abc import Sequence
from typing import Any

from reproduce.console.options import RecipeOptions, RunOptions
from reproduce.errors import UserError
from reproduce.recipes.registry import resolve
from reproduce.runs.complete import complete
from reproduce.runs.plan import find_done
from reproduce.stats.intervals import summarise

REPETITIONS = 5
_ROWS = ("quadratic", "learned-content", "san-pair", "vit")
_PRECISIONS = ("fp32", "bf16")


def measure(kind: str, rows: Sequence[str] | None, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a row, with the mean difference bf16 - fp32 of its seeds' top-1.

    Raises:
        UserError: an unknown row, fewer than two seeds, or what a run raises.
    """
    if repetitions < 2:
        raise UserError("one pair has no spread", "give --repetitions 2 or more: they are the seeds")
    plan = {row: resolve(row, budget="smoke") for row in rows or _ROWS}
    seeds = f"0-{repetitions - 1}"
    words = [f"attnrepro bench --{'gpu' if kind == 'cuda' else 'cpu'} --suite precision"]
    words += [f"--rows {','.join(plan)}"] if rows else []
    command = " ".join([*words, f"--repetitions {repetitions}"])
    accuracies: dict[str, dict[str, list[float]]] = {row: {} for row in plan}
    sources = set()
    for precision in _PRECISIONS:
        asked, options = RecipeOptions(seeds=seeds, precision=precision), RunOptions(device=kind)
        done = complete(plan, asked, options, agree=lambda _: True, command=command)
        for run in done.runs:
            found = find_done(done.ledger, run)
            if found is None:
                raise UserError(f"{run.run_id} was not finished", f"see how it went: attnrepro show {run.run_id}")
            accuracies[run.recipe.row].setdefault(precision, []).append(float(found["top1_last"]))
            sources.add(run.source.name)
    cases = [_compare(row, *(accuracies[row][precision] for precision in _PRECISIONS)) for row in plan]
    return cases, [
        f"smoke, {' and '.join(sorted(sources))}, {repetitions} seeds a row and precision",
        "difference: bf16 - fp32 of a seed's last top-1; Student's interval (95 %) and paired t test over the seeds",
    ]


def _compare(row: str, exact: Sequence[float], rounded: Sequence[float]) -> dict[str, Any]:
    """Return the case of one row from its accuracies by seed."""
    from scipy import stats

    each = [half - full for full, half in zip(exact, rounded, strict=True)]
    found = summarise(each)
    same = len(set(each)) == 1
    p_value = float(each[0] == 0) if same else float(stats.ttest_rel(rounded, exact).pvalue)
    numbers = {
        "fp32": sum(exact) / len(exact), "bf16": sum(rounded) / len(rounded),
        "difference": found.mean, "low": found.low, "high": found.high, "p_value": p_value,
    }  # fmt: skip
    return {"case": row} | {name: float(f"{value:.4g}") for name, value in numbers.items()} | {"n": len(each)}
