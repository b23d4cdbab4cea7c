"""Bad input of every kind: one sentence, one hint, exit code 2, no traceback, nothing lost."""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from cli import app
from reproduce.record import ledger
from reproduce.record.whole_files import UNSEALED, seal

TINY = ["--set", "data.train_limit=100", "--set", "data.test_limit=50", "--set", "epochs=1"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def refused(result: Result, *parts: str) -> None:
    """Exit code 2, an error line, a hint line, no traceback, and every part in what was said."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line]
    assert lines[-2].startswith("error: "), result.stderr
    assert lines[-1].startswith("hint: "), result.stderr
    for part in parts:
        assert part in result.stderr, (part, result.stderr)


SAID = [
    (["train", "gates"], ["no row is called 'gates'", "that is a table", "cnn-eca"]),
    (["train", "learnt"], ["no row is called 'learnt'", "learned"]),
    (["table", "heirarchical"], ["no table is called 'heirarchical'", "hierarchical"]),
    (["table", "9"], ["no table is called '9'"]),
    (["train", "vit", "--set", "optimizer.lr=1"], ["optimizer.lr", "optimiser.lr"]),
    (["train", "vit", "--set", "heads=4"], ["no setting is called 'heads'", "model.heads"]),
    (["train", "vit", "--set", "model.heads=many"], ["model.heads", "whole number", "many"]),
    (["train", "vit", "--set", "model.heads=2.5"], ["model.heads", "2.5"]),
    (["train", "vit", "--set", "optimiser.nesterov=maybe"], ["optimiser.nesterov", "maybe"]),
    (["train", "vit", "--set", "model.pool=max"], ["model.pool", "max"]),
    (["train", "vit", "--set", "optimiser.lr=nan"], ["optimiser.lr"]),
    (["train", "vit", "--set", "optimiser.lr=-1"], ["optimiser.lr"]),
    (["train", "vit", "--set", "epochs=0"], ["epochs cannot be 0"]),
    (["train", "vit", "--set", "model=vit"], ["'model' is a group"]),
    (["train", "vit", "--set", "row=x"], ["'row' is not a setting"]),
    (["train", "vit", "--set", "epochs"], ["not of the form key=value"]),
    (["train", "vit", "--set", "model.patch=5"], ["do not divide"]),
    (["train", "vit", "--budget", "large"], ["no budget is called 'large'"]),
    (["train", "vit", "--variant", "as-is"], ["no variant is called 'as-is'", "as-run"]),
    (["train", "vit", "--variant", "original"], ["has no variant 'original'"]),
    (["train", "vit", "--seeds", "4-0"], ["'4-0'"]),
    (["train", "vit", "--seeds", "one"], ["'one'"]),
    (["train", "vit", "--precision", "fp8"], ["no precision is called 'fp8'"]),
    (["train", "vit", "--device", "tpu"], ["device 'tpu'"]),
    (["train", "vit", "--resume", "always"], ["no way to resume is called 'always'"]),
    (["train", "vit", "--data", "cifr10"], ["cifr10"]),
    (["train", "vit", "--budget", "paper", "--yes"], ["cifar10"]),
    (["train", "san-pair", "--set", "model.relation=star"], ["no relation 'star'"]),
    (["train", "san-pair", "--set", "model.kernels=9,9,9,9"], ["too small for a 9x9 footprint"]),
    (["train", "san-pair-ha", "--set", "model.pool=true"], ["hierarchical SAN"]),
    (["train", "vit", "--set", "model.image_size=64"], ["32x32"]),
    (["table", "3", "--format", "pdf"], ["no format is called 'pdf'"]),
    (["eval", "nothing"], ["nothing"]),
    (["eval", "missing.safetensors"], ["there is no checkpoint"]),
    (["show", "nothing"], ["no run called 'nothing'"]),
    (["ls", "cows"], ["ls knows no 'cows'", "rows"]),
    (["data", "fetch", "imagenet"], ["imagenet"]),
    (["data", "burn"], ["data knows no 'burn'"]),
    (["bench"], ["--cpu or --gpu"]),
    (["bench", "--cpu", "--suite", "model"], ["no suite is called 'model'"]),
    (["bench", "--cpu", "--rows", "resnet18"], ["resnet18"]),
]


@pytest.mark.parametrize(("words", "parts"), SAID, ids=lambda value: " ".join(value)[:50])
def test_bad_words_are_refused(words: list[str], parts: list[str], home: Path) -> None:
    refused(run(*words), *parts)
    assert not (home / "results" / "runs.csv").exists()


def test_gpu_bench_without_a_gpu_says_so() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    refused(run("bench", "--gpu"), "there is no CUDA device", "--cpu")


def test_debug_shows_where() -> None:
    result = run("train", "learnt", "--debug")
    assert result.exception is not None
    assert "no row is called" in str(result.exception)


def write_parquet(folder: Path, **changes: object) -> Path:
    """Write a small image data set in the Hugging Face layout, with one thing wrong."""
    import io

    import numpy as np
    from PIL import Image

    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        rows = []
        for index in range(100):
            size = (16, 16) if changes.get("odd_size") and index == 7 else (32, 32)
            buffer = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(buffer, "PNG")
            content = b"no image" if changes.get("corrupt") and index == 7 else buffer.getvalue()
            rows.append({"bytes": content, "path": f"{index}.png"})
        labels = [index % 10 for index in range(100)]
        if changes.get("label") is not None:
            labels[7] = changes["label"]  # type: ignore[call-overload]
        name = str(changes.get("column", "img"))
        table = pa.table({name: rows, "label": pa.array(labels, pa.int64())})
        pq.write_table(table, folder / f"{split}-00000-of-00001.parquet")
    return folder


DATA = [
    ({"corrupt": True}, "row 7"),
    ({"odd_size": True}, "16x16"),
    ({"label": -1}, "-1"),
    ({"column": "picture"}, "img"),
]


@pytest.mark.parametrize(("wrong", "part"), DATA, ids=lambda value: str(value))
def test_wrong_images_are_refused(wrong: dict[str, object], part: str, home: Path) -> None:
    folder = write_parquet(home / "images", **wrong)
    refused(run("train", "quadratic", "--data", str(folder), *TINY, "--set", "data.holdout=0"), part)


def test_truncated_missing_and_foreign_folders_are_refused(home: Path) -> None:
    folder = write_parquet(home / "images")
    file = folder / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:1000])
    refused(run("train", "quadratic", "--data", str(folder)), file.name)
    refused(run("train", "quadratic", "--data", str(home / "nowhere")), "nowhere")
    (home / "letters").mkdir()
    (home / "letters" / "a.txt").write_text("dear")
    refused(run("train", "quadratic", "--data", str(home / "letters")), "letters")


def test_a_checkpoint_of_another_model_or_a_foreign_file_is_refused(home: Path) -> None:
    assert run("train", "quadratic", *TINY).exit_code == 0
    weights = next((home / "results").rglob("best.safetensors"))
    content = weights.read_bytes()
    swapped = home / "swapped.safetensors"
    changed = content.replace(b'\\"heads\\":9', b'\\"heads\\":4')
    assert changed != content
    swapped.write_bytes(changed)
    refused(run("eval", str(swapped)), "swapped.safetensors was changed after it was written")
    place = changed.index(b"attnrepro-sha256:")
    swapped.write_bytes(seal(changed[:place] + UNSEALED + changed[place + len(UNSEALED) :]))
    refused(run("eval", str(swapped)), "another model")
    cut = home / "cut.safetensors"
    cut.write_bytes(content[:-50])
    refused(run("eval", str(cut)), "cut.safetensors")
    (home / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch evil-ran'\ntR.")
    refused(run("eval", str(home / "evil.pt")), "evil.pt")
    assert not (home / "evil-ran").exists()


def test_a_torn_ledger_is_named_and_left_alone(home: Path) -> None:
    assert run("train", "quadratic", *TINY).exit_code == 0
    path = ledger.ledger_path()
    torn = path.read_text()[:-40]
    path.write_text(torn)
    for words in (["table", "accuracy", "--no-run"], ["ls", "runs"], ["train", "quadratic", *TINY]):
        refused(run(*words), "runs.csv", "line 2")
    assert path.read_text() == torn


def test_results_that_cannot_be_written_are_refused(home: Path) -> None:
    (home / "results").write_text("a file stands where the folder should be")
    refused(run("train", "quadratic", *TINY), "results")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(home: Path) -> None:
    (home / "results").mkdir(mode=0o500)
    refused(run("train", "quadratic", *TINY), "results")


@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_loses_nothing(home: Path) -> None:
    import subprocess

    disk = home / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("this sandbox cannot mount a tmpfs")
    try:
        os.environ["ATTNREPRO_RESULTS"] = str(disk)
        refused(run("train", "learned-content", *TINY), "cannot be written")
        assert not list(disk.rglob("*.tmp"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
