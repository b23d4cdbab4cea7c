"""subtraction, subtraction2 and aggregation against the formulas, and all their derivatives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reproduce.kernels import Window, aggregation, reference, subtraction, subtraction2
from reproduce.kernels.cuda import local as launch
from reproduce.kernels.cuda import pair as launch_pair
from reproduce.kernels.cuda import patch as launch_patch
from reproduce.kernels.operands import Pair, Patch
from reproduce.kernels.window import mirror
from tests.kernels import formulas
from tests.kernels.cases import spell, windows

FEW = settings(max_examples=40, deadline=None)
ODD_CASES = [
    (Window(5, 4, 2), 9, 9),
    (Window(3, 1, 1), 4, 6),
    (Window(3, 2, 1), 7, 4),
    (Window(3, 3, 2, False), 2, 5),
    (Window(1, 2, 1), 3, 2),
    (Window(7, 1, 1), 4, 5),
]


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def with_tail(tensor, function):
    out = function(tensor)
    return out, torch.autograd.grad(out, tensor, torch.ones_like(out), create_graph=True)


@FEW
@given(windows(), st.integers(0, 2), st.integers(1, 3))
def test_subtraction2_is_the_formula(case, batch, channels):
    window, height, width = case
    a, b = draw(batch, channels, height, width), draw(batch, channels, height, width)
    want = torch.from_numpy(formulas.subtraction2(a.numpy(), b.numpy(), window))
    torch.testing.assert_close(subtraction2(a, b, **spell(window)), want, rtol=0, atol=1e-13)
    torch.testing.assert_close(reference.subtraction2(a, b, window), want, rtol=0, atol=1e-13)


@FEW
@given(windows(), st.integers(0, 2), st.integers(1, 3), st.integers(1, 3))
def test_aggregation_is_the_formula(case, batch, shared, share):
    window, height, width = case
    rows, columns = window.out_size(height, width)
    x, weight = draw(batch, shared * share, height, width), draw(batch, shared, window.taps, rows * columns)
    want = torch.from_numpy(formulas.aggregation(x.numpy(), weight.numpy(), window))
    torch.testing.assert_close(aggregation(x, weight, **spell(window)), want, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(reference.aggregation(x, weight, window), want, rtol=1e-12, atol=1e-12)


@FEW
@given(windows())
def test_gradients_equal_the_twins(case):
    window, height, width = case
    rows, columns = window.out_size(height, width)
    x, weight = draw(2, 4, height, width).requires_grad_(), draw(2, 2, window.taps, rows * columns).requires_grad_()
    for ours, twin in (
        (aggregation(x, weight, **spell(window)), reference.aggregation(x, weight, window)),
        (subtraction(x, **spell(window)) * weight.repeat(1, 2, 1, 1), reference.subtraction2(x, x, window)
         * weight.repeat(1, 2, 1, 1)),
    ):  # fmt: skip
        torch.testing.assert_close(ours, twin)
        g = torch.randn_like(twin)
        for mine, theirs in zip(
            torch.autograd.grad(ours, (x, weight), g), torch.autograd.grad(twin, (x, weight), g), strict=True
        ):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(("window", "height", "width"), ODD_CASES)
def test_first_and_second_derivatives(window, height, width):
    rows, columns = window.out_size(height, width)
    x, weight = draw(1, 2, height, width).requires_grad_(), draw(1, 1, window.taps, rows * columns).requires_grad_()
    b, options = draw(1, 2, height, width).requires_grad_(), spell(window)
    checks = [
        (lambda x, w: aggregation(x, w, **options), (x, weight)),
        (lambda a, b: subtraction2(a, b, **options).square(), (x, b)),
        (lambda a: subtraction(a, **options).square(), (x,)),
    ]
    for function, inputs in checks:
        assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_sums_in_float32(dtype):
    x, weight = torch.randn(2, 8, 6, 5).to(dtype), torch.rand(2, 2, 49, 30).to(dtype)
    got = aggregation(x, weight, 7, pad_mode="zero")
    want = aggregation(x.double(), weight.double(), 7, pad_mode="zero")
    assert got.dtype == dtype
    # One rounding of the result and nothing else: half an ulp, and float32's own error.
    torch.testing.assert_close(got.double(), want, rtol=torch.finfo(dtype).eps, atol=1e-4)


def test_layouts_do_not_matter():
    x, weight = torch.randn(2, 8, 6, 10), torch.randn(2, 2, 9, 30)
    sliced, last = torch.randn(2, 8, 6, 10)[..., ::2], x[..., ::2].contiguous(memory_format=torch.channels_last)
    sliced.copy_(x[..., ::2])
    plain = x[..., ::2].contiguous()
    for other in (sliced, last):
        assert torch.equal(aggregation(other, weight, 3), aggregation(plain, weight, 3))
        assert torch.equal(subtraction(other, 3), subtraction(plain, 3))
    tilted = weight.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(aggregation(plain, tilted, 3), aggregation(plain, weight, 3))


def test_channels_share_weights_interleaved():
    x, weight = draw(1, 6, 3, 3), draw(1, 2, 1, 9)
    y = aggregation(x, weight, 1)
    for channel in range(6):
        torch.testing.assert_close(y[0, channel].flatten(), x[0, channel].flatten() * weight[0, channel % 2, 0])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, w: aggregation(x, w, 4), ["kernel_size", "odd", "4"]),
        (lambda x, w: aggregation(x, w, 3, stride=0), ["stride", "0"]),
        (lambda x, w: aggregation(x, w, 3, pad_mode="wrap"), ["pad_mode", "wrap", "reflect"]),
        (lambda x, w: aggregation(x, w, 3, backend="numba"), ["backend", "numba", "cupy"]),
        (lambda x, w: aggregation(x, w, 3, backend="cupy"), ["backend", "cpu"]),
        (lambda x, w: aggregation(x, w[:, :, :4], 3), ["weight", "(2, 2, 9, 20)", "(2, 2, 4, 20)"]),
        (lambda x, w: aggregation(x[:, :3], w, 3), ["weight", "3", "2"]),
        (lambda x, w: aggregation(x, w.double(), 3), ["weight", "float32", "float64"]),
        (lambda x, w: aggregation(x, w.to("meta"), 3), ["weight", "cpu", "meta"]),
        (lambda x, w: aggregation(x[0], w, 3), ["x", "(N, C, H, W)"]),
        (lambda x, w: subtraction(x, 9), ["a", "reflect", "4", "4x5"]),
        (lambda x, w: subtraction(x, 3, dilation=4), ["reflect", "4", "4x5"]),
        (lambda x, w: subtraction2(x, x[:, :3], 3), ["b", "(2, 4, 4, 5)", "(2, 3, 4, 5)"]),
        (lambda x, w: subtraction(x.long(), 3), ["a", "int64"]),
    ],
)
def test_refusals_name_the_argument_and_both_values(call, words):
    with pytest.raises(ValueError, match=r"^\w+[.\w]*: ") as caught:
        call(torch.randn(2, 4, 4, 5), torch.randn(2, 2, 9, 20))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("pad", [1, 3])
def test_mirror_is_a_reflection_with_its_gradient(pad):
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    mine = mirror(mirror(x, -1, pad), -2, pad)
    theirs = torch.nn.functional.pad(x, (pad,) * 4, mode="reflect")
    assert torch.equal(mine, theirs)
    g = torch.randn_like(mine)
    torch.testing.assert_close(*(torch.autograd.grad(y, x, g)[0] for y in (mine, theirs)))


def test_maps_that_kernels_cannot_number_are_refused_before_anything_runs():
    side, window = 46_400, Window(3)  # 46,400^2 pixels: more than 2^31
    x = torch.empty(1, 1, side, side, dtype=torch.float16, device="meta")
    weight = torch.empty(1, 1, 9, side * side, dtype=torch.float16, device="meta")
    vector = torch.empty(1, device="meta")
    for call in (
        lambda: launch.subtract(x, x, window),
        lambda: launch.aggregate(x, weight, window),
        lambda: launch.aggregate_to_map(x, weight, window, side, side),
        lambda: launch_patch.project(Patch(x, None, vector, vector, vector), window),
        lambda: launch_pair.attend(Pair(x, x, x, *[vector] * 6), None, None, 1e-5, window, "difference"),
    ):
        with pytest.raises(ValueError, match="fewer than"):
            call()


def test_errors_name_the_arguments_that_the_caller_gave():
    with pytest.raises(ValueError, match=r"^x: reflect padding of 5"):
        subtraction(torch.randn(1, 2, 5, 5), 11)


def test_subtraction_under_autocast_takes_maps_of_two_dtypes():
    a, b = torch.randn(1, 2, 5, 5, dtype=torch.bfloat16), torch.randn(1, 2, 5, 5)
    with pytest.raises(ValueError, match="b: needs a's dtype"):
        subtraction2(a, b, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = subtraction2(a, b, 3)
    assert torch.equal(found, subtraction2(a, b.bfloat16(), 3))
