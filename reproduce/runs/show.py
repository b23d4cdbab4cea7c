"""What has been recorded: the registry and the runs of this machine, as plain records. No torch.

list_records("runs"), read_run("vit-smoke-described-s0")
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reproduce.data.cards import KNOWN_NAMES
from reproduce.errors import UserError, did_you_mean
from reproduce.recipes.command import write_options
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import ENTRIES, TABLES, resolve
from reproduce.recipes.settings import keys
from reproduce.record import ledger, manifest
from reproduce.record.folder import find_weights
from reproduce.runs.plan import find_done
from reproduce.training.history import read_history
from reproduce.training.run import Run

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("tables", "rows", "figures", "runs")
_SHOWN = ("run_id", "budget", "variant", "dataset", "seed", "precision", "top1_val_selected", "top1_last", "status")
_BARS = " ▁▂▃▄▅▆▇█"


def list_records(kind: str) -> list[dict[str, Any]]:
    """Return the tables, the rows or the runs; raises UserError for anything else, with the nearest name."""
    if kind == "tables":
        return [
            {"table": table.name, "number": table.number, "study": table.study, "rows": len(table.rows)}
            | {"title": table.title}
            for table in TABLES.values()
        ]
    if kind == "rows":
        return [
            {"row": row, "table": entry.recipe.table, "label": entry.recipe.label, "variants": entry.variant_names()}
            for row, entry in ENTRIES.items()
        ]
    if kind == "runs":
        runs = ledger.read()
        return [_plain({name: line[name] for name in _SHOWN}) for line in runs.to_dict("records")]
    raise UserError(f"ls knows no '{kind}'", did_you_mean(kind, KINDS))


def find_run(name: str) -> dict[str, Any]:
    """Return the ledger's row of the run called ``name``, or of the only run whose name starts so.

    Raises:
        UserError: no such run, or several.
    """
    runs = ledger.read()
    names = [str(run_id) for run_id in runs["run_id"]]
    found = [run_id for run_id in names if run_id == name] or [run_id for run_id in names if run_id.startswith(name)]
    if not found:
        hint = did_you_mean(name, names) if names else "train a row first: attnrepro train vit-ha"
        raise UserError(f"the ledger has no run called '{name}'", hint)
    if len(set(found)) > 1:
        raise UserError(f"'{name}' fits {len(set(found))} runs", f"name one: {', '.join(sorted(set(found))[:4])}")
    line = _plain({str(k): v for k, v in runs[runs["run_id"] == found[-1]].iloc[-1].to_dict().items()})
    return line | {"checkpoint": str(find_weights(line))}


def find_checkpoint(name: str) -> Path:
    """Return the weights that a run's name or a path means; raises UserError where there are none."""
    path = Path(name)
    if path.suffix in (".safetensors", ".pt", ".pth", ".tar", ".ckpt", ".bin") or path.exists():
        found = path / "best.safetensors" if path.is_dir() else path
        if not found.exists():
            raise UserError(f"there is no checkpoint at {found}", "name a run (attnrepro ls runs) or a file")
        return found
    return Path(str(find_run(name)["checkpoint"]))


def read_run(name: str) -> dict[str, Any]:
    """Return a run's ledger row, manifest, curve and the command that repeats it.

    Raises:
        UserError: no such run, or its files are damaged.
    """
    line = find_run(name)
    folder = Path(str(line["checkpoint"])).parent
    facts = manifest.read(folder)
    return {
        "ledger": line,
        "manifest": facts,
        "history": read_history(folder / "history.csv"),
        "command": repeat_command(line, facts),
    }


def repeat_command(line: dict[str, Any], facts: dict[str, Any]) -> str:
    """Return the command that makes the same run: row, budget, variant, seed, data, precision, changed settings."""
    import json

    recipe = Recipe.from_json(json.dumps(facts["recipe"]))
    base = resolve(recipe.row, variant=recipe.variant, budget=recipe.budget)
    changed = [
        f"{key}={_setting(recipe, key)}"
        for key in keys(recipe)
        if key != "model.classes" and _value(recipe, key) != _value(base, key)
    ]
    data = None
    if line["dataset"] != base.data.name:
        data = str(line["dataset"]) if line["dataset"] in KNOWN_NAMES else str(facts.get("data_path"))
    options = write_options(
        data=data,
        settings=changed,
        precision=str(line["precision"]),
        variant=recipe.variant,
        seeds=str(line["seed"]),
    )
    return f"attnrepro train {recipe.row} --budget {recipe.budget} {options}".rstrip()


def report_runs(runs: Sequence[Run], table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return what the ledger ``table`` has of ``runs``, with a line per run that ``says`` it."""
    records: list[dict[str, Any]] = []
    for run in runs:
        line = find_done(table, run)
        if line is None:
            says = f"{run.run_id}: not finished; the same command goes on"
            records.append({"run_id": run.run_id, "status": "unfinished", "says": says})
            continue
        says = f"{run.run_id}: top-1 {line['top1_last']:.4f} last, {line['top1_best']:.4f} best on test"
        records.append(_plain(line) | {"checkpoint": str(find_weights(line)), "says": says})
    return records


def describe_run(record: dict[str, Any]) -> str:
    """Return a run as text: what it is, its curve, what it cost, and the command that repeats it."""
    line, facts = record["ledger"], record["manifest"]
    curve = [point["test_top1"] for point in record["history"] if point.get("test_top1") is not None]
    machine = facts["machine"]
    lines = [
        f"{line['run_id']}  ({line['status']})",
        f"  data        {line['dataset']}  {str(line['data_sha256'])[:12]}",
        f"  top-1       last {_share(line['top1_last'])}, best on test {_share(line['top1_best'])}, "
        f"chosen on validation {_share(line['top1_val_selected'])}",
        f"  test curve  {draw_curve(curve)}  {len(curve)} evaluations",
        f"  cost        {line['params']:,} parameters, {line['macs']:,} MACs, {line['train_seconds']} s of training, "
        f"{line['images_per_second']} images/s, {line['peak_memory_mb']} MB",
        f"  machine     {machine.get('cpu', 'unknown')}, {line['device']}, torch {line['torch']}",
        f"  code        git {line['git']}, started {line['started']}",
        f"  weights     {line['checkpoint']}",
        f"  again       {record['command']}",
    ]
    return "\n".join(lines)


def draw_curve(values: list[float]) -> str:
    """Return values in [0, 1] as a line of bars, scaled to their own range."""
    if not values:
        return "-"
    low, high = min(values), max(values)
    reach = (high - low) or 1.0
    return "".join(_BARS[1 + round(7 * (value - low) / reach)] for value in values)


def _value(recipe: Recipe, key: str) -> Any:
    node: Any = recipe
    for part in key.split("."):
        node = getattr(node, part)
    return node


def _setting(recipe: Recipe, key: str) -> str:
    value = _value(recipe, key)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _share(value: Any) -> str:
    return "-" if value is None else f"{value:.4f}"


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """Turn pandas' missing values into None."""
    return {name: None if _missing(value) else value for name, value in record.items()}


def _missing(value: Any) -> bool:
    try:
        return value is None or math.isnan(value)
    except TypeError:
        return str(value) == "<NA>"
