"""Which test images a run gets right: written with every checkpoint, read back, its count the accuracy's own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reproduce.console.options import RunOptions
from reproduce.errors import UserError
from reproduce.record.correct import NAME, read_correct, write_correct
from reproduce.training.deadline import Deadline
from reproduce.training.train import train
from tests.training.test_train import make_run

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))


def test_the_bits_of_a_run_count_to_its_accuracies() -> None:
    run, dataset = make_run(epochs=4)
    _, progress = train(run, dataset, device=CPU)
    found, images = read_correct(run.folder / NAME), len(dataset.test)
    tops = [line["test_top1"] for line in progress.history]
    assert (found.data, found.images) == (run.source.sha256, images)
    assert found.count("last") == round(tops[-1] * images)
    assert found.count("best") == round(max(tops) * images)
    assert progress.selected is not None
    assert found.count("selected") == round(progress.selected["test_top1"] * images)


def test_a_resumed_run_has_the_bits_of_the_unbroken_one() -> None:
    run, dataset = make_run(epochs=3)
    train(run, dataset, device=CPU)
    whole = read_correct(run.folder / NAME)
    train(run, dataset, device=CPU, options=RunOptions(resume="never"), deadline=Deadline.after(0))
    train(run, dataset, device=CPU)
    assert read_correct(run.folder / NAME) == whole


def test_a_changed_bit_is_seen(tmp_path: Path) -> None:
    path = tmp_path / NAME
    packed = np.packbits(np.array([1, 0, 1, 1, 0, 0, 0, 1, 1], bool)).tobytes()
    write_correct(path, data="abc", images=9, bits={"last": packed})
    assert read_correct(path).count("last") == 5
    path.write_text(path.read_text().replace('"images": 9', '"images": 8'))
    with pytest.raises(UserError, match="was changed after it was written"):
        read_correct(path)
    with pytest.raises(FileNotFoundError):
        read_correct(tmp_path / "none")
