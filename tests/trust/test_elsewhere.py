"""Runs on other machines: what is asked of whom, a Ray cluster that loses a machine, SLURM's scripts and jobs."""

import csv
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from reproduce.console.options import RunOptions
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.registry import resolve
from reproduce.runs.place import Place, find_place
from reproduce.runs.session import Session
from reproduce.training.run import Run, fit_to_data

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "data.train_limit": 100,
    "data.test_limit": 50,
    "batch_size": 20,
    "model.width": 8,
    "model.hidden": 8,
}


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def make_runs(count: int, epochs: int = 2) -> list[Run]:
    source = identify("shapes")
    recipe = resolve("learned-content-ha", budget="smoke", changes={**TINY, "epochs": epochs})
    return [Run(recipe=fit_to_data(recipe, source), source=source, seed=seed) for seed in range(count)]


def rows_of(results: Path) -> list[dict[str, str]]:
    with (results / "runs.csv").open(newline="") as source:
        return list(csv.DictReader(source))


def test_places() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    assert find_place(RunOptions()) == Place()
    assert find_place(RunOptions(on="ray", device="cpu")) == Place("ray", None, 1, 0)
    assert find_place(RunOptions(on="ray", address="auto", cpus=4)) == Place("ray", "auto", 4, 1)
    for asked, words in (
        ({"address": "auto"}, "belong to --on"),
        ({"cpus": 2}, "belong to --on"),
    ):
        with pytest.raises(UserError, match=words):
            find_place(RunOptions(**asked))


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs submitit") as caught:
        find_place(RunOptions(on="slurm"))
    assert caught.value.hint == "pip install 'attnrepro[slurm]'"


def test_a_plan_says_what_each_run_gets_and_starts_nothing(results: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    words = ["table", "heads", "--seeds", "0-2", "--on", "ray", "--device", "cpu", "--cpus", "2", "--dry-run", "--json"]
    done = subprocess.run([sys.executable, "cli.py", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert len(plan) == len({record["run_id"] for record in plan})
    assert len(plan) % 3 == 0
    assert all((record["cpus"], record["gpus"]) == (2, 0) for record in plan)
    assert not results.exists()


@pytest.mark.slow
def test_a_cluster_that_loses_a_machine_brings_every_row_once(results: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    from reproduce.runs.on_ray import finish_on_ray

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    machines = [cluster.add_node(num_cpus=1) for _ in range(2)]
    runs = make_runs(4, epochs=30)
    lost = threading.Event()

    def lose_a_machine() -> None:
        for _ in range(1200):
            curves = list(results.rglob("history.csv"))
            # both machines have begun, and what is lost has something saved to go on from
            if len(curves) >= 2 and all(len(curve.read_text().splitlines()) > 3 for curve in curves[:2]):
                cluster.remove_node(machines[1], allow_graceful=False)
                lost.set()
                return
            time.sleep(0.1)

    killer = threading.Thread(target=lose_a_machine, daemon=True)
    killer.start()
    try:
        place = Place("ray", cluster.address, 1, 0)
        found = finish_on_ray(Session(torch.device("cpu")), runs, "attnrepro train", place)
    finally:
        killer.join(timeout=5)
        cluster.shutdown()
    assert lost.is_set(), "the machine was to go while runs were under way"
    assert [row["run_id"] for row in found if row] == [run.run_id for run in runs]
    assert sorted(row["run_id"] for row in rows_of(results)) == sorted(run.run_id for run in runs)
    assert all(row["epochs"] == "30" for row in rows_of(results))
    for run in runs:
        epochs = [line.split(",")[0] for line in (run.folder / "history.csv").read_text().splitlines()[1:]]
        assert epochs == [str(epoch) for epoch in range(1, 31)]


@pytest.mark.slow
def test_what_no_machine_has_is_refused_at_once() -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    from reproduce.runs.on_ray import finish_on_ray

    session, runs = Session(torch.device("cpu")), make_runs(1)
    with pytest.raises(UserError, match="no machine of the cluster has 9999 CPUs"):
        finish_on_ray(session, runs, "attnrepro train", Place("ray", None, 9999, 0))
    with pytest.raises(UserError, match=r"there is no Ray cluster at '127\.0\.0\.1:1'"):
        finish_on_ray(session, runs, "attnrepro train", Place("ray", "127.0.0.1:1", 1, 0))


FAKE_SBATCH = """#!/bin/sh
for last; do :; done
cp "$last" "$0.script"
echo "Submitted batch job 4711"
"""


def install_fake_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir()
    for name in ("sbatch", "srun"):
        path = folder / name
        path.write_text(FAKE_SBATCH)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "sbatch.script"


def test_slurm_gets_one_array_with_what_a_run_needs(
    tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    from reproduce.runs.on_slurm import submit

    script = install_fake_slurm(tmp_path / "bin", monkeypatch)
    jobs = submit(Session(torch.device("cpu")), make_runs(3), "attnrepro train", Place("slurm", None, 2, 1, hours=5))
    assert [job.job_id for job in jobs] == ["4711_0", "4711_1", "4711_2"]
    text = script.read_text()
    for line in ("--array=0-2", "--cpus-per-task=2", "--gpus-per-node=1", "--time=300", "--job-name=attnrepro"):
        assert f"#SBATCH {line}" in text, line
    assert "#SBATCH --signal=" in text  # told before its time is up, so that it can be queued again
    assert str(results / "slurm") in text


def test_without_slurm_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    from reproduce.runs.on_slurm import submit

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="jobs cannot be submitted from here"):
        submit(Session(torch.device("cpu")), make_runs(1), "attnrepro train", Place("slurm"))


@pytest.mark.slow
def test_a_job_does_its_run_and_goes_on_where_it_was_stopped(results: Path) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    from reproduce.runs.on_slurm import Task, submit

    session, place = Session(torch.device("cpu")), Place("slurm", None, 1, 0)
    first, second = make_runs(2)
    stopped = Task(Session(torch.device("cpu"), RunOptions(max_minutes=0)), first, "attnrepro train", place)
    assert stopped() is None  # one epoch, then told to stop
    again = stopped.checkpoint().function
    assert again.run == first
    jobs = submit(session, [first, second], "attnrepro train", place, cluster="local")
    assert [job.result()["run_id"] for job in jobs] == [first.run_id, second.run_id]
    assert sorted(row["run_id"] for row in rows_of(results)) == sorted([first.run_id, second.run_id])
