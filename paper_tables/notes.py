"""The sentences under a table: which identity it shows, what the numbers are, and why a verdict is what it is."""

from collections.abc import Iterator, Mapping, Sequence

from paper_tables.published import Value
from paper_tables.selection import COSTS, LATENCY, Selection
from paper_tables.table import Row
from reproduce.recipes.paper_table import PaperTable
from reproduce.recipes.recipe import Recipe

_HEADLINES = {
    "top1_val_selected": "test accuracy at the epoch that held-out training images select",
    "top1_last": "test accuracy after the last epoch",
    "top1_best": "the best test accuracy of all evaluations, as the papers report it",
}

_EPOCHS = {"top1_val_selected": "selected", "top1_last": "last", "top1_best": "best"}
_PRINTED = {
    "selected": "test accuracy at the epoch that held-out training images select",
    "last": "test accuracy after the last epoch",
    "best": "the best test accuracy of all evaluations",
}
LATENCIES = {"full": 300, "smoke": 30}  # repetitions behind one run's wall time; reproduce.training.cost makes them
JUDGED = {"agrees", "differs", "undecided"}  # words on runs that may be held against the paper
_N_AS_ABOVE = "n as of the accuracy where no other stands"


def write(
    paper: PaperTable, plan: Mapping[str, Recipe], selection: Selection, rows: Sequence[Row], family: int
) -> Iterator[str]:
    """Yield the notes of a table in the order in which they are shown."""
    recipe = next(iter(plan.values()))
    metric = paper.headline_of(recipe.variant)
    yield f"Ours: {_HEADLINES[metric]} ({metric})."
    yield from _epoch_notes(rows, metric, selection)
    yield from explain_intervals(rows)
    sizes = {choice.trials(plan.get(row)) for row, choice in selection.choices.items()}
    if known := sorted(size for size in sizes if size):
        yield f"Each of our runs was tested on {' or '.join(f'{size:,}' for size in known)} images."
    yield "Parameters are those of the paper-scale model, whatever the budget."
    yield from _wall_notes(recipe, selection, paper)
    yield from _cost_notes(recipe, selection, paper)
    yield from explain_verdicts(rows, paper.margin, family)
    yield from _lost_notes(rows, metric)
    yield from _left_out_notes(selection)


def _epoch_notes(rows: Sequence[Row], metric: str, selection: Selection) -> Iterator[str]:
    """Say where the printed accuracies are of another epoch than ours, and what that makes on our runs."""
    printed = {row.published["top1"].epoch for row in rows if "top1" in row.published} - {"", _EPOCHS[metric]}
    for epoch in sorted(printed):
        column = next(name for name, of in _EPOCHS.items() if of == epoch)
        pairs = [(one.values.get(column, ()), one.values.get(metric, ())) for one in selection.choices.values()]
        whole = [pair for pair in pairs if len(pair[0]) == len(pair[1])]
        gaps = [one - other for pair in whole for one, other in zip(*pair, strict=True)]
        gap = sum(gaps) / len(gaps) if gaps else 0.0
        more = "more" if gap >= 0 else "less"
        said = f"; on our runs that is {abs(gap):.4f} {more} (mean over {len(gaps)} seeds)" if gaps else ""
        yield f"Printed: {_PRINTED[epoch]}{said}."


def _wall_notes(recipe: Recipe, selection: Selection, paper: PaperTable) -> Iterator[str]:
    if any(column.metric == LATENCY for column in paper.columns):
        devices = sorted({choice.device for choice in selection.choices.values() if choice.device})
        repeated = LATENCIES["smoke" if recipe.budget == "smoke" else "full"]
        small = ", of mini models" if recipe.scale == "mini" else ""
        ours = f"; ours on {', '.join(devices)}, mean of {repeated} per run{small}; {_N_AS_ABOVE}" if devices else ""
        yield f"Wall time: one image per forward pass; published on an RTX 2060, mean of 300{ours}."


def _cost_notes(recipe: Recipe, selection: Selection, paper: PaperTable) -> Iterator[str]:
    devices = sorted({choice.device for choice in selection.choices.values() if choice.device})
    if devices and any(column.metric in COSTS and column.metric != LATENCY for column in paper.columns):
        small = ", of mini models" if recipe.scale == "mini" else ""
        yield f"Images/s and peak memory: of training, on {', '.join(devices)}{small}; {_N_AS_ABOVE}."


def explain_printed(rows: Sequence[Row]) -> Iterator[str]:
    """Say of which epoch the printed accuracies are, where that is known."""
    epochs = {row.published["top1"].epoch for row in rows if "top1" in row.published} - {""}
    yield from (f"Printed: {_PRINTED[epoch]}." for epoch in sorted(epochs))


def explain_intervals(rows: Sequence[Row]) -> Iterator[str]:
    """Say how the brackets were made."""
    methods = {
        found.method
        for row in rows
        for cells in (row.measured, row.committed or {})
        for name, found in cells.items()
        if name.startswith("top")
    }
    meanings = [
        ("t", "over n seeds, Student's t"),
        ("BCa bootstrap", "over n seeds, bootstrap (BCa)"),
        ("Wilson", "for one run over its test images, Wilson"),
    ]
    said = [meaning for method, meaning in meanings if method in methods]
    if said:
        yield f"Brackets: 95 % interval ({'; '.join(said)}); n counts seeds."
    if "one run" in methods:
        yield "One run without a bracket: the number of its test images is not known."


def explain_verdicts(rows: Sequence[Row], margin: float, family: int) -> Iterator[str]:
    """Say each reason once, with the rows that it holds for, and the rule; rows not run have their command instead."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.verdict.word != "not run":
            reasons.setdefault(f"{row.verdict.word}: {row.verdict.reason}", []).append(row.row)
        if row.committed_verdict is not None and row.committed_verdict.word in JUDGED:
            verdict = row.committed_verdict
            reasons.setdefault(f"committed runs: {verdict.word}: {verdict.reason}", []).append(row.row)
    ran = [row.row for row in rows if row.verdict.word != "not run"]
    for reason, names in reasons.items():
        all_of_them = names == ran and len(ran) > 1
        yield f"{'All rows that were run' if all_of_them else ', '.join(names)}: {reason}."
    words = {verdict.word for row in rows for verdict in (row.verdict, row.committed_verdict) if verdict}
    if words & JUDGED:
        points = f"{100 * margin:g} point{'s' * (margin != 0.01)}"
        yield (
            f"Verdicts: 'agrees' is an equivalence: at 95 % no farther than the margin of {points} from the printed "
            "number, rounding included. 'differs' is a gap beyond rounding and chance at the 5 % level, corrected "
            f"(Holm) for all {family} rows with a printed accuracy. All else is 'undecided', and so are fewer than 3 "
            "seeds or a lost one. The seeds named would settle a row in four of five cases, if gap and spread stay so."
        )


def list_others(values: Mapping[tuple[str, str], Value], rows: Sequence[str]) -> Iterator[str]:
    """Say what the paper prints beside these rows of models that are not built here."""
    others: dict[str, list[str]] = {}
    for (row, metric), value in values.items():
        if row not in rows:
            others.setdefault(row, []).append(f"{metric} {value.printed()}")
    if others:
        said = "; ".join(f"{row} {', '.join(cells)}" for row, cells in others.items())
        yield f"Published beside these: {said}."


def explain_left_out(reasons: Mapping[str, str]) -> Iterator[str]:
    """Say which rows could not be run, each reason once."""
    for reason in dict.fromkeys(reasons.values()):
        yield f"Not run here: {', '.join(row for row, said in reasons.items() if said == reason)}: {reason}."


def _lost_notes(rows: Sequence[Row], metric: str) -> Iterator[str]:
    """Say how many runs are in no mean: a mean of the runs that went well is not one of all runs."""
    counted = (
        ("Diverged (a loss that is no number), in no mean and no test", [(row.row, row.diverged) for row in rows]),
        ("Committed runs that diverged, in no mean", [(row.row, row.committed_diverged) for row in rows]),
        (f"Finished without a finite {metric}, in no mean of it", [(row.row, row.unscored) for row in rows]),
    )
    for what, counts in counted:
        said = [f"{row} {count}" for row, count in counts if count]
        if said:
            yield f"{what}: {', '.join(said)}."


def _left_out_notes(selection: Selection) -> Iterator[str]:
    if selection.left_out:
        counts = ", ".join(f"{row} {count}" for row, count in selection.left_out.items())
        shown = " + ".join(sha[:12] for sha in selection.data_sha256.split(" + "))
        yield f"Runs of the same recipe on other data than {shown or '-'}, left out: {counts}."
