"""The committed benchmarks as tables: median and spread, how often, on what, and the command that measured them.

blocks = list_benches()          one for every measured/bench/SUITE-DEVICE-VERSIONS.csv
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paper_tables.formats.sheet import Block, Text
from paper_tables.measured import MEASURED
from reproduce.errors import UserError
from reproduce.recipes.registry import TABLES

FOLDER = MEASURED / "bench"


@dataclass(frozen=True)
class Measure:
    """One column: its heading, the CSV's column, and the columns of its spread (two bounds, a deviation or a range)."""

    heading: str
    name: str
    spread: tuple[str, ...] = ()


_MS = Measure("ms", "ms", ("ms_q1", "ms_q3"))
_SPEEDUP = Measure("speed-up", "speedup", ("speedup_q1", "speedup_q3"))
_N = Measure("n", "n")
_CASE, _BATCH, _PIXELS = Measure("case", "case"), Measure("batch", "batch"), Measure("pixels", "image_size")
_ROOFED: tuple[Measure, ...] = (
    _MS,
    _N,
    Measure("unfold, ms", "twin_ms"),
    _SPEEDUP,
    Measure("memory ratio", "peak_ratio"),
)
_ROOFED += (Measure("share of roof", "roof_share"),)
# By suite, in the columns that the suite itself writes; a test builds each suite's CSV and holds them against it.
COLUMNS: Mapping[str, tuple[Measure, ...]] = {
    "models": (
        Measure("row", "row"),
        Measure("phase", "phase"),
        _N,
        Measure("naive, GMAC", "gmac_naive"),
        Measure("fast, GMAC", "gmac_fast"),
        Measure("naive fp32, ms", "naive_ms"),
        Measure("fast fp32, times as fast", "fast_ratio", ("fast_range",)),
        Measure("fast bf16, times as fast", "bf16_ratio", ("bf16_range",)),
    ),
    "kernels": (_CASE, _BATCH, *_ROOFED, Measure("error", "error"), Measure("heap", "heap")),
    "san": (_CASE, _BATCH, _PIXELS, *_ROOFED, Measure("heap", "heap")),
    "latency": (
        _CASE,
        _BATCH,
        _PIXELS,
        Measure("mean, ms", "ms_mean", ("ms_sd",)),
        _MS,
        _N,
        Measure("speed-up", "speedup"),
    ),
    "train": (
        Measure("row", "row"),
        Measure("precision", "precision"),
        Measure("execution", "execution"),
        _BATCH,
        _MS,
        _N,
        Measure("images/s", "images_per_s"),
        Measure("GFLOP/image", "gflop_per_image"),
        Measure("TFLOP/s", "tflop_per_s"),
        Measure("share of peak", "peak_share"),
        Measure("hours", "hours"),
    ),
    "complexity": (
        _CASE,
        Measure("tokens", "tokens"),
        Measure("million MACs", "mmacs"),
        _MS,
        _N,
        Measure("memory, MB", "peak_mb"),
    ),
    "engine": (
        _CASE,
        _MS,
        _N,
        Measure("rows", "rows"),
        Measure("MB", "mb"),
        Measure("images/s", "images_per_s", ("q1", "q3")),
    ),
    "input": (
        _CASE,
        Measure("images/s, or ratio", "median", ("quartile_low", "quartile_high")),
        Measure("workers", "num_workers"),
    ),
    "precision": (
        _CASE,
        _N,
        Measure("fp32, top-1", "fp32"),
        Measure("bf16, top-1", "bf16"),
        Measure("difference", "difference", ("low", "high")),
        Measure("p", "p_value"),
    ),
}
_TURNS = (
    "Median and [quartiles] of turns in one process; speed-up: unfold over ours, turn by turn; memory: ours over "
    "unfold's; roof: the least time by bytes and FLOPs on this device"
)
_MEANING = {
    "models": "Paper-scale models. Times as fast as naive fp32: median and [least..greatest] of paired turns in one "
    "process.",
    "kernels": f"{_TURNS}; error: the largest relative one, against float64.",
    "san": f"{_TURNS}.",
    "latency": "One image a forward pass, fp32: mean (sd), median and [quartiles] of n repetitions after 10 warm-ups.",
    "train": "A step of paper-scale training: median and [quartiles] of n turns; peak: a large product in the same "
    "precision, measured in the same run; hours: of the paper's recipe, evaluation left out.",
    "complexity": "Forward and backward of the attention core alone: median and [quartiles] of n turns.",
    "engine": "Median and [quartiles] of n repetitions: ledgers, tables, start-up, checkpoints, input.",
    "input": "Median and [quartiles] over the rounds.",
    "precision": "Budget smoke. Last top-1 in bfloat16 less that in float32, seed by seed: mean, [95 % interval] "
    "(Student's t) and paired test; n: seeds.",
}
_NUMBERLESS = ("case", "row", "phase", "precision", "execution", "heap", "suite", "device")
_DEVICE = ("device", "threads", "torch", "cupy", "cuda", "driver", "python")


@dataclass(frozen=True)
class Bench:
    """One committed benchmark: its table, what it was measured on and how often, and the command."""

    block: Block
    facts: tuple[str, ...]
    command: str


def list_benches(folder: Path = FOLDER) -> list[Bench]:
    """Return every benchmark in ``folder``; one of a suite that is not known here with all its columns.

    Raises:
        UserError: a file that cannot be read.
    """
    return [_read_bench(path) for path in sorted(folder.glob("*.csv"))]


def _read_bench(path: Path) -> Bench:
    suite, lines = path.stem.split("-")[0], _read_lines(path)
    there = list(lines[0]) if lines else []
    wanted = COLUMNS.get(suite) or tuple(Measure(name.replace("_", " "), name) for name in there)
    shown = [measure for measure in wanted if any(line.get(measure.name) for line in lines)]
    block = Block(
        tuple(measure.heading for measure in shown),
        tuple(measure.name not in _NUMBERLESS for measure in shown),
        tuple(tuple(_cell(measure, line) for measure in shown) for line in lines),
        title=path.stem,
    )
    said = [_MEANING[suite]] if suite in _MEANING else []
    return Bench(block, (*said, _say_device(path.stem, lines), _say_n(lines)), _write_command(suite, path, lines))


def _cell(measure: Measure, line: Mapping[str, str]) -> Text:
    value = _shorten(line.get(measure.name, ""))
    spread = [_shorten(cell) for name in measure.spread if (cell := line.get(name, ""))]
    if value == "-" or not spread:
        return Text(value)
    return Text(value, f"sd {spread[0]}" if measure.spread[0].endswith("_sd") else f"[{', '.join(spread)}]")


def _say_device(stem: str, lines: Sequence[Mapping[str, str]]) -> str:
    """Return device, threads and versions: of the file's columns, else what its name says and what nothing says."""
    facts = {name: sorted({line[name] for line in lines if line.get(name)}) for name in _DEVICE}
    said = [f"{name} {' and '.join(values)}" for name, values in facts.items() if values]
    if not facts["device"]:
        rest = stem.partition("-")[2].replace("-", " ")
        said.insert(0, f"by the file's name measured on {rest}" if rest else "the device is not recorded")
    if not facts["threads"] and not facts["cuda"]:
        said.append("threads not recorded")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def _say_n(lines: Sequence[Mapping[str, str]]) -> str:
    counts = sorted({int(float(line["n"])) for line in lines if line.get("n")})
    if not counts:
        return "n is not in the file; the suite's default is 5 turns a case."
    return f"n={counts[0]} a case." if len(counts) == 1 else f"n={counts[0]} to {counts[-1]} a case, beside it."


def _write_command(suite: str, path: Path, lines: Sequence[Mapping[str, str]]) -> str:
    """Return the command that measures these cases so often, into this file."""
    gpu = any(line.get("cuda") for line in lines) or path.stem.partition("-")[2].startswith(("nvidia", "gpu", "cuda"))
    # how the C library treats freed memory, where the environment said so
    words = sorted({line["heap"] for line in lines if "=" in (line.get("heap") or "")})
    words += [f"attnrepro bench --{'gpu' if gpu else 'cpu'} --suite {suite}"]
    chosen = _choose_words(suite, lines)
    words += [f"--rows {','.join(chosen)}"] if chosen else []
    counts = {line["n"] for line in lines if line.get("n")}
    words += [f"--repetitions {min(counts)}"] if len(counts) == 1 else []
    out = path.relative_to(MEASURED.parents[1]).as_posix() if path.is_relative_to(MEASURED) else path.name
    return " ".join([*words, f"--out {out}"])


def _choose_words(suite: str, lines: Sequence[Mapping[str, str]]) -> list[str]:
    """Return what ``--rows`` needs for these cases and no others; nothing for the suite's own choice."""
    cases = list(dict.fromkeys(line.get("case") or line.get("row") or "" for line in lines))
    if suite == "models":
        return list(dict.fromkeys(line["row"] for line in lines))
    if suite == "kernels":  # operator/layer/phase: a layer means all of its operators and phases
        layers: dict[str, int] = {}
        for case in cases:
            layers[case.split("/")[1]] = layers.get(case.split("/")[1], 0) + 1
        return list(layers) if set(layers.values()) == {8} else cases
    if suite == "train":
        every = {row for name in ("accuracy", "heads", "hierarchical") for row in TABLES[name].rows}
        ways: dict[str, set[str]] = {}
        for line in lines:
            ways.setdefault(f"{line['precision']}/{line['execution']}", set()).add(line["row"])
        return [
            word
            for way, rows in ways.items()
            for word in ([way] if rows == every else [f"{row}/{way}" for row in sorted(rows)])
        ]
    if suite == "complexity":
        return list(dict.fromkeys(line["layer"] for line in lines))
    return cases if suite in ("san", "latency", "precision") else []


def _read_lines(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as source:
            return list(csv.DictReader(source))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error})", "restore the file from the repository") from None


def _shorten(cell: str) -> str:
    try:
        return f"{float(cell):.4g}" if abs(float(cell)) < 1e4 else f"{float(cell):,.0f}"
    except ValueError:
        return cell or "-"
