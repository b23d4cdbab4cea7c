"""What a run will take is estimated from a step of its own."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from reproduce.data.cards import CARDS
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.recipes.registry import resolve
from reproduce.recipes.settings import override
from reproduce.training import estimate
from reproduce.training.run import Run

CPU = torch.device("cpu")


def make_run(**changes: object) -> Run:
    small = {"data.train_limit": 1_000, "data.test_limit": 300, "data.holdout": 0.1, "evaluate_every": 2, "epochs": 4}
    return Run(recipe=override(resolve("learned", budget="smoke"), small | changes), source=identify("shapes"))


def test_images_are_counted_by_what_is_done_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a second a step of 10 images: 900 images by four epochs, and a third for 400 images twice."""
    monkeypatch.setattr(estimate, "_time_step", lambda *_: 1.0)
    run = make_run(batch_size=10)
    epochs = run.recipe.total_epochs
    wanted = (900 * epochs + 400 * -(-epochs // 2) / 3) / 10
    assert estimate.estimate_seconds(run, CPU) == pytest.approx(wanted)


def test_a_share_of_the_batch_is_rehearsed_for_several_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []
    monkeypatch.setattr(estimate, "_time_step", lambda recipe, *_: batches.append(recipe.batch_size) or 1.0)
    run = make_run(batch_size=11)
    alone, two = (estimate.estimate_seconds(run, CPU, world) for world in (1, 2))
    assert batches == [11, 6]
    assert two < alone * 11 / 6


def test_a_larger_network_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that ticks with every operation, not with the time that a busy machine takes for it."""
    small, large = make_run(), make_run(**{"model.width": 64, "model.hidden": 256})
    with FlopCounterMode(display=False) as work:
        monkeypatch.setattr(estimate.time, "perf_counter", lambda: float(work.get_total_flops()))
        assert 0 < estimate.estimate_seconds(small, CPU) < estimate.estimate_seconds(large, CPU)


def test_a_batch_of_one_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []
    monkeypatch.setattr(estimate, "_time_step", lambda recipe, *_: batches.append(recipe.batch_size) or 1.0)
    estimate.estimate_seconds(make_run(batch_size=1), CPU)
    assert batches == [1]


def test_what_does_not_fit_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(estimate, "make_trainer", fail)
    with pytest.raises(UserError, match="does not fit into memory"):
        estimate.estimate_seconds(make_run(), CPU)


def test_a_users_own_images_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train/cat", "train/dog", "test/cat", "test/dog"):
        folder = tmp_path / "pets" / name
        folder.mkdir(parents=True)
        for number in range(6 if name.startswith("train") else 3):
            Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"{number}.png")
    monkeypatch.setattr(estimate, "_time_step", lambda *_: 1.0)
    whole = {"data.train_limit": None, "data.test_limit": None, "data.holdout": 0.0, "batch_size": 2}
    run = replace(make_run(**whole), source=identify(str(tmp_path / "pets")))
    epochs = run.recipe.total_epochs
    assert estimate.estimate_seconds(run, CPU) == pytest.approx((12 * epochs + 6 * -(-epochs // 2) / 3) / 2)


def test_sets_of_another_size_are_known() -> None:
    assert CARDS["imagenet"].count() == (1_281_167, 50_000)
    assert CARDS["cifar10"].count(drop_grey=True) == (50_000, 10_000)
    assert CARDS["tiny-imagenet"].count(drop_grey=True) == (98_179, 9_832)
    run = make_run()
    whole = replace(run, recipe=override(run.recipe, {"data.train_limit": None, "data.test_limit": None}))
    assert CARDS[whole.source.name].count() == (5_000, 1_000)
