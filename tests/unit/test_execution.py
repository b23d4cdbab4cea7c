"""The three ways a step is carried out train the same weights; what cannot work is refused before anything runs."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from reproduce.data.dataset import Dataset, load
from reproduce.data.identity import identify
from reproduce.errors import UserError
from reproduce.execution import check_execution, prepare
from reproduce.launch import Session
from reproduce.recipes import resolve
from reproduce.run import Run, fit_to_data
from reproduce.train import train

CPU = torch.device("cpu")
# larger steps, and Adam's of one size whatever the gradient, let rounding grow to 1 % of the loss in three steps
GENTLE = {"optimiser.kind": "sgd", "optimiser.lr": 0.001, "epochs": 1}
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def make_run(row: str, **changes: object) -> tuple[Run, Dataset]:
    small = {"data.train_limit": 100, "data.test_limit": 50, "batch_size": 20, "epochs": 2, "data.holdout": 0.0}
    recipe = resolve(row, budget="smoke", changes=small | changes)
    source = identify("shapes")
    run = Run(recipe=fit_to_data(recipe, source), source=source)
    return run, load(source, run.recipe.data)


def compare(row: str, execution: str, device: torch.device, tolerance: float, **changes: object) -> None:
    """Train both ways from the same start; 100 images in batches of 30 end every epoch with one of 10."""
    run, dataset = make_run(row, batch_size=30, **changes)
    plain, eager = train(run, dataset, device=device, resume=False)
    other, quick = train(run, dataset, device=device, resume=False, execution=execution)
    for mine, theirs in zip(quick.history, eager.history, strict=True):
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=tolerance)
    wanted = plain.state_dict()
    for name, value in other.state_dict().items():
        torch.testing.assert_close(value, wanted[name], rtol=10 * tolerance, atol=tolerance, msg=name)


@needs_compiler
def test_compiled_passes_train_the_same_weights() -> None:
    """Dropout is on: the masks are those of eager execution."""
    compare("learned", "compiled", CPU, 1e-5, **{"model.attention_dropout": 0.1})


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("row", ["vit-ha", "quadratic-aniso", "san-pair-ha", "san-patch", "cnn-cbam", "cnn2-aa"])
def test_every_family_can_be_compiled(row: str) -> None:
    compare(row, "compiled", CPU, 1e-3, **GENTLE)


@needs_compiler
def test_a_compiled_run_resumes_bit_for_bit() -> None:
    run, dataset = make_run("learned", epochs=3)
    whole, _ = train(run, dataset, device=CPU, resume=False, execution="compiled")
    train(run, dataset, device=CPU, resume=False, max_minutes=0, execution="compiled")
    again, progress = train(run, dataset, device=CPU, execution="compiled")
    assert progress.epoch == 3
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.gpu
@pytest.mark.parametrize("execution", ["graphed", "compiled"])
@pytest.mark.parametrize("row", ["resnet18", "learned", "vit-ha", "san-pair-ha", "san-patch", "cnn-cbam"])
def test_a_gpus_quick_ways_train_the_same_weights(row: str, execution: str) -> None:
    compare(row, execution, torch.device("cuda"), 1e-3, **GENTLE)


def test_the_first_graphed_batch_leaves_statistics_as_one_eager_batch_does() -> None:
    """Recording runs the network several times; `_kept` puts running statistics back (CPU stand-in for a capture)."""
    from reproduce import execution

    norm = torch.nn.BatchNorm1d(3)
    with execution._kept(norm.buffers()):
        norm(torch.randn(8, 3))
        assert norm.num_batches_tracked == 1
    assert norm.num_batches_tracked == 0
    assert torch.equal(norm.running_mean, torch.zeros(3))


@pytest.mark.parametrize(
    ("execution", "device", "world", "words"),
    [
        ("fast", CPU, 1, "cannot be 'fast'"),
        ("fast", None, 1, "cannot be 'fast'"),
        ("graphed", CPU, 1, "no CUDA graphs"),
        ("graphed", torch.device("cuda"), 2, "one process alone"),
    ],
)
def test_what_cannot_work_is_refused(execution: str, device: torch.device | None, world: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_execution(execution, device, world)


def test_a_missing_compiler_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    with pytest.raises(UserError, match=r"needs a C\+\+ compiler"):
        check_execution("compiled", CPU)
    check_execution("compiled", torch.device("cuda"))


@needs_compiler
def test_a_network_that_cannot_be_compiled_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise torch._dynamo.exc.Unsupported("a construct that it does not know")

    passes = prepare("compiled", Failing(), precision="fp32", device=CPU)
    with pytest.raises(UserError, match=r"torch\.compile fails on this network"):
        passes(torch.zeros(1))


def test_the_manifest_says_how_a_run_was_carried_out() -> None:
    run, _ = make_run("learned", epochs=1)
    Session(CPU).finish(run, "attnrepro train learned", on_event=lambda event: None)
    facts = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
    assert facts["execution"] == "eager"
