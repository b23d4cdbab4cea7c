"""Committed benchmarks in the report: every column is one that the suite writes; n, device and command beside each."""

import itertools
import shlex
from typing import Any

import pytest

from figures.report.benches import COLUMNS, FOLDER, _write_command, list_benches
from reproduce.bench import complexity, engine, kernels, latency, precision, san, train
from reproduce.bench import input as pipelines
from reproduce.bench.report import fill_times, read_device
from reproduce.bench.roofline import Roof
from reproduce.bench.suites import COUNTED, SUITES, write_csv
from reproduce.bench.verbs import bench as verb
from reproduce.recipes.registry import TABLES

NOT_TIMED = ("structure",)
TURNS = {"ours": [0.1, 0.2, 0.3], "twin": [0.2, 0.4, 0.9]}


def write_kernels() -> list[dict[str, Any]]:
    cases = [
        fill_times(case, Roof(1e9, 1e9), TURNS, {"ours": 1, "twin": 2}) for case in kernels.plan("cpu", ["ece-k3"])
    ]
    return [case | {"error": 1e-7} | read_device("cpu") for case in cases]


def write_san() -> list[dict[str, Any]]:
    cases = [fill_times(case, Roof(1e9, 1e9), TURNS, {"ours": 1, "twin": 2}) for case in san.plan("cpu", None)]
    return [case | read_device("cpu") for case in cases]


def write_latency() -> list[dict[str, Any]]:
    cases = latency.plan("cuda", ["vit-ha"])
    seconds = {"eager": [0.1, 0.2], "graph": [0.05, 0.06]}
    return [case | latency._summarise(case["case"].rsplit("/", 1)[1], seconds) for case in cases]


def write_train() -> list[dict[str, Any]]:
    (case, *_), _ = train.measure("cpu", ["san-pair/fp32/eager"], 1)
    other = case | {"case": "san-pair/bf16/graphed", "precision": "bf16", "execution": "graphed", "ms": 12.5}
    return [case, other]


def write_input() -> list[dict[str, Any]]:
    found = {name: pipelines._summarise([1.0, 2.0, 4.0]) for name in ("ours", "ratio")}
    return [{"case": name} | values | {"num_workers": 2} for name, values in found.items()]


MADE = {
    "kernels": write_kernels,
    "san": write_san,
    "latency": write_latency,
    "train": write_train,
    "input": write_input,
    "engine": lambda: [
        {"case": "read/10"} | engine._summarise([0.1, 0.2]) | {"rows": 10, "mb": 0.1},
        {"case": "input/ours", "images_per_s": 5.0, "q1": 4.0, "q3": 6.0, "n": 2},
    ],
    "precision": lambda: [precision._compare("vit", [0.4, 0.5, 0.45], [0.41, 0.49, 0.47])],
    "complexity": lambda: complexity.measure("cpu", ["simple-b1"], 1, tokens=(64, 128))[0],
}


def test_every_timed_suite_has_its_columns() -> None:
    assert set(COLUMNS) == {*MADE, "models"} == set(SUITES) - set(NOT_TIMED) - set(COUNTED)


@pytest.mark.parametrize("suite", MADE)
def test_columns_are_those_that_the_suite_writes(suite: str, tmp_path: Any) -> None:
    cases = MADE[suite]()
    write_csv(cases, tmp_path / f"{suite}.csv")
    written = {name for case in cases for name in case}
    wanted = {name for measure in COLUMNS[suite] for name in (measure.name, *measure.spread)}
    assert wanted <= written | {"heap"}, wanted - written
    (found,) = list_benches(tmp_path)
    shown = len(found.block.headings)
    assert shown == len([one for one in COLUMNS[suite] if any(case.get(one.name) not in (None, "") for case in cases)])
    assert "n" in found.block.headings or suite == "input"


def test_columns_of_models_are_those_of_the_committed_file() -> None:
    """Its smallest case takes minutes; the file was written by the suite."""
    header = set(next(FOLDER.glob("models-*.csv")).read_text().splitlines()[0].split(","))
    wanted = {name for measure in COLUMNS["models"] for name in (measure.name, *measure.spread)} - {"n"}
    assert wanted <= header


def test_train_rows_are_told_apart_and_have_n_and_share_of_peak(tmp_path: Any) -> None:
    write_csv(write_train(), tmp_path / "train-cpu.csv")
    (found,) = list_benches(tmp_path)
    block = found.block
    assert {"precision", "execution", "batch", "n", "share of peak", "hours"} <= set(block.headings)
    assert len({tuple(cell.main for cell in row[:3]) for row in block.rows}) == 2
    assert block.rows[0][block.headings.index("n")].main == "1"
    assert block.rows[1][block.headings.index("ms")].detail.startswith("[")
    assert "--suite train --rows san-pair/fp32/eager,san-pair/bf16/graphed --repetitions 1" in found.command


def test_a_way_of_all_rows_is_one_word(tmp_path: Any) -> None:
    rows = {row for name in ("accuracy", "heads", "hierarchical") for row in TABLES[name].rows}
    case = {"precision": "bf16", "execution": "graphed", "n": 5, "ms": 1.0}
    write_csv([{"case": f"{row}/bf16/graphed", "row": row} | case for row in rows], tmp_path / "train-nvidia-h200.csv")
    (found,) = list_benches(tmp_path)
    assert found.command.startswith("attnrepro bench --gpu --suite train --rows bf16/graphed --repetitions 5 ")
    assert rows == set(train.list_rows())


def test_the_heap_is_shown_where_it_is_known(tmp_path: Any) -> None:
    case = {"case": "aggregation/cifar-16/eval", "batch": 32, "ms": 1.0, "ms_q1": 0.9, "ms_q3": 1.2, "n": 7}
    write_csv([case | {"heap": "kept"}], tmp_path / "kernels-cpu.csv")
    write_csv([case | {"heap": ""}], tmp_path / "kernels-other.csv")
    known, unknown = list_benches(tmp_path)
    assert known.block.rows[0][known.block.headings.index("heap")].main == "kept"
    assert "heap" not in unknown.block.headings
    assert known.block.rows[0][2].detail == "[0.9, 1.2]"


def test_an_unknown_suite_is_shown_with_all_its_columns(tmp_path: Any) -> None:
    (tmp_path / "storage-cpu.csv").write_text("disk,mb_per_s\nfast,12345.6\n")
    (found,) = list_benches(tmp_path)
    assert found.block.headings == ("disk", "mb per s")
    assert found.block.rows[0][1].main == "12,346"


@pytest.mark.parametrize("found", list_benches(), ids=lambda one: one.block.title)
def test_every_committed_benchmark_says_n_device_and_a_command_that_makes_its_cases(found: Any) -> None:
    facts = " ".join(found.facts)
    assert "n=" in facts or "n is not in the file" in facts
    assert "threads" in facts or "cuda" in facts
    words = list(itertools.dropwhile(lambda word: "=" in word, shlex.split(found.command)))  # behind the environment
    given = dict(itertools.pairwise(words))
    assert words[:2] == ["attnrepro", "bench"]
    assert found.command.endswith(f"paper_tables/measured/bench/{found.block.title}.csv")
    assert {word for word in words if word.startswith("--")} <= {
        *("--cpu", "--gpu"),
        *(f"--{name.replace('_', '-')}" for name in verb.__annotations__),
    }
    suite, rows = given["--suite"], given["--rows"].split(",") if "--rows" in given else None
    cases = [row[0].main for row in found.block.rows]
    if suite in ("kernels", "san", "latency"):
        planned = {"kernels": kernels, "san": san, "latency": latency}[suite].plan(
            "cuda" if "--gpu" in words else "cpu", rows
        )
        assert sorted(case["case"] for case in planned) == sorted(cases)
    elif suite == "engine":
        assert sorted(engine.list_cases()) == sorted(cases)
    elif suite == "models":
        assert list(dict.fromkeys(cases)) == rows


def test_a_command_sets_what_the_environment_had_set() -> None:
    path = FOLDER / "kernels-cpu.csv"
    lines = [{"case": "aggregation/cifar-16/eval", "n": "3", "heap": heap} for heap in ("MALLOC_MMAP_MAX_=0",) * 2]
    assert _write_command("kernels", path, lines).startswith("MALLOC_MMAP_MAX_=0 attnrepro bench --cpu --suite kernels")
    plain = [line | {"heap": "default"} for line in lines]
    assert _write_command("kernels", path, plain).startswith("attnrepro bench --cpu")
