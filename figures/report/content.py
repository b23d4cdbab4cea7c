"""What the report says, before it is a page or Markdown: a pure function of the committed ledger and published values.

content = gather()
content.studies[0].claims.claims[0].ours.word
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures.report.benches import Bench, list_benches
from figures.report.chapter import Chapter
from figures.report.seal import digest
from figures.report.summary.summary import Summary, summarise
from figures.report.tables import Shown, show_table
from paper_tables import deviations
from paper_tables.claims.assess import assess
from paper_tables.claims.claim import Study
from paper_tables.claims.studies.registry import STUDIES
from paper_tables.deviations import Deviation
from paper_tables.formats.sheet import Block, Text
from paper_tables.measured import MEASURED, committed_runs
from paper_tables.published import FOLDER as PUBLISHED
from paper_tables.selection import ENDED, by_content
from reproduce.recipes.registry import TABLES
from reproduce.stats.intervals import BOOTSTRAP_FROM

if TYPE_CHECKING:
    import pandas as pd

TITLE = "What holds"


@dataclass(frozen=True)
class Content:
    """The whole report; ``inputs`` are the files that it is made from, with their digests."""

    summary: Summary
    studies: tuple[Chapter, ...]
    deviations: tuple[Deviation, ...]
    runs: Block
    benches: tuple[Bench, ...]
    measured: tuple[str, ...]
    versions: Block
    inputs: tuple[tuple[str, str], ...]

    def count(self, side: str = "ours") -> dict[str, dict[str, int]]:
        """Return how many claims of each study have which verdict, on our evidence or on the published values."""
        counts: dict[str, dict[str, int]] = {}
        for chapter in self.studies:
            found = [getattr(one, side) for one in chapter.claims.claims]
            words = [verdict.word for verdict in found if verdict is not None]
            counts[chapter.study.name] = {word: words.count(word) for word in dict.fromkeys(words)}
        return counts


def gather(runs: "pd.DataFrame | None" = None) -> Content:
    """Return the content of the report from ``runs``, by default the committed ones.

    Raises:
        UserError: a damaged file of the project.
    """
    ours = by_content(committed_runs() if runs is None else runs)
    chapters = tuple(open_chapter(study, ours) for study in STUDIES.values())
    entries = deviations.read()
    return Content(
        summary=summarise(chapters, entries, ours),
        studies=chapters,
        deviations=entries,
        runs=_list_runs(ours),
        benches=tuple(list_benches()),
        measured=tuple(_say_measured(ours)),
        versions=_list_versions(ours),
        inputs=tuple(_digest_inputs()),
    )


def open_chapter(study: Study, runs: "pd.DataFrame") -> Chapter:
    """Return the tables and claims of ``study`` as ``runs`` have them."""
    names = (study.name, *study.aliases)
    tables = [table for table in TABLES.values() if table.study in names]
    shown = tuple(shown for table in tables for shown in show_table(table, runs))
    return Chapter(study, shown, assess(study, runs, local=False))


def _list_runs(runs: "pd.DataFrame") -> Block:
    """Return every committed run that ended: what it is, what came out, how long it took, and the code that ran."""
    ended = runs[runs["status"].isin(ENDED)]
    ended = ended.sort_values(["row", "budget", "variant", "dataset", "precision", "seed"])
    rows = [
        (
            Text(
                str(line["row"]),
                f"seed {line['seed']}" + ("" if line["status"] == "done" else f", {line['status']}"),
                "strong",
            ),
            Text(f"{line['budget']} {line['variant']}", f"{line['dataset']} {str(line['data_sha256'])[:12]}"),
            Text(_share(line["top1_val_selected"]), ""),
            Text(_share(line["top1_best"])),
            Text(_share(line["top1_last"])),
            Text(str(line["epochs"])),
            Text(_number(line["train_seconds"], ",.0f"), f"{line['device']}, {line['precision']}"),
            Text(str(line["git"])[:7] or "-", str(line["run_id"]).rsplit("-", 1)[-1]),
        )
        for line in ended.to_dict("records")
    ]
    headings = ("run", "identity", "selected", "best", "last", "epochs", "training, s", "code, digest")
    return Block(headings, (False, False, True, True, True, True, True, False), tuple(rows))


def _say_measured(runs: "pd.DataFrame") -> Iterable[str]:
    """Yield sentences on what the committed ledger holds."""
    done = runs[runs["status"] == "done"]
    if done.empty:
        yield "The committed ledger holds no finished run yet."
        return
    by_budget = done["budget"].value_counts()
    counted = ", ".join(
        f"{by_budget[budget]} {budget}" for budget in ("paper", "short", "smoke") if budget in by_budget
    )
    yield f"{len(done)} finished runs of {done['row'].nunique()} rows are committed: {counted}."
    if lost := int((runs["status"] == "diverged").sum()):
        yield f"Runs that diverged, besides: {lost}; they are among all runs below, and in no mean."
    data = sorted(
        {f"{name} ({digest[:12]})" for name, digest in zip(done["dataset"], done["data_sha256"], strict=True)}
    )
    yield f"Data, with the sum of its content: {', '.join(data)}."
    timed = done["train_seconds"].dropna()
    took = f"{timed.sum() / 3600:.1f} hours of training in the {len(timed)} of {len(done)} runs that were timed"
    yield f"Devices: {', '.join(sorted(set(done['device'])))}; {took if len(timed) else 'no run was timed'}."
    yield (
        "Intervals are of 95 %: Wilson for one run over its test images, Student's t for 2 to "
        f"{BOOTSTRAP_FROM - 1} seeds, bootstrap (BCa) from {BOOTSTRAP_FROM}; two arms are compared seed by seed "
        "(paired t) or by Welch's test, single runs by their test images alone."
    )
    yield (
        "Runs that differ in budget, variant, scale, data, precision or any setting share no cell, no mean and no "
        "verdict; only those at the paper's budget, scale and data are held against a published number."
    )


def _list_versions(runs: "pd.DataFrame") -> Block:
    done = runs[runs["status"] == "done"]
    groups = done.groupby(["torch", "cuda", "cupy", "device", "git"], sort=True, dropna=False)
    rows = [(*(Text(str(part) or "-") for part in key), Text(str(len(group)))) for key, group in groups if len(group)]
    return Block(("torch", "CUDA", "CuPy", "device", "code", "runs"), (False,) * 5 + (True,), tuple(rows))


def _digest_inputs() -> Iterable[tuple[str, str]]:
    paths = [MEASURED / name for name in ("runs.csv", "structure.csv", "evaluations.csv")] + [deviations.PATH]
    paths += sorted(PUBLISHED.glob("*.csv"))
    for folder in ("bench", "histories", "attention", "figures"):
        paths += sorted((MEASURED / folder).rglob("*.csv"))
    for path in paths:
        if path.exists():
            yield path.relative_to(MEASURED.parent).as_posix(), digest(_text(path))


def _text(path: Path) -> bytes:
    return path.read_bytes().replace(b"\r\n", b"\n")  # a checkout may have changed the line ends


def _share(value: Any) -> str:
    return "-" if value != value else f"{value:.4f}"


def _number(value: Any, form: str) -> str:
    return "-" if value != value else format(value, form)


def list_anchors(chapters: Sequence[Chapter]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the contents of the report: (anchor, title, [(anchor, title) beneath])."""
    found = [("glance", "Study by study", list[tuple[str, str]]()), ("forest", "Every table in a picture", [])]
    for chapter in chapters:
        inner = list(dict.fromkeys((f"table-{shown.table.name}", _short(shown)) for shown in chapter.tables))
        inner.append((f"claims-{chapter.study.name}", "Claims"))
        found.append((f"study-{chapter.study.name}", chapter.study.title, inner))
    found += [
        ("maps", "Attention maps", []),
        ("deviations", "Deviations", []),
        ("measured", "How it was measured", []),
        ("runs", "Every run", []),
    ]
    return [*found, ("inputs", "Made from", [])]


def _short(shown: Shown) -> str:
    number = shown.table.number
    return shown.table.name.capitalize() if number is None else f"Table {number}, {shown.table.name}"
