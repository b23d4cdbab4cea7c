"""Closed-form statistics of the relation tensors against the tensors themselves; the shifted views' adjointness."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reproduce.kernels import Mapping, Window, moments, pairwise_attention, reference
from reproduce.kernels.cpu.shifts import Shifts
from tests.kernels.cases import make_mapping, windows

FEW = settings(max_examples=40, deadline=None)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def check(found, tensor, dims):
    torch.testing.assert_close(found.mean, tensor.mean(dims), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.var, tensor.var(dims, correction=0), rtol=1e-9, atol=1e-9)
    assert found.number == tensor.numel() // found.mean.numel()


@FEW
@given(windows((1, 3, 5, 7), 9), st.sampled_from([0.0, 100.0]))
def test_moments_of_the_relations(case, shift):
    window, height, width = case
    phi, psi = draw(2, 3, height, width) + shift, draw(2, 3, height, width) - shift
    near = reference.gather(psi, window)
    check(moments.neighbour_moments(psi, window), near, (0, 2, 3))
    check(moments.tap_moments(psi, window), near, (0, 3))
    check(moments.centre_moments(phi, window), window.centres(phi), (0, 2, 3))
    delta = reference.pairwise_relation(phi, psi, window, "subtraction")
    check(moments.difference_moments(phi, psi, window), delta, (0, 2, 3))
    check(moments.tap_difference_moments(phi, psi, window), delta, (0, 3))
    if shift == 0:
        product = reference.pairwise_relation(phi, psi, window, "hadamard")
        check(moments.product_moments(phi, psi, window), product, (0, 2, 3))
    box = near.mean(2).unflatten(2, window.out_size(height, width))
    torch.testing.assert_close(moments.average_window(psi, window), box)


@FEW
@given(windows((1, 3, 5, 7), 9), st.sampled_from([0.0, 100.0]))
def test_gradients_of_difference_moments_are_those_of_the_relation(case, shift):
    window, height, width = case
    maps = [(draw(2, 3, height, width) + sign * shift).requires_grad_() for sign in (1, -1)]
    pull_mean, pull_var = draw(3), draw(3)
    found = moments.difference_moments(*maps, window)
    delta = reference.pairwise_relation(*maps, window, "subtraction")
    want = (delta.mean((0, 2, 3)) * pull_mean + delta.var((0, 2, 3), correction=0) * pull_var).sum()
    mine = torch.autograd.grad((found.mean * pull_mean + found.var * pull_var).sum(), maps)
    torch.testing.assert_close(mine, torch.autograd.grad(want, maps), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("window", [Window(3), Window(3, 2, 1, False), Window(3, 1, 2), Window(5, 2, 1, True)])
def test_difference_moments_are_differentiable_twice(window):
    maps = [draw(2, 2, 5, 6).requires_grad_() for _ in range(2)]

    def both(phi, psi):
        found = moments.difference_moments(phi, psi, window)
        return found.mean, found.var

    assert torch.autograd.gradcheck(both, maps)
    assert torch.autograd.gradgradcheck(both, maps)


def test_moments_survive_large_means_in_float32():
    phi, psi = torch.randn(4, 2, 9, 8) + 1000, torch.randn(4, 2, 9, 8) - 500
    found = moments.difference_moments(phi, psi, Window(3))
    want = reference.pairwise_relation(phi.double(), psi.double(), Window(3), "subtraction").var(
        (0, 2, 3), correction=0
    )
    torch.testing.assert_close(found.var.double(), want, rtol=1e-3, atol=0)


@FEW
@given(windows())
def test_collect_is_the_transpose_of_spread(case):
    window, height, width = case
    shifts = Shifts(window, height, width)
    x = draw(2, 3, height, width)
    planes = shifts.spread(x)
    weight = torch.randn_like(planes)
    assert torch.isclose((planes * weight).sum(), (x * shifts.collect(weight)).sum())
    gathered = reference.gather(x, window).unflatten(3, (shifts.out_height, shifts.out_width))
    for tap in range(window.taps):
        assert torch.equal(shifts.view(planes, tap), gathered[:, :, tap])


@pytest.mark.parametrize("training", [True, False])
def test_inference_keeps_nothing_and_changes_nothing(training):
    maps = [draw(3, w, 9, 11) for w in (4, 4, 6)]
    mapping = make_mapping(4, 5, 2, training=training)._replace(running_mean1=None, running_var1=None)
    with torch.no_grad():
        quiet = pairwise_attention(*maps, mapping, 5)
    maps[0].requires_grad_()
    torch.testing.assert_close(pairwise_attention(*maps, mapping, 5), quiet, rtol=1e-12, atol=1e-12)


class Block(torch.nn.Module):
    def __init__(self, mapping: Mapping):
        super().__init__()
        self.mapping = mapping

    def forward(self, phi, psi, beta):
        return pairwise_attention(phi, psi, beta, self.mapping, 3)


def test_exported_graphs_hold_plain_operators_only():
    maps = tuple(torch.randn(2, w, 6, 5) for w in (4, 4, 6))
    block = Block(make_mapping(4, 5, 2, dtype=torch.float32, training=False))
    program = torch.export.export(block, maps)
    assert "attnrepro" not in str(program.graph)
    torch.testing.assert_close(program.module()(*maps), block(*maps))


@FEW
@given(windows((1, 3, 5), 9), st.sampled_from([30.0, 1000.0]))
def test_moments_of_products_survive_large_means_in_float32(case, shift):
    window, height, width = case
    phi, psi = torch.randn(4, 3, height, width) + shift, torch.randn(4, 3, height, width) - 2 * shift
    found = moments.product_moments(phi, psi, window)
    z = reference.pairwise_relation(phi.double(), psi.double(), window, "hadamard")
    want = z.var((0, 2, 3), correction=0)
    torch.testing.assert_close(found.var.double(), want, rtol=2e-3, atol=1e-5 * shift**2)
    torch.testing.assert_close(found.mean.double(), z.mean((0, 2, 3)), rtol=1e-5, atol=0)
