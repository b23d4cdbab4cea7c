"""The ways a step is carried out have the same gradients; what cannot work is refused before anything runs."""

import functools
import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from cli import app
from reproduce.console.options import RunOptions
from reproduce.data.dataset import Dataset, load
from reproduce.data.rng import seed_global
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.models.networks import build
from reproduce.recipes.recipe import EXECUTIONS
from reproduce.recipes.registry import resolve
from reproduce.runs.session import Session
from reproduce.training.deadline import Deadline
from reproduce.training.run import Run, fit_to_data
from reproduce.training.step_modes import _kept, check_place, prepare, translated
from reproduce.training.train import train

CPU = torch.device("cpu")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
FAMILIES = ["resnet18", "learned", "quadratic-aniso", "vit-ha", "san-pair-ha", "san-patch", "cnn-cbam", "cnn2-aa"]


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def differentiate(
    row: str, execution: str, device: torch.device, batches: list[Tensor]
) -> tuple[list[Tensor], list[dict[str, Tensor]], dict[str, Tensor]]:
    """Return the logits and gradients of every batch and the running statistics after them; dropout as the row has it.

    In float64: in float32 rounding alone moves a deep network's small gradients by per cents.
    """
    seed_global(0, "weights")
    network = build(resolve(row, budget="smoke").model).to(device).double()
    with torch.no_grad():  # off the ReLUs' kinks: a pixel's offset from itself is zero, as every bias is at the start
        for vector in (p for p in network.parameters() if p.dim() == 1):
            vector.add_(0.1 * torch.randn(len(vector)).to(vector))
    passes = prepare(execution, network, precision="fp32", device=device)
    seed_global(0, "epoch", 1)
    logits, gradients = [], []
    for x in batches:
        network.zero_grad()
        with translated(execution):
            logits_BC = passes(x)
            torch.nn.functional.cross_entropy(logits_BC, torch.arange(len(x), device=device) % 10).backward()
        logits.append(logits_BC.detach().clone())  # a graph writes the next batch's into the same memory
        gradients.append({name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None})
    return logits, gradients, dict(network.named_buffers())


def compare(row: str, execution: str, device: torch.device) -> None:
    """Two full batches, a smaller one, a full one: every logit, gradient and running statistic is the same."""
    drawn = torch.Generator().manual_seed(1)
    size = resolve(row, budget="smoke").model.image_size
    batches = [torch.randn(n, 3, size, size, generator=drawn).double().to(device) for n in (12, 12, 5, 12)]
    logits, gradients, statistics = differentiate(row, "eager", device, batches)
    found = differentiate(row, execution, device, batches)
    torch.testing.assert_close(found[0], logits)
    torch.testing.assert_close(found[2], statistics)
    for mine, theirs in zip(found[1], gradients, strict=True):
        assert set(mine) == set(theirs)
        largest = max(float(gradient.norm()) for gradient in theirs.values())
        for name, gradient in theirs.items():  # some are zero by the formulas, rounding on both sides
            off = float((mine[name] - gradient).norm())
            assert off <= 1e-5 * float(gradient.norm()) + 1e-9 * largest, (name, off, float(gradient.norm()))


@needs_compiler
def test_compiled_passes_have_the_same_gradients() -> None:
    compare("learned", "compiled", CPU)


@needs_compiler
@pytest.mark.product(3)
@pytest.mark.slow
@pytest.mark.parametrize("row", FAMILIES)
def test_every_family_can_be_compiled(row: str) -> None:
    compare(row, "compiled", CPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("execution", ["graphed", "compiled"])
@pytest.mark.parametrize("row", FAMILIES)
def test_a_gpus_quick_ways_have_the_same_gradients(row: str, execution: str) -> None:
    compare(row, execution, torch.device("cuda"))


@needs_compiler
def test_the_comparison_sees_wrong_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values right, gradients three times too large: what a stale buffer would do, and losses hardly show."""

    def wrong(network: nn.Module, **_: object) -> object:
        def forward(x: Tensor) -> Tensor:
            y: Tensor = network(x)
            return 3 * y - 2 * y.detach()

        return forward

    monkeypatch.setattr(torch, "compile", wrong)
    with pytest.raises(AssertionError):
        compare("learned", "compiled", CPU)


@needs_compiler
def test_networks_of_one_class_are_all_compiled() -> None:
    """Ten sizes of one class in one process: dynamo keeps eight, and would run the others eagerly."""
    counters = torch._dynamo.utils.counters
    for width in range(10, 20):
        passes = prepare("compiled", nn.Linear(width, 3), precision="fp32", device=CPU)
        counters.clear()
        passes(torch.zeros(2, width))
        assert counters["stats"]["unique_graphs"] == 1, width


def make_run(row: str, **changes: object) -> tuple[Run, Dataset]:
    small = {"data.train_limit": 100, "data.test_limit": 50, "batch_size": 30}
    source = identify("shapes")
    run = Run(recipe=fit_to_data(resolve(row, budget="smoke", changes=small | changes), source), source=source)
    return run, load(source, run.recipe.data)


@needs_compiler
def test_a_compiled_run_resumes_bit_for_bit() -> None:
    run, dataset = make_run("learned", epochs=3)
    whole, _ = train(run, dataset, device=CPU, options=RunOptions(resume="never", execution="compiled"))
    train(
        run,
        dataset,
        device=CPU,
        deadline=Deadline.after(0),
        options=RunOptions(resume="never", execution="compiled"),
    )
    again, progress = train(run, dataset, device=CPU, options=RunOptions(execution="compiled"))
    assert progress.epoch == 3
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_recording_leaves_running_statistics_alone() -> None:
    norm = nn.BatchNorm1d(3)
    with _kept(norm.buffers()):
        norm(torch.randn(8, 3))
        assert norm.num_batches_tracked == 1
    assert norm.num_batches_tracked == 0
    assert torch.equal(norm.running_mean, torch.zeros(3))


@pytest.mark.parametrize(
    ("execution", "device", "world", "words"),
    [
        ("graphed", CPU, 1, "no CUDA graphs"),
        ("graphed", torch.device("cuda"), 2, "for one process"),
        ("compiled", CPU, 2, "for one process"),
    ],
)
def test_what_cannot_work_is_refused(execution: str, device: torch.device, world: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_place(execution, device, world)
    for name in EXECUTIONS:
        check_place(name, torch.device("cuda"))


def test_a_misspelt_execution_is_refused_even_where_nothing_is_missing() -> None:
    done = CliRunner().invoke(app, ["train", "vit", "--execution", "compild"])
    assert done.exit_code == 2
    assert "no execution is called 'compild'" in done.stderr


def test_a_missing_compiler_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    with pytest.raises(UserError, match=r"needs a C\+\+ compiler"):
        check_place("compiled", CPU)
    check_place("compiled", torch.device("cuda"))


def fail(*_: object) -> None:
    raise ValueError("the loop nest is too deep\nand much more")


@needs_compiler
@pytest.mark.parametrize("passing", ["forward", "backward"])
def test_a_compiler_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch, passing: str) -> None:
    from functorch.compile import make_boxed_func
    from torch._dynamo.backends.common import aot_autograd

    def works(graph: torch.fx.GraphModule, _: object) -> object:
        return make_boxed_func(graph.forward)

    compilers = {"fw_compiler": fail if passing == "forward" else works, "bw_compiler": fail}
    compile_so = functools.partial(torch.compile, backend=aot_autograd(**compilers))
    monkeypatch.setattr(torch, "compile", lambda network, **_: compile_so(network))
    passes = prepare("compiled", nn.Linear(3, 2), precision="fp32", device=CPU)
    with pytest.raises(UserError, match=r"compiled step fails.*loop nest"), translated("compiled"):
        passes(torch.zeros(1, 3)).sum().backward()


def test_an_eager_step_raises_what_it_raises() -> None:
    with pytest.raises(ZeroDivisionError), translated("eager"):
        1 / 0  # noqa: B018


def test_the_manifest_says_how_a_run_was_carried_out() -> None:
    run, _ = make_run("learned", epochs=1)
    Session(CPU).finish(run, "attnrepro train learned", on_event=lambda event: None)
    facts = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))
    assert facts["execution"] == "eager"
