"""Training: resuming is bit for bit, a seed is a result, checkpoints are refused when they are not ours."""

import pickle
from pathlib import Path

import pytest
import torch

from reproduce.console.options import RunOptions
from reproduce.data.dataset import Dataset, load
from reproduce.data.rng import make_deterministic
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import resolve
from reproduce.training.checkpoint import load_state, load_weights
from reproduce.training.deadline import Deadline
from reproduce.training.history import read_history
from reproduce.training.optimiser import make_optimiser, smoothed_cross_entropy
from reproduce.training.run import Run, fit_to_data
from reproduce.training.train import Trainer, train

CPU = torch.device("cpu")
TINY = {"data.train_limit": 100, "data.test_limit": 50, "batch_size": 20}
ATTENTION = {**TINY, "model.width": 8, "model.hidden": 8}


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def make_run(
    row: str = "learned-content-ha", seed: int = 0, base: dict[str, int] | None = None, **changes: object
) -> tuple[Run, Dataset]:
    if base is None:
        base = TINY if row.startswith(("san", "resnet")) else ATTENTION
    settings = {**base, **{key.replace("__", "."): value for key, value in changes.items()}}
    source = identify("shapes")
    recipe = fit_to_data(resolve(row, budget="smoke", changes=settings), source)
    return Run(recipe=recipe, source=source, seed=seed), load(source, recipe.data)


@pytest.mark.parametrize("row", ["learned-content-ha", "quadratic", "vit", "san-pair-ha", "resnet18"])
def test_resumed_training_is_bit_for_bit_the_unbroken_one(row: str) -> None:
    run, dataset = make_run(row, epochs=6)
    whole, progress = train(run, dataset, device=CPU)
    whole_state = load_state(run.folder / "last.pt", run.identity, CPU)
    (run.folder / "last.pt").unlink()

    stops = iter([False, False, True])

    class StopError(Exception):
        pass

    def stop_after_three(*_: object) -> None:
        if next(stops, False):
            raise StopError

    with pytest.raises(StopError):
        train(run, dataset, device=CPU, on_epoch=stop_after_three)
    assert load_state(run.folder / "last.pt", run.identity, CPU)["epoch"] == 3
    resumed, again = train(run, dataset, device=CPU)
    state = load_state(run.folder / "last.pt", run.identity, CPU)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    for index, slot in whole_state["optimiser"]["state"].items():
        for name, value in slot.items():
            assert value is None or torch.equal(value, state["optimiser"]["state"][index][name])
    drop = [{k: v for k, v in line.items() if k != "seconds"} for line in progress.history]
    assert drop == [{k: v for k, v in line.items() if k != "seconds"} for line in again.history]
    assert progress.selected == again.selected


def test_a_stop_in_the_middle_of_an_epoch_loses_only_that_epoch() -> None:
    run, dataset = make_run(epochs=3)
    whole, _ = train(run, dataset, device=CPU)
    (run.folder / "last.pt").unlink()

    def stop(epoch: int, step: int, steps: int) -> None:
        if (epoch, step) == (2, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(run, dataset, device=CPU, on_step=stop)
    resumed, _ = train(run, dataset, device=CPU)
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


def test_equal_seeds_are_equal_and_others_are_not() -> None:
    curves = []
    for seed in (0, 0, 1):
        run, dataset = make_run(seed=seed, epochs=1)
        _, progress = train(run, dataset, device=CPU, options=RunOptions(resume="never"))
        curves.append([line["train_loss"] for line in progress.history])
    assert curves[0] == curves[1] != curves[2]


def test_training_accuracy_is_that_of_the_logits_that_were_trained_on() -> None:
    trainer = Trainer(*make_run(epochs=1), CPU)
    logits, passes = [], trainer.passes

    def listen(x: torch.Tensor) -> torch.Tensor:
        logits.append(passes(x))
        return logits[-1]

    trainer.passes = listen
    _, top1 = trainer.step_through(1)
    labels = torch.cat([y for _, y in trainer.training.epoch(1)])
    assert top1 == (torch.cat(logits).argmax(1) == labels).double().mean().item()
    assert 0 < top1 < 1
    run, dataset = make_run(epochs=1)
    train(run, dataset, device=CPU)
    assert read_history(run.folder / "history.csv")[0]["train_top1"] == top1


def test_max_minutes_stops_after_an_epoch_and_goes_on() -> None:
    run, dataset = make_run(epochs=3)
    _, progress = train(run, dataset, device=CPU, deadline=Deadline.after(0))
    assert progress.epoch == 1
    _, progress = train(run, dataset, device=CPU)
    assert progress.epoch == 3


def test_as_run_trains_one_epoch_more_and_evaluates_every_tenth() -> None:
    recipe = resolve("learned", variant="as-run")
    assert recipe.total_epochs == 301
    due = [e for e in range(1, 302) if (e - 1) % recipe.evaluate_every == 0 or e == recipe.total_epochs]
    assert len(due) == 31
    assert due[:2] == [1, 11]


def test_a_diverged_run_keeps_its_last_good_state() -> None:
    run, dataset = make_run(epochs=4)
    train(run, dataset, device=CPU, deadline=Deadline.after(0))
    before = (run.folder / "last.pt").read_bytes()
    wild, _ = make_run(epochs=4, optimiser__lr=1000.0, optimiser__momentum=0.9)
    _, progress = train(wild, dataset, device=CPU)
    if progress.diverged:
        assert progress.epoch <= 4
        path = wild.folder / "last.pt"
        assert not path.exists() or load_state(path, wild.identity, CPU)["epoch"] < progress.epoch
    assert (run.folder / "last.pt").read_bytes() == before


def test_weights_stand_alone() -> None:
    run, dataset = make_run(epochs=1)
    train(run, dataset, device=CPU)
    weights = load_weights(run.folder / "best.safetensors")
    assert weights.recipe == run.recipe
    build(weights.recipe.model).load_state_dict(weights.tensors)


class Malice:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, ("malice",)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "pickle", "text", "foreign"])
def test_damaged_and_foreign_checkpoints_are_refused(tmp_path: Path, damage: str) -> None:
    run, dataset = make_run(epochs=1)
    train(run, dataset, device=CPU)
    path = run.folder / "last.pt"
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        path.write_bytes(b"\x00" * 64 + content[64:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "pickle":
        path.write_bytes(pickle.dumps(Malice()))
    elif damage == "text":
        path.write_text("not a checkpoint")
    else:
        torch.save({"state_dict": {}}, path)
    with pytest.raises(UserError) as caught:
        train(run, dataset, device=CPU)
    assert str(path) in caught.value.message
    assert not Path("malice").exists()


def test_a_checkpoint_of_another_run_is_refused() -> None:
    run, dataset = make_run(epochs=1)
    train(run, dataset, device=CPU)
    other, _ = make_run(epochs=2)
    other.folder.mkdir(parents=True)
    (run.folder / "last.pt").rename(other.folder / "last.pt")
    with pytest.raises(UserError, match="another run"):
        train(other, dataset, device=CPU)


def test_gaussian_positions_are_kept_from_weight_decay_unless_the_slip_is_on() -> None:
    for slip in (False, True):
        recipe = resolve("quadratic", budget="smoke", changes={"optimiser.decay_positions": slip})
        model = build(recipe.model)
        optimiser = make_optimiser(model, recipe.optimiser)
        decay = {id(w): group["weight_decay"] for group in optimiser.param_groups for w in group["params"]}
        for name, weight in model.named_parameters():
            positional = name.endswith(("centres", "spreads"))
            assert decay[id(weight)] == (0.0 if positional and not slip else recipe.optimiser.weight_decay)


def test_label_smoothing_puts_the_rest_on_the_other_classes() -> None:
    logits, label = torch.randn(7, 10, dtype=torch.float64), torch.randint(0, 10, (7,))
    recipe: Recipe = resolve("san-pair", variant="as-run")
    target = torch.full((7, 10), 0.1 / 9, dtype=torch.float64)
    target[torch.arange(7), label] = 0.9
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    assert torch.allclose(smoothed_cross_entropy(logits, label, recipe), expected, rtol=1e-12)


@pytest.mark.parametrize("row", ["cnn-convae-eca", "cnn-deep"])
def test_gates_resume_bit_for_bit(row: str) -> None:
    run, dataset = make_run(row, base=ATTENTION, epochs=3)
    whole, progress = train(run, dataset, device=CPU)
    (run.folder / "last.pt").unlink()
    train(run, dataset, device=CPU, deadline=Deadline.after(0))
    resumed, again = train(run, dataset, device=CPU)
    assert again.selected == progress.selected
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_adam_and_steps_within_an_epoch() -> None:
    run, dataset = make_run(
        "cnn",
        base=ATTENTION,
        epochs=2,
        optimiser__kind="adam",
        optimiser__lr=1e-3,
        schedule__kind="cosine",
        schedule__per="step",
    )
    _, progress = train(run, dataset, device=CPU)
    assert [line["lr"] for line in progress.history] == [1e-3, pytest.approx(5e-4)]
    assert load_state(run.folder / "last.pt", run.identity, CPU)["optimiser"]["param_groups"][0]["betas"] == (
        0.9,
        0.999,
    )


def test_a_batch_that_is_not_full_is_left_out() -> None:
    run, dataset = make_run("cnn", base=ATTENTION, epochs=1, batch_size=32)
    _, progress = train(run, dataset, device=CPU)
    assert progress.images == 64  # 90 of 100 train, two batches of 32
    run, dataset = make_run("cnn", base=ATTENTION, batch_size=100)
    with pytest.raises(UserError, match="do not fill a batch"):
        train(run, dataset, device=CPU)


def test_accuracy_over_another_number_of_images() -> None:  # A3
    run, dataset = make_run("cnn", base=ATTENTION, epochs=1)
    _, right = train(run, dataset, device=CPU)
    run, dataset = make_run("cnn", base=ATTENTION, epochs=1, accuracy_over=100)
    _, slipped = train(run, dataset, device=CPU)
    assert slipped.history[0]["test_top1"] == pytest.approx(0.5 * right.history[0]["test_top1"])
    assert slipped.history[0]["test_loss"] == right.history[0]["test_loss"]


def test_deterministic_operators_train_the_same_weights_on_a_cpu() -> None:
    run, dataset = make_run("san-patch", epochs=1)
    plain, _ = train(run, dataset, device=CPU, options=RunOptions(resume="never"))
    try:
        make_deterministic(CPU)
        assert torch.are_deterministic_algorithms_enabled()
        strict, _ = train(run, dataset, device=CPU, options=RunOptions(resume="never"))
    finally:
        torch.use_deterministic_algorithms(False)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, strict.state_dict()[name]), name
