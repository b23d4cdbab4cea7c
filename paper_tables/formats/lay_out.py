"""A built table laid out as a sheet."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from paper_tables.comparison import MARGINS, Comparison
from paper_tables.formats.sheet import DASH, Block, Sheet, Text, Tone
from paper_tables.notes import JUDGED
from paper_tables.published import Value
from paper_tables.selection import LATENCY, Identity
from paper_tables.settings_table import HEADINGS, Settings
from paper_tables.table import Pair, Row, Table
from reproduce.recipes.paper_table import Column
from reproduce.stats.intervals import ALPHA, Interval

TONES: Mapping[str, Tone] = {
    "agrees": "good",
    "differs": "bad",
    "undecided": "unsure",
    "not comparable": "unsure",
    "not run": "faint",
}


def lay_out(table: Table | Settings) -> Sheet:
    """Return the sheet of a built table."""
    return _settings_sheet(table) if isinstance(table, Settings) else _runs_sheet(table)


def _runs_sheet(table: Table) -> Sheet:
    general = _general(table)
    rows = tuple(tuple(_cell(column, row, general) for column in table.paper.columns) for row in table.rows)
    ends = {pair[1] for pair in table.paper.pairs[:-1]}
    block = Block(
        headings=tuple(column.heading for column in table.paper.columns),
        right=tuple(column.kind in ("published", "params", "macs", "flops") for column in table.paper.columns),
        rows=rows,
        rules=frozenset(number for number, row in enumerate(table.rows) if row.row in ends),
    )
    prints = " + ".join(sha[:12] for sha in table.data_sha256.split(" + "))
    data = f"data {table.dataset} ({prints or 'no run yet'})"
    parts = (f"budget {table.budget}", f"variant {table.variant}", data, table.precision, f"{table.scale} scale")
    return Sheet(
        title=_title(table),
        identity=table.basis or " | ".join(parts),
        blocks=(block, *_more_blocks(table)),
        notes=table.notes,
        footnotes=_footnotes(table, general),
        commands=tuple((row.row, row.command) for row in table.rows if row.verdict.word == "not run" and row.command),
    )


def _title(table: Table | Settings) -> str:
    return table.title if table.number is None else f"Table {table.number}. {table.title}"


def _more_blocks(table: Table) -> Iterator[Block]:
    if table.pairs:
        yield _pair_block(table)
    ours = f"our runs (budget {table.budget})" if table.budget else table.basis
    for found, whose in ((table.against_published, "published means and deviations"), (table.against, ours)):
        if found:
            yield _comparison_block(
                found, f"Each row against {table.paper.against}, from {whose}: differences in points"
            )


def _general(table: Table | Settings) -> set[str]:
    """Return the entries that concern every row of the table: said once, without a mark at each row."""
    return {entry.number for entry in table.footnotes if all(entry.number in row.footnotes for row in table.rows)}


def _footnotes(table: Table | Settings, general: set[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (entry.number, f"{entry.title} (all rows)" if entry.number in general else entry.title)
        for entry in table.footnotes
    )


def _cell(column: Column, row: Row, general: set[str]) -> Text:
    makers: Mapping[str, Callable[[], Text]] = {
        "row": lambda: Text(row.row, " ".join(mark for mark in row.footnotes if mark not in general), "strong"),
        "published": lambda: _published(row.published.get(column.metric)),
        "measured": lambda: _measured(column, row),
        "committed": lambda: _committed(row),
        "params": lambda: _size(row, row.params, "params"),
        "macs": lambda: _size(row, row.macs, "macs"),
        "flops": lambda: _size(row, row.flops, "flops"),
        "verdict": lambda: Text(row.verdict.word, "", TONES[row.verdict.word]),
    }
    return makers[column.kind]()


def _published(value: Value | None) -> Text:
    if value is None:
        return Text(DASH)
    return Text(value.printed(), _spread(value))


def _spread(value: Value) -> str:
    if value.spread is None:
        return ""
    misprint = "" if value.corrected_spread is None else f" (misprint of {value.corrected_spread:g})"
    return f"sd {value.spread:g}{misprint} n={value.n}"


_COSTS = {"latency_ms": ("wall_ms", ".3f"), "images_per_second": ("", ".0f"), "peak_memory_mb": ("", ",.0f")}
_PRINTED_AS = {"top5_last": "top5"}


def _measured(column: Column, row: Row) -> Text:
    found = row.measured.get(column.metric)
    if column.metric in _COSTS:
        name, form = _COSTS[column.metric]
        printed = row.published.get(name)
        top1 = row.measured.get("top1")  # the note says that n is its n where none stands
        count = f"n={found.n}" if found and (top1 is None or top1.n != found.n) else ""
        said = ", ".join(filter(None, (count, f"paper {printed.printed()}" if printed else "")))
        return Text(format(found.mean, form) if found else DASH, said)
    if column.metric in _PRINTED_AS:
        printed = row.published.get(_PRINTED_AS[column.metric])
        said = f"paper {printed.printed()}" if printed else ""
        return (
            Text(f"{found.mean:.4f}", f"{_bracket(found)}, {said}".strip(", ")) if found else Text(DASH, said, "faint")
        )
    lost = _lost(row.diverged, row.unscored)
    if found is None:
        return Text(DASH, lost.removeprefix(", "), "faint")
    return Text(f"{found.mean:.4f}", _bracket(found) + lost)


def _lost(diverged: int, unscored: int = 0) -> str:
    """Return what follows n: the runs that it does not count."""
    return "".join(f", {count} {what}" for count, what in ((diverged, "diverged"), (unscored, "unscored")) if count)


def _committed(row: Row) -> Text:
    found, identity = (row.committed or {}).get("top1"), row.committed_identity
    if found is None or identity is None:
        return Text(DASH, _lost(row.committed_diverged).removeprefix(", "), "faint")
    verdict = row.committed_verdict
    said = f": {verdict.word}" if verdict and verdict.word in JUDGED else ""
    return Text(f"{found.mean:.4f}", f"{_bracket(found)}{_lost(row.committed_diverged)}, {_name(identity)}{said}")


def _name(identity: Identity) -> str:
    parts = [identity.budget, identity.dataset]
    parts += [identity.precision] if identity.precision != "fp32" else []
    parts += [f"{identity.scale} scale"] if identity.scale != "paper" else []
    return " ".join(parts)


def _size(row: Row, size: int | None, metric: str) -> Text:
    printed = row.published.get(metric)
    return Text(f"{size:,}" if size else DASH, f"paper {printed.printed()}" if printed else "")


def _bracket(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"n={found.n}"
    return f"[{found.low:.4f}, {found.high:.4f}] n={found.n}"


def _pair_block(table: Table) -> Block:
    """Return gains and ratios of the pairs; a ratio stands where the table has the column that it is of."""
    kinds = {column.kind for column in table.paper.columns} | {column.metric for column in table.paper.columns}
    ratios = [
        (heading, name, form)
        for needed, heading, name, form in (
            ("params", "size ratio, published", "params_published", ".1f"),
            ("params", "size ratio, exact", "params", ".2f"),
            ("macs", "MACs ratio, exact", "macs", ".2f"),
            (LATENCY, "speed-up, published", "wall_published", ".2f"),
            (LATENCY, "speed-up, ours", "wall", ".2f"),
        )
        if needed in kinds and ("published" not in name or any(getattr(pair, name) for pair in table.pairs))
    ]

    def number(value: float | None, form: str) -> Text:
        return Text(DASH if value is None else format(value, form))

    rows = []
    for pair in table.pairs:
        before = None if pair.gain_published is None else 100 * pair.gain_published
        cells = (number(getattr(pair, name), form) for _, name, form in ratios)
        rows.append(
            (Text(pair.changed, f"against {pair.plain}", "strong"), number(before, "+.1f"), _gain(pair), *cells)
        )
    return Block(
        headings=("pair", "gain, published", "gain, ours", *(heading for heading, _, _ in ratios)),
        right=(False, True, False, *(True for _ in ratios)),
        rows=tuple(rows),
        title=table.paper.pairs_title
        + (f"; ours at budget {table.budget}" if table.budget and any(pair.gain for pair in table.pairs) else ""),
    )


def _gain(pair: Pair) -> Text:
    if pair.gain is None:
        return Text(DASH, "", "faint")
    low, high = pair.gain.low, pair.gain.high
    bracket = "" if low is None or high is None else f"[{100 * low:+.2f}, {100 * high:+.2f}]"
    return Text(f"{100 * pair.gain.mean:+.2f}", f"{bracket} n={pair.gain.n}".strip())


def _comparison_block(found: Sequence[Comparison], title: str) -> Block:
    """Return a line a row: the tests that were possible; ranks, spreads and bootstrap where the runs are known."""
    with_runs = any(one.ranks is not None or one.spread is not None for one in found)
    headings = ("row", "difference", "p", "p (Holm)", *(f"same within {100 * margin:g}, p" for margin in MARGINS))
    more = ("p, spreads", "p, ranks", "bootstrap") if with_runs else ()
    return Block(
        headings=(*headings, "would have shown", *more),
        right=(False, False, *(True for _ in (*headings[2:], "", *more))),
        rows=tuple(_comparison_row(one, with_runs) for one in found),
        title=title,
    )


def _comparison_row(one: Comparison, with_runs: bool) -> tuple[Text, ...]:
    gap = one.contrast.interval
    bracket = "" if gap.low is None or gap.high is None else f"[{100 * gap.low:+.2f}, {100 * gap.high:+.2f}] "
    covers = f"n={gap.n}" + ("" if one.contrast.covers == "seeds" else f", {one.contrast.covers} alone")
    tone: Tone = "bad" if one.corrected is not None and one.corrected < ALPHA else ""
    least = one.contrast.detectable
    cells = [
        Text(one.row, "", "strong"),
        Text(f"{100 * gap.mean:+.2f}", bracket + covers),
        _p_value(one.contrast.p_value),
        _p_value(one.corrected, tone),
        *(_p_value(one.equivalent[margin]) for margin in MARGINS),
        Text(DASH if least is None else f"{100 * least:.1f}"),
    ]
    if with_runs:
        drawn = one.bootstrap
        low, high = (drawn.low, drawn.high) if drawn else (None, None)
        shown = DASH if low is None or high is None else f"[{100 * low:+.2f}, {100 * high:+.2f}]"
        cells += [_p_value(one.spread), _p_value(one.ranks), Text(shown)]
    return tuple(cells)


def _p_value(value: float | None, tone: Tone = "") -> Text:
    if value is None:
        return Text(DASH, "", "faint")
    return Text(f"{value:.3f}" if value >= 0.001 else f"{value:.0e}", "", tone)


def _settings_sheet(table: Settings) -> Sheet:
    general = _general(table)
    rows = []
    for group in table.rows:
        cells = [
            Text(cell.ours, "" if cell.same else f"published {cell.published}", "" if cell.same else "bad")
            for cell in group.cells.values()
        ]
        verdict = Text("same", "", "good") if group.same else Text("differs", "", "bad")
        marks = " ".join(mark for mark in group.footnotes if mark not in general)
        rows.append((Text(group.label, marks, "strong"), *cells, verdict))
    fields: Sequence[str] = list(table.rows[0].cells) if table.rows else list(HEADINGS)
    headings = ("model", *(HEADINGS.get(name, name) for name in fields), "verdict")
    block = Block(headings=headings, right=(False,) * len(headings), rows=tuple(rows))
    return Sheet(
        title=_title(table),
        identity=f"budget {table.budget} | variant {table.variant}",
        blocks=(block,),
        notes=table.notes,
        footnotes=_footnotes(table, general),
        commands=(),
    )
