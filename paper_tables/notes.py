"""The sentences under a table: which identity it shows, what the numbers are, and why a verdict is what it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from paper_tables.definition import Definition
from paper_tables.selection import ACCURACIES, LATENCY, Selection
from reproduce.recipe import Recipe

if TYPE_CHECKING:
    from paper_tables.table import Row

_HEADLINES = {
    "top1_val_selected": "test accuracy at the epoch that held-out training images select",
    "top1_last": "test accuracy after the last epoch",
    "top1_best": "the best test accuracy of all evaluations, as the papers report it",
}


def write(
    plan: Mapping[str, Recipe], selection: Selection, rows: Sequence["Row"], definition: Definition, metric: str
) -> Iterator[str]:
    """Yield the notes of a table in the order in which they are shown."""
    recipe = next(iter(plan.values()))
    yield f"Ours: {_HEADLINES[metric]} ({metric})."
    yield from _interval_notes(rows)
    yield "Parameters are those of the paper-scale model, whatever the budget."
    if any(column.metric == LATENCY for column in definition.columns):
        devices = sorted({choice.device for choice in selection.choices.values() if choice.device})
        ours = f"; ours on {', '.join(devices)}" if devices else ""
        small = ", of mini models" if recipe.scale == "mini" and devices else ""
        yield f"Wall time: one image a forward pass; published on an RTX 2060, mean of 300{ours}{small}."
    yield from _verdict_notes(rows)
    yield from _left_out_notes(selection)


def _interval_notes(rows: Sequence["Row"]) -> Iterator[str]:
    methods = {
        found.method
        for row in rows
        for cells in (row.measured, row.committed or {})
        for name, found in cells.items()
        if name in ACCURACIES
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


def _verdict_notes(rows: Sequence["Row"]) -> Iterator[str]:
    """Say each reason once, with the rows that it holds for; a row that was not run has its command instead."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row.verdict.word != "not run":
            reasons.setdefault(f"{row.verdict.word}: {row.verdict.reason}", []).append(row.row)
        if row.committed_verdict is not None and row.committed_verdict.word in ("agrees", "differs"):
            verdict = row.committed_verdict
            reasons.setdefault(f"committed runs: {verdict.word}: {verdict.reason}", []).append(row.row)
    ran = [row.row for row in rows if row.verdict.word != "not run"]
    for reason, names in reasons.items():
        all_of_them = names == ran and len(ran) > 1
        yield f"{'All rows that were run' if all_of_them else ', '.join(names)}: {reason}."
    tested = sum(row.verdict.word in ("agrees", "differs") for row in rows)
    if tested:
        yield f"Verdicts: each at the 5 % level on its own; {tested} tests are not corrected for their number."


def _left_out_notes(selection: Selection) -> Iterator[str]:
    if selection.left_out:
        counts = ", ".join(f"{row} {count}" for row, count in selection.left_out.items())
        yield f"Runs of the same recipe on other data than {selection.data_sha256[:12] or '-'}, left out: {counts}."
