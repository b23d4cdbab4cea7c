"""A built table as text, Markdown, LaTeX, HTML, CSV or JSON.

print(render(table, "text", colour=True))
"""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from paper_tables.comparison import Comparison
from paper_tables.formats import markup
from paper_tables.formats import text as terminal
from paper_tables.formats.lay_out import lay_out
from paper_tables.published import METRICS
from paper_tables.selection import ACCURACIES, COSTS
from paper_tables.settings_table import Settings
from paper_tables.table import Pair, Row, Table
from reproduce.errors import UserError, did_you_mean
from reproduce.stats.intervals import Interval

FORMATS = ("text", "md", "latex", "html", "csv", "json")
WIDTH = 118
_IDENTITY = ("table", "budget", "variant", "scale", "dataset", "data_sha256", "precision")
_METRICS = ("top1", *ACCURACIES, *COSTS)


def render(table: Table | Settings, form: str = "text", *, colour: bool = False, width: int | None = None) -> str:
    """Return ``table`` in the format ``form``, ending in a line break.

    Args:
        table: from ``build.build`` or ``settings_table.build``.
        form: one of :data:`FORMATS`.
        colour: whether text carries colours for a terminal.
        width: columns of a text table; at most what is asked, 118 by default.

    Raises:
        UserError: an unknown format (the nearest one is offered).
    """
    writers: Mapping[str, Callable[[], str]] = {
        "text": lambda: terminal.text(lay_out(table), colour, width or WIDTH),
        "md": lambda: markup.markdown(lay_out(table)),
        "latex": lambda: markup.latex(lay_out(table), f"tab:{table.name}"),
        "html": lambda: markup.html(lay_out(table)),
        "csv": lambda: _csv(table),
        "json": lambda: json.dumps(as_document(table), indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    }
    return writers[check_format(form)]()


def check_format(form: str) -> str:
    """Return ``form``; raises UserError where no format is called so, with the nearest name."""
    if form not in FORMATS:
        raise UserError(f"no format is called '{form}'", did_you_mean(form, FORMATS))
    return form


def as_document(table: Table | Settings) -> dict[str, Any]:
    """Return ``table`` as the document that ``--json`` prints."""
    if isinstance(table, Settings):
        return _settings_document(table)
    return {
        "table": table.name,
        "number": table.number,
        "title": table.title,
        "budget": table.budget,
        "variant": table.variant,
        "scale": table.scale,
        "dataset": table.dataset,
        "data_sha256": table.data_sha256 or None,
        "precision": table.precision or None,
        "basis": table.basis or None,
        "margin": table.paper.margin,
        "family": table.family,
        "rows": [_row_document(row) for row in table.rows],
        "pairs": [_pair_document(pair) for pair in table.pairs],
        "against_published": [_comparison_document(one) for one in table.against_published],
        "against": [_comparison_document(one) for one in table.against],
        "notes": list(table.notes),
        "footnotes": {entry.number: entry.title for entry in table.footnotes},
    }


def _row_document(row: Row) -> dict[str, Any]:
    identity = row.committed_identity
    return {
        "row": row.row,
        "label": row.label,
        "params": row.params,
        "macs": row.macs,
        "published": {metric: value.value for metric, value in row.published.items()},
        "measured": {metric: _interval(found) for metric, found in row.measured.items()},
        "committed": None
        if row.committed is None
        else {metric: _interval(found) for metric, found in row.committed.items()},
        "committed_identity": None if identity is None else dict(vars(identity)),
        "diverged": row.diverged,
        "unscored": row.unscored,
        "committed_diverged": row.committed_diverged,
        "verdict": row.verdict.word,
        "reason": row.verdict.reason,
        "seeds_needed": row.verdict.seeds_needed,
        "committed_verdict": row.committed_verdict.word if row.committed_verdict else None,
        "committed_reason": row.committed_verdict.reason if row.committed_verdict else None,
        "command": row.command,
        "footnotes": list(row.footnotes),
    }


def _interval(found: Interval) -> dict[str, Any]:
    return {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n, "method": found.method}


def _pair_document(pair: Pair) -> dict[str, Any]:
    return {**vars(pair), "gain": _interval(pair.gain) if pair.gain else None}


def _comparison_document(one: Comparison) -> dict[str, Any]:
    return {
        "row": one.row,
        "difference": _interval(one.contrast.interval),
        "covers": one.contrast.covers,
        "p_value": one.contrast.p_value,
        "p_holm": one.corrected,
        "p_same_within": {f"{margin:g}": p_value for margin, p_value in one.equivalent.items()},
        "p_spread": one.spread,
        "p_ranks": one.ranks,
        "bootstrap": _interval(one.bootstrap) if one.bootstrap else None,
        "detectable": one.contrast.detectable,
    }


def _settings_document(table: Settings) -> dict[str, Any]:
    rows = [
        {
            "row": group.rows[0],
            "rows": list(group.rows),
            "label": group.label,
            "params": None,
            "published": {name: cell.published for name, cell in group.cells.items()},
            "ours": {name: cell.ours for name, cell in group.cells.items()},
            "same": {name: cell.same for name, cell in group.cells.items()},
            "measured": {},
            "committed": None,
            "verdict": "agrees" if group.same else "differs",
            "command": "attnrepro table hyperparameters",
            "footnotes": list(group.footnotes),
        }
        for group in table.rows
    ]
    return {
        "table": table.name,
        "number": table.number,
        "title": table.title,
        "budget": table.budget,
        "variant": table.variant,
        "dataset": None,
        "rows": rows,
        "notes": list(table.notes),
        "footnotes": {entry.number: entry.title for entry in table.footnotes},
    }


def _csv(table: Table | Settings) -> str:
    """Return one line a row; numbers in full, nothing where nothing was measured."""
    document = as_document(table)
    if isinstance(table, Settings):
        lines = [_flat_settings(row) for row in document["rows"]]
    else:
        lines = [_flat_row(row, document) for row in document["rows"]]
    target = io.StringIO()
    writer = csv.DictWriter(target, fieldnames=list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return target.getvalue()


def _flat_row(row: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    line = {name: document[name] for name in _IDENTITY}
    line |= {name: row[name] for name in ("row", "label", "params", "macs")}
    printed = {name for other in document["rows"] for name in other["published"]}
    line |= {f"published_{name}": row["published"].get(name) for name in METRICS if name in printed}
    for prefix, cells in (("", row["measured"]), ("committed_", row["committed"] or {})):
        for metric in _METRICS:
            found = cells.get(metric, {})
            line |= {f"{prefix}{metric}_{part}": found.get(part) for part in ("mean", "low", "high", "n")}
    identity = row["committed_identity"] or {}
    for name in ("budget", "scale", "dataset", "data_sha256", "precision"):
        line[f"committed_{name}"] = identity.get(name)
    line |= {name: row[name] for name in ("diverged", "unscored", "committed_diverged")}
    verdicts = ("verdict", "reason", "seeds_needed", "committed_verdict", "committed_reason", "command")
    return line | {name: row[name] for name in verdicts} | {"footnotes": " ".join(row["footnotes"])}


def _flat_settings(row: Mapping[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = {"label": row["label"], "rows": " ".join(row["rows"])}
    for name in row["published"]:
        line |= {f"published_{name}": row["published"][name], f"ours_{name}": row["ours"][name]}
        line[f"same_{name}"] = "same" if row["same"][name] else "differs"
    return line | {"verdict": row["verdict"], "footnotes": " ".join(row["footnotes"])}
