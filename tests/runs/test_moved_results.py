"""A folder of results that was moved still has its runs; seeds and limits are settled before anything is trained."""

import math

import pytest
import torch

from reproduce.console.options import RunOptions
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.command import LARGEST_SEED, parse_seeds
from reproduce.recipes.registry import resolve
from reproduce.record import ledger
from reproduce.record.folder import find_weights
from reproduce.runs.session import Session
from reproduce.runs.show import find_run, read_run
from reproduce.training import forewarn as warnings
from reproduce.training.deadline import Deadline
from reproduce.training.run import Run, fit_to_data

TINY = {
    "data.train_limit": 40,
    "data.test_limit": 10,
    "batch_size": 20,
    "model.width": 8,
    "model.hidden": 8,
    "epochs": 1,
}


def make_run(**changes) -> Run:
    source = identify("shapes")
    return Run(recipe=fit_to_data(resolve("quadratic", budget="smoke", changes=TINY), source), source=source, **changes)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def test_a_moved_folder_of_results_has_its_runs(results, tmp_path, monkeypatch):
    run = make_run()
    Session(torch.device("cpu")).finish(run, "attnrepro train quadratic")
    line = ledger.read().iloc[0].to_dict()
    assert line["checkpoint"] == f"quadratic/{run.run_id}/best.safetensors"
    results.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "elsewhere"))
    assert find_weights(line).is_file()
    assert read_run(run.run_id)["ledger"]["checkpoint"] == str(tmp_path / "elsewhere" / line["checkpoint"])
    old = line | {"checkpoint": str(results / line["checkpoint"])}  # as lines were written before
    assert find_weights(old) == tmp_path / "elsewhere" / line["checkpoint"]
    ledger.append({name: value for name, value in old.items() if value == value and value is not None})
    assert find_run(run.run_id)["checkpoint"] == str(tmp_path / "elsewhere" / line["checkpoint"])


def test_a_recorded_path_that_exists_is_kept(results, tmp_path):
    (tmp_path / "best.safetensors").touch()
    line = {"row": "vit", "run_id": "r", "checkpoint": str(tmp_path / "best.safetensors")}
    assert find_weights(line) == tmp_path / "best.safetensors"


@pytest.mark.parametrize("text", ["9223372036854775808", "0,99999999999999999999", "0-9999999999"])
def test_seeds_that_cannot_be_recorded_are_refused(text):
    with pytest.raises(UserError, match=r"cannot be recorded|names more than"):
        parse_seeds(text)
    assert parse_seeds(str(LARGEST_SEED)) == [LARGEST_SEED]


def test_an_epoch_that_outlasts_the_limit_is_told(results, monkeypatch):
    told = []
    monkeypatch.setattr(warnings.LOG, "warning", lambda form, *values: told.append(form % values))
    monkeypatch.setattr(warnings, "estimate_seconds", lambda *_: 600.0)
    Session(torch.device("cpu"), RunOptions(max_minutes=3)).finish(make_run(), "attnrepro train quadratic")
    assert "an epoch takes about" in told[0]
    told.clear()
    warnings.forewarn(make_run(), torch.device("cpu"), Deadline.after(1e6))
    warnings.forewarn(make_run(), torch.device("cpu"), Deadline())
    assert told == []


@pytest.mark.parametrize(("rate", "tells"), [(0.1, True), (0.9, False)])
def test_arithmetic_that_is_emulated_is_told(results, monkeypatch, rate, tells):
    told = []
    monkeypatch.setattr(warnings.LOG, "warning", lambda form, *values: told.append(form % values))
    monkeypatch.setattr(warnings, "measure_rate", lambda _, precision, __: rate if precision == "bf16" else 1.0)
    warnings.forewarn(make_run(precision="bf16"), torch.device("cpu"), Deadline())
    assert bool(told) == tells
    assert not tells or math.isclose(10, float(told[0].split(" takes ")[1].split()[0]))
