"""Suite ``engine``: its cases have their fields, its ledgers are what they say; small sizes, no times judged."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reproduce.bench import engine
from reproduce.bench.suites import measure_suite
from reproduce.errors import UserError
from reproduce.record import ledger


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SIZES", (10, 1000))
    monkeypatch.setattr(engine, "CHECKPOINTS", ("learned-content-ha",))


def test_a_ledger_of_any_size_is_read_and_some_of_it_is_shown(tmp_path: Path) -> None:
    for rows in (0, 10, 300):
        path = tmp_path / str(rows) / "runs.csv"
        engine.write_ledger(path, rows)
        frame = ledger.read(path)
        assert len(frame) == rows
        planned = {run.run_id for run in engine._runs(engine.SEEDS)}
        assert len(set(frame["run_id"]) & planned) == min(rows, len(planned))
        assert frame["top1_last"].between(0, 1).all()
    assert frame["recipe_sha256"].nunique() > 200


@pytest.mark.usefixtures("small")
def test_ledger_and_checkpoint_cases() -> None:
    names = ["append/10", "read/10", "read/1000", "save/learned-content-ha", "load/learned-content-ha"]
    result = measure_suite("engine", "cpu", names, 3)
    cases = {case["case"]: case for case in result["cases"]}
    assert list(cases) == names
    for case in cases.values():
        assert 0 < case["ms_q1"] <= case["ms"] <= case["ms_q3"]
        assert case["n"] == 3
    assert cases["read/1000"]["rows"] == 1000
    assert cases["append/10"]["rows"] == 10  # before the first
    assert cases["save/learned-content-ha"]["mb"] > 10
    assert "3 repetitions" in result["notes"][0]


@pytest.mark.usefixtures("small")
def test_command_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    from cli import app

    monkeypatch.setattr(engine, "STARTS", ("ls tables",))
    words = ["bench", "--cpu", "--suite", "engine", "--rows", "table/nothing-missing,start/ls tables", "--json"]
    done = CliRunner().invoke(app, [*words, "--repetitions", "1"])
    assert done.exit_code == 0, done.output
    cases = {case["case"]: case for case in json.loads(done.stdout)["cases"]}
    assert set(cases) == {"table/nothing-missing", "start/ls tables"}
    assert cases["table/nothing-missing"]["rows"] == 8 * engine.SEEDS


def test_nothing_is_missing_where_nothing_is_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reproduce.runs.plan import find_done

    engine.write_ledger(tmp_path / "runs.csv", len(engine._runs(engine.SEEDS)))
    frame = ledger.read(tmp_path / "runs.csv")
    assert all(find_done(frame, run) for run in engine._runs(engine.SEEDS))  # else the case would time training


def test_input_case(monkeypatch: pytest.MonkeyPatch) -> None:
    from reproduce.bench import input as pipelines

    rates = {"median": 2.0, "quartile_low": 1.0, "quartile_high": 3.0, "low": 1.0, "high": 3.0}
    monkeypatch.setattr(pipelines, "measure", lambda rounds: {"ours": rates})
    assert measure_suite("engine", "cpu", ["input/ours"], 2)["cases"] == [
        {"case": "input/ours", "images_per_s": 2.0, "q1": 1.0, "q3": 3.0, "n": 2}
    ]


def test_names_parts_and_slips(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no case is called 'apend'"):
        measure_suite("engine", "cpu", ["apend"], 1)
    monkeypatch.setattr(engine, "STARTS", ("no-such-verb",))
    with pytest.raises(UserError, match="attnrepro no-such-verb ended with 2"):
        measure_suite("engine", "cpu", ["start"], 1)
