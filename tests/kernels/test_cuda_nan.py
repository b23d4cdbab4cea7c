"""A NaN among a kernel's inputs is where the twin has it, forward and backward: a diverged run cannot look healthy."""

import pytest
import torch

from reproduce.kernels import Window
from reproduce.kernels.cuda import launcher
from reproduce.kernels.twins import LOCAL, PAIR, PATCH
from tests.kernels import host
from tests.kernels.test_cuda_text import draw, make_pair, make_patch

pytestmark = pytest.mark.skipif(host.COMPILER is None, reason="no g++ to compile the kernels with")
WINDOW, HEIGHT, WIDTH = Window(3), 5, 6
PLACES = {"first": 0, "last": -1}


@pytest.fixture(autouse=True)
def on_host(monkeypatch):
    monkeypatch.setattr(launcher, "run", host.run)


def spoil(tensor, place, value=float("nan")):
    spoiled = tensor.clone()
    spoiled.view(-1)[PLACES[place]] = value
    return spoiled


def same_nans(ours, theirs):
    """NaN at the same places, something of it is NaN, something else (in a tensor of its own, or beside it) is not."""
    for index, (mine, twin) in enumerate(zip(ours, theirs, strict=True)):
        if mine is not None:
            assert torch.equal(mine.isnan(), twin.isnan()), f"output {index}"
    assert any(t is not None and t.isnan().any() for t in theirs)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["a", "b", "beta", "c", "weight1", "place", "scale2", "shift2", "weight2"])
@pytest.mark.parametrize("form", ["difference", "product"])
def test_pairwise_kernels(form, name, place):
    clean = make_pair(WINDOW, HEIGHT, WIDTH, 3, 5, 2, 2, form)
    if name == "c" and form != "product":
        pytest.skip("only the product has a c")
    inputs = clean._replace(**{name: spoil(getattr(clean, name), place)})
    given = draw(5), draw(5).square() + 0.5
    ours, twin = (PAIR[key].attend(inputs, *given, 1e-5, WINDOW, form) for key in ("cuda", "cpu"))
    same_nans(ours, twin)
    whole = (PAIR[key].attend(inputs, *given, 1e-5, WINDOW, form, keep=False).y for key in ("cuda", "cpu"))
    same_nans(*([y] for y in whole))
    grad = draw(*ours.y.shape)
    back = (
        PAIR[key].attend_backward(grad, None, inputs, *saved[1:], False, 1e-5, WINDOW, form)
        for key, saved in (("cuda", ours), ("cpu", twin))
    )
    same_nans(*back)


@pytest.mark.parametrize("place", PLACES)
def test_a_pairwise_gradient(place):
    inputs = make_pair(WINDOW, HEIGHT, WIDTH, 3, 5, 2, 2, "difference")
    out = PAIR["cpu"].attend(inputs, None, None, 1e-5, WINDOW, "difference")
    for grad, extra in ((spoil(draw(*out.y.shape), place), None), (draw(*out.y.shape), spoil(out.alpha, place))):
        back = (
            PAIR[key].attend_backward(grad, extra, inputs, *out[1:], False, 1e-5, WINDOW, "difference")
            for key in ("cuda", "cpu")
        )
        same_nans(*back)


@pytest.mark.parametrize("value", [float("inf"), -float("inf")])
@pytest.mark.parametrize("taps", [[0], [1], [1, 4], [0, 8], list(range(9))])
@pytest.mark.parametrize("keep", [True, False])
def test_infinite_logits(taps, value, keep):
    """The softmax of infinite logits is torch's, whichever taps they stand at."""
    window, outs = Window(3), 5
    inputs = make_pair(window, HEIGHT, WIDTH, 3, outs, 2, 2, "difference", located=True)
    weight2 = torch.zeros_like(inputs.weight2).index_fill_(1, torch.tensor([0]), 1 if value > 0 else -1)
    still = torch.zeros_like(inputs.place)
    still[0, taps, 4] = float("inf")
    inputs = inputs._replace(weight2=weight2, place=still, scale2=torch.ones(outs, dtype=torch.float64))
    given = torch.zeros(outs, dtype=torch.float64), torch.ones(outs, dtype=torch.float64)
    ours, twin = (PAIR[key].attend(inputs, *given, 0.0, window, "difference", keep) for key in ("cuda", "cpu"))
    torch.testing.assert_close(ours.y, twin.y, equal_nan=True)
    torch.testing.assert_close(ours.alpha, twin.alpha, equal_nan=True)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("logit", [800.0, -800.0])
def test_logits_beyond_the_exponential(logit, keep):
    """Beyond 709.8 float64 has no exponential: the softmax must take its maximum off, where all logits are so."""
    inputs = make_pair(WINDOW, HEIGHT, WIDTH, 3, 5, 2, 2, "difference")
    heavy = torch.full_like(inputs.weight2, logit / 5)
    inputs = inputs._replace(
        weight2=heavy, scale2=torch.full((5,), 1e-3).double(), shift2=torch.ones(5, dtype=torch.float64)
    )
    given = torch.zeros(5, dtype=torch.float64), torch.ones(5, dtype=torch.float64)
    ours, twin = (PAIR[key].attend(inputs, *given, 0.0, WINDOW, "difference", keep) for key in ("cuda", "cpu"))
    assert twin.y.isfinite().all()
    torch.testing.assert_close(ours.y, twin.y, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ["psi", "phi", "scale", "shift", "weight1"])
def test_patchwise_kernels(name, place):
    clean = make_patch(WINDOW, HEIGHT, WIDTH, 2, 3, centred=True)
    inputs = clean._replace(**{name: spoil(getattr(clean, name), place)})
    ours, twin = (PATCH[key].project(inputs, WINDOW) for key in ("cuda", "cpu"))
    same_nans([ours], [twin])
    grad = draw(*ours.shape)
    same_nans(*(PATCH[key].project_backward(grad, inputs, WINDOW) for key in ("cuda", "cpu")))
    same_nans(*(PATCH[key].project_backward(spoil(grad, place), clean, WINDOW) for key in ("cuda", "cpu")))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_local_kernels(dtype, place):
    shared, rows, columns = 2, *WINDOW.out_size(HEIGHT, WIDTH)
    a, b = draw(2, 4, HEIGHT, WIDTH, dtype=dtype), draw(2, 4, HEIGHT, WIDTH, dtype=dtype)
    g, weight = (draw(2, channels, WINDOW.taps, rows * columns, dtype=dtype) for channels in (4, shared))
    y, size = draw(2, 4, rows, columns, dtype=dtype), {"height": HEIGHT, "width": WIDTH}
    calls = {
        "subtract": [((spoil(a, place), b), {}), ((a, spoil(b, place)), {})],
        "sum_centres": [((spoil(g, place),), size)],
        "scatter": [((spoil(g, place),), size)],
        "aggregate": [((spoil(a, place), weight), {}), ((a, spoil(weight, place)), {})],
        "aggregate_to_map": [((spoil(y, place), weight), size), ((y, spoil(weight, place)), size)],
        "aggregate_to_weight": [((spoil(a, place), y), {"shared": shared}), ((a, spoil(y, place)), {"shared": shared})],
    }
    for kernel, cases in calls.items():
        for tensors, options in cases:
            both = ([vars(LOCAL[key])[kernel](*tensors, window=WINDOW, **options)] for key in ("cuda", "cpu"))
            same_nans(*both)
