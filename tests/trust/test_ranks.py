"""One run in two processes: the same weights as in one, one row, and a lost process that costs an epoch at most."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from reproduce.data.batches import Batches
from reproduce.data.dataset import Split
from reproduce.errors import UserError
from reproduce.recipes.recipe import Augmentation
from reproduce.training.checkpoint import load_weights
from reproduce.training.distributed import ALONE, is_loss_of_rank, started_by_torchrun

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"data.train_limit": 200, "data.test_limit": 50, "batch_size": 25, "epochs": 2}
ATTENTION = {**SMALL, "model.attention_dropout": 0, "model.width": 16, "model.hidden": 16}


def command(row: str, settings: dict[str, object], processes: int) -> list[str]:
    given = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    launcher = [*torchrun, "-m", "cli"] if processes > 1 else ["cli.py"]
    return [sys.executable, *launcher, "train", row, *given]


def run(row: str, settings: dict[str, object], processes: int, results: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(row, settings, processes),
        cwd=ROOT,
        env=environment(results),
        capture_output=True,
        text=True,
        check=False,
    )


def environment(results: Path) -> dict[str, str]:
    return {**os.environ, "ATTNREPRO_RESULTS": str(results), "OMP_NUM_THREADS": "1"}


def rows_of(results: Path) -> list[dict[str, str]]:
    with (results / "runs.csv").open(newline="") as source:
        return list(csv.DictReader(source))


@pytest.mark.slow
@pytest.mark.parametrize("row", ["learned-content-ha", "quadratic"])
def test_two_processes_give_the_weights_of_one(row: str, tmp_path: Path) -> None:
    for processes in (1, 2):
        done = run(row, ATTENTION, processes, tmp_path / str(processes))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("top-1") == 1  # rank 0 alone speaks
    one, two = (load_weights(next((tmp_path / p).rglob("best.safetensors"))).tensors for p in ("1", "2"))
    for name, value in one.items():
        assert torch.allclose(two[name], value, rtol=1e-3, atol=1e-5), name
    (first,), (second,) = rows_of(tmp_path / "1"), rows_of(tmp_path / "2")
    assert (first["device"], second["device"]) == ("cpu", "2 x cpu")
    assert first["run_id"] == second["run_id"]
    assert first["top1_last"] == second["top1_last"]


@pytest.mark.slow
def test_batchnorm_is_a_choice_that_is_asked_for(tmp_path: Path) -> None:
    small = {**SMALL, "model.width": 8, "model.hidden": 8}
    refused = run("cnn-deep", small, 2, tmp_path)
    assert refused.returncode != 0
    assert "BatchNorm over several processes needs CUDA devices" in refused.stderr
    assert "batch_statistics=local" in refused.stderr
    assert not (tmp_path / "runs.csv").exists()
    local = run("cnn-deep", {**small, "batch_statistics": "local"}, 2, tmp_path)
    assert local.returncode == 0, local.stderr
    alone = run("cnn-deep", small, 1, tmp_path)
    assert alone.returncode == 0, alone.stderr
    assert len({row["recipe_sha256"] for row in rows_of(tmp_path)}) == 2  # another recipe, another run


@pytest.mark.slow
def test_a_lost_process_ends_the_run_which_then_goes_on(tmp_path: Path) -> None:
    settings = {**ATTENTION, "epochs": 40}
    child = subprocess.Popen(
        command("learned-content-ha", settings, 2), cwd=ROOT, env=environment(tmp_path / "lost"),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for_epochs(tmp_path / "lost", 3)
    os.kill(find_rank(1, tmp_path / "lost"), signal.SIGKILL)
    _, said = child.communicate(timeout=120)
    assert child.returncode != 0, said
    assert not (tmp_path / "lost" / "runs.csv").exists()
    for results in ("lost", "whole"):
        done = run("learned-content-ha", settings, 2, tmp_path / results)
        assert done.returncode == 0, done.stderr
    lost, whole = (load_weights(next((tmp_path / p).rglob("best.safetensors"))).tensors for p in ("lost", "whole"))
    assert all(torch.equal(lost[name], value) for name, value in whole.items())


def wait_for_epochs(results: Path, count: int) -> None:
    for _ in range(600):
        found = list(results.rglob("history.csv"))
        if found and len(found[0].read_text().splitlines()) > count:
            return
        time.sleep(0.1)
    raise AssertionError("no epoch was finished in a minute")


def find_rank(rank: int, results: Path) -> int:
    for folder in Path("/proc").iterdir():
        try:
            held = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"RANK={rank}".encode() in held and f"ATTNREPRO_RESULTS={results}".encode() in held:
            return int(folder.name)
    raise AssertionError(f"no process of rank {rank}")


@pytest.mark.parametrize("shares", [2, 3])
@pytest.mark.parametrize("drop_last", [False, True])
def test_shares_make_up_the_batches(shares: int, drop_last: bool) -> None:
    split = Split(torch.arange(24 * 3 * 16).remainder(256).to(torch.uint8).view(24, 3, 4, 4), torch.arange(24))
    mean, std, change = (0.5,) * 3, (0.5,) * 3, Augmentation(crop_padding=1, flip=True)

    def batches(share: tuple[int, int]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        made = Batches(split, 10, mean, std, augmentation=change, seed=3, drop_last=drop_last, share=share)
        return list(made.epoch(2))

    whole = batches((0, 1))
    parts = [batches((index, shares)) for index in range(shares)]
    for number, (x, y) in enumerate(whole):
        for index in range(shares):
            assert torch.equal(parts[index][number][1], y[index::shares])
            assert torch.equal(parts[index][number][0], x[index::shares])
    with pytest.raises(UserError, match="too few"):
        Batches(split, 10, mean, std, seed=0, share=(0, 5))


def test_alone_nothing_is_communicated() -> None:
    loss = torch.tensor(2.0)
    assert ALONE.weigh(loss, 3, 3) is loss
    assert ALONE.total(loss) is loss
    assert ALONE.agree("word") == "word"
    ALONE.wait()
    assert not started_by_torchrun()
    assert is_loss_of_rank(RuntimeError("[gloo] Connection closed by peer"))
    assert not is_loss_of_rank(RuntimeError("shapes do not match"))
