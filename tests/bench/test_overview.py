"""`bench --gpu` with no more words: kernels, networks and latency, one summary, a roofline each; and its plan."""

import json

import pytest
import torch
from typer.testing import CliRunner

from reproduce.bench import overview

ROOF = {"byte_per_s": 4e12, "flop_per_s": 6e13}
KERNEL = {"case": "pairwise/tiny/eval", "batch": 2, "flop_per_byte": 9.0, "gflop_per_s": 800.0, "ms": 1.5,
          "roof_ms": 0.6, "roof_share": 0.4, "bound": "memory", "speedup": 3.0, "chain_speedup": 2.0, "peak_mb": 9.5,
          "error": 1e-6, "twin_ms": 4.5}  # fmt: skip
LATENCY = {"case": "san-pair/graph", "batch": 1, "ms": 0.7, "speedup": 1.8}


@pytest.fixture
def measured(monkeypatch):
    """Every suite measured in no time; which were asked for, in order."""
    asked = []

    def measure(suite, kind, rows, repetitions):
        asked.append((suite, kind, rows, repetitions))
        case = LATENCY if suite == "latency" else KERNEL
        return {"suite": suite, "device": "cpu", "cases": [case], "notes": [f"of {suite}"], "roof": ROOF,
                "versions": {"torch": "2", "cupy": None, "python": "3"}}  # fmt: skip

    monkeypatch.setattr(overview, "measure_suite", measure)
    return asked


def run(*arguments):
    from cli import app

    return CliRunner().invoke(app, ["bench", *arguments])


def test_no_more_words_measure_all_three_and_draw_rooflines(measured, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("--gpu", "--repetitions", "3")
    assert done.exit_code == 0, done.output
    assert measured == [(suite, "cuda", None, 3) for suite in ("kernels", "san", "latency")]
    head, first, *_ = done.stdout.splitlines()
    for word in ("suite", "case", "ms", "roof_share", "speedup", "chain_speedup", "peak_mb"):
        assert word in head.split()
    assert first.split()[:4] == ["kernels", "pairwise/tiny/eval", "2", "1.5"]
    assert "twin_ms" not in head
    assert sorted(path.name for path in tmp_path.iterdir()) == ["roofline-kernels.svg", "roofline-san.svg"]


def test_a_folder_takes_a_file_per_suite(measured, tmp_path):
    assert run("--gpu", "--out", str(tmp_path), "--plot", str(tmp_path / "roof.png")).exit_code == 0
    names = sorted(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert names == ["kernels", "latency", "roof", "roof", "san"]


def test_json_is_one_document(measured, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = json.loads(run("--gpu", "--json").stdout)
    assert [result["suite"] for result in found["suites"]] == ["kernels", "san", "latency"]


@pytest.mark.parametrize("kind", ["--gpu", "--cpu"])
def test_a_dry_run_needs_no_suite_and_no_device(kind, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(tmp_path)
    done = run(kind, "--dry-run", "--bandwidth", "4000", "--flops", "60000", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [result["suite"] for result in found["suites"]] == ["kernels", "san", "latency"]
    assert found["suites"][0]["roof"] == {"byte_per_s": 4e12, "flop_per_s": 6e13}
    assert all(len(result["cases"]) > 3 for result in found["suites"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["--rows", "san10"], "--suite"), (["--out", "nowhere/at.csv"], "--suite"), (["--plot", "roof.bmp"], "svg")],
)
def test_what_needs_a_suite_is_said_before_anything_is_measured(measured, arguments, hint):
    done = run("--gpu", *arguments)
    assert done.exit_code == 2
    assert hint in done.output
    assert measured == []
