"""The 1x1 convolution has one meaning, whichever way it is computed."""

import pytest
import torch
from torch import nn

from reproduce.models.pointwise import MIN_PIXELS, Pointwise


@pytest.mark.parametrize("side", [2, 15, 16, 20])
@pytest.mark.parametrize("bias", [False, True])
def test_a_pointwise_convolution_is_the_convolution_of_kernel_1(side: int, bias: bool) -> None:
    """Values, and gradients of first and second order, below and above the size that decides the way."""
    torch.manual_seed(0)
    ours, plain = Pointwise(3, 5, bias=bias).double(), nn.Conv2d(3, 5, 1, bias=bias).double()
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, side, side, dtype=torch.float64, requires_grad=True)
    found = []
    for layer in (ours, plain):
        y = layer(x)
        leaves = [x, *layer.parameters()]
        first = torch.autograd.grad(y.square().sum(), leaves, create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), leaves)
        found.append([y, *first, *second])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert ours(x).shape == (2, 5, side, side)
    assert 15 * 15 < MIN_PIXELS <= 16 * 16, "the sides above no longer cover both ways"


def test_an_exported_pointwise_convolution_stays_a_convolution() -> None:
    """A product an image would fix the batch size into the graph; exporters also know what a convolution is."""
    program = torch.export.export(Pointwise(3, 4).eval(), (torch.randn(2, 3, 16, 16),))
    assert any("conv2d" in str(node.target) for node in program.graph.nodes)
