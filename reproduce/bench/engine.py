"""Suite ``engine``: what the record and the machinery cost: ledger, tables, start-up, checkpoints, input.

    attnrepro bench --cpu --suite engine [--rows append,table] [--out engine.csv]

The ledgers hold runs of Table 3's rows: five seeds of the smoke recipes, so that the table has something to show, all
else other recipes. ``append`` and ``read`` are timed in this process; ``table`` (read and render) and ``start`` are
whole commands, as the shell sees them. Milliseconds, but for ``input``: images a second.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from reproduce.bench.report import choose
from reproduce.bench.timing import quartiles
from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.recipes.registry import find_table, plan_table, resolve
from reproduce.record import checksummed_csv, ledger
from reproduce.record.manifest import ROOT
from reproduce.runs.plan import fit_plan, list_runs
from reproduce.training.checkpoint import load_state, save_state
from reproduce.training.optimiser import make_optimiser
from reproduce.training.run import Run

SIZES = (10, 1_000, 10_000)  # rows of a ledger
SEEDS = 5
TABLE = "hierarchical"
CHECKPOINTS = ("vit-ha", "vit")
STARTS = ("--help", "train --help", "ls rows", "ls tables", "ls figures", "ls runs", "data ls", "doctor", "table 4")
Work = Callable[[], object]


def measure(kind: str, rows: Sequence[str] | None, repetitions: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a case a kind of work and size; ``rows`` (parts of names) chooses among them.

    Raises:
        UserError: a name that no case has, or a command that fails.
    """
    del kind
    cases, names = [], list_cases()
    # a case's whole name means that case alone: read/10 is not read/100000
    chosen = list(rows) if rows and set(rows) <= set(names) else choose(names, rows)
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            what, _, size = name.partition("/")
            if what == "input":
                cases.append({"case": name} | _measure_input(repetitions))
                continue
            with _MAKERS[what](Path(folder), size) as (work, facts):
                cases.append({"case": name} | _summarise(_time(work, repetitions)) | facts)
    return cases, [
        f"median and quartiles of {repetitions} repetitions after one that is not counted; ms, input in images/s",
        "append includes writing to the disk and waiting for it; table and start are whole commands",
    ]


def list_cases() -> list[str]:
    """Return the names of all cases: what is done, and on how much."""
    sized = [f"{what}/{size}" for size in SIZES for what in ("append", "read", "table")]
    checkpoints = [f"{what}/{row}" for what in ("save", "load") for row in CHECKPOINTS]
    return [*sized, "table/nothing-missing", *(f"start/{words}" for words in STARTS), *checkpoints, "input/ours"]


def write_ledger(path: Path, rows: int) -> None:
    """Write a ledger of ``rows`` runs with their checksums, some of which Table 3 at smoke shows."""
    runs = _runs(SEEDS)
    lines, start = [checksummed_csv.write_header(ledger.COLUMNS)], checksummed_csv.begin(ledger.COLUMNS)
    for number in range(rows):
        run = runs[number % len(runs)]
        lines.append(checksummed_csv.write_line(_cells(run, number if number >= len(runs) else None), start))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))


def _runs(seeds: int) -> list[Run]:
    plan = plan_table(find_table(TABLE), variant="described", budget="smoke", changes={})
    return list_runs(fit_plan(plan, None, needed=True), range(seeds), "fp32")


def _cells(run: Run, other: int | None) -> list[str]:
    """Return a row of the run, or of the ``other``-th recipe that no table plans."""
    digest = run.recipe.sha256() if other is None else hashlib.sha256(b"%d" % other).hexdigest()
    recipe, name = run.recipe, run.run_id if other is None else f"{run.recipe.row}-smoke-described-s0-{digest[:10]}"
    share = int(digest[:4], 16) / 0x10000
    known = {
        "run_id": name,
        "row": recipe.row,
        "table": recipe.table,
        "budget": recipe.budget,
        "variant": recipe.variant,
        "scale": recipe.scale,
        "dataset": run.source.name,
        "data_sha256": run.source.sha256,
        "recipe_sha256": digest,
        "seed": str(run.seed),
        "precision": run.precision,
        "device": "cpu",
        "epochs": str(recipe.epochs),
        "params": "66858",
        "macs": "9986368",
        "torch": torch.__version__,
        "git": "0123456789ab",
        "started": "2026-01-01T00:00:00+00:00",
        "status": "done",
        "checkpoint": f"results/{recipe.row}/{name}/best.safetensors",
    }
    return [known.get(column, repr(share) if column in ledger.NUMBERS else "") for column in ledger.COLUMNS]


Made = Iterator[tuple[Work, dict[str, Any]]]


@contextlib.contextmanager
def _with_ledger(what: str, folder: Path, size: str) -> Made:
    place = folder / f"ledger-{size}"
    path = place / "runs.csv"
    if size == "nothing-missing":
        write_ledger(path, len(_runs(SEEDS)))
        words = ["table", TABLE]
    else:
        if not path.exists():
            write_ledger(path, int(size))
        words = ["table", TABLE, "--no-run"]
    works: Mapping[str, Work] = {
        "append": partial(_append, path),
        "read": partial(ledger.read, path),
        "table": partial(_command, words, place),
    }
    rows = path.read_bytes().count(b"\n") - 1
    yield works[what], {"rows": rows, "mb": round(path.stat().st_size / 1e6, 3)}


def _append(path: Path) -> None:
    ledger.append({"run_id": f"one-{time.perf_counter_ns()}", "row": "vit", "top1_last": 0.5, "status": "done"}, path)


@contextlib.contextmanager
def _with_command(folder: Path, words: str) -> Made:
    write_ledger(folder / "start" / "runs.csv", 10)
    yield partial(_command, words.split(), folder / "start"), {}


def _command(words: Sequence[str], results: Path) -> None:
    environment = {**os.environ, "ATTNREPRO_RESULTS": str(results)}
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise UserError(f"attnrepro {' '.join(words)} ended with {done.returncode}: {said}", "run it by itself first")


@contextlib.contextmanager
def _with_checkpoint(what: str, folder: Path, row: str) -> Made:
    """Save or load the whole state of a paper-scale network that has made one step."""
    torch.manual_seed(0)
    recipe = resolve(row)
    model = build(recipe.model)
    optimiser = make_optimiser(model, recipe.optimiser)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimiser.step()
    path = folder / f"{row}.pt"
    state = {"recipe": recipe.to_json(), "epoch": 1, "model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save_state(path, "bench", state)
    works: Mapping[str, Work] = {
        "save": partial(save_state, path, "bench", state),
        "load": partial(load_state, path, "bench", torch.device("cpu")),
    }
    yield works[what], {"mb": round(path.stat().st_size / 1e6, 3)}
    path.unlink()


def _measure_input(repetitions: int) -> dict[str, Any]:
    from reproduce.bench import input as pipelines

    found = pipelines.measure(rounds=repetitions)["ours"]
    values = {"images_per_s": found["median"], "q1": found["quartile_low"], "q3": found["quartile_high"]}
    return {name: float(f"{value:.5g}") for name, value in values.items()} | {"n": repetitions}


def _time(work: Work, repetitions: int) -> list[float]:
    work()
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def _summarise(seconds: list[float]) -> dict[str, Any]:
    low, median, high = (float(f"{1e3 * value:.5g}") for value in quartiles(seconds))
    return {"ms": median, "ms_q1": low, "ms_q3": high, "n": len(seconds)}


_MAKERS: dict[str, Callable[[Path, str], contextlib.AbstractContextManager[tuple[Work, dict[str, Any]]]]] = {
    **{what: partial(_with_ledger, what) for what in ("append", "read", "table")},
    **{what: partial(_with_checkpoint, what) for what in ("save", "load")},
    "start": _with_command,
}
