"""Structural claims of the papers (C21, C22), exact shortcuts (S1, S4, S5: docs/sources.md), in float64, untrained."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from reproduce.models.algebra import apply_separable, apply_shared
from reproduce.models.content_attention import ContentAttention
from reproduce.models.networks import build
from reproduce.models.position_attention import PositionAttention
from reproduce.models.positions import GaussianPositions, LearnedPositions
from reproduce.recipes.registry import resolve


def express_convolution(weight_OIkk: torch.Tensor, side: int, spread: float) -> PositionAttention:
    """Build the attention layer that is a convolution: one head a kernel offset, sharp, its weights the kernel's."""
    outputs, _, k, _ = weight_OIkk.shape
    positions = GaussianPositions(k * k, True).double()
    layer = PositionAttention(
        positions,
        width=outputs,
        heads=k * k,
        side=side,
        dropout=0.0,
        dropout_mask="batch",
        value_projection=False,
    ).double()
    with torch.no_grad():
        taps = [(i - k // 2, j - k // 2) for i in range(k) for j in range(k)]
        positions.centres.copy_(torch.tensor(taps, dtype=torch.float64))
        positions.spreads.fill_(spread)
        layer.output.weight.copy_(weight_OIkk.permute(0, 2, 3, 1).reshape(outputs, -1))
        layer.output.bias.zero_()
    return layer.eval()


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_c21_heads_with_quadratic_positions_express_a_convolution(kernel: int) -> None:
    torch.manual_seed(0)
    side, width = 12, 6
    weight = torch.randn(width, width, kernel, kernel, dtype=torch.float64)
    image = torch.randn(2, width, side, side, dtype=torch.float64)
    layer = express_convolution(weight, side, spread=8.0)
    tokens = image.flatten(2).transpose(1, 2)
    for path in ("fast", "naive"):
        layer.path = path
        with torch.no_grad():
            found = layer(tokens, layer.keep(tokens)).transpose(1, 2).view(2, width, side, side)
        border = kernel // 2
        inside = slice(border, side - border)
        expected = F.conv2d(image, weight, padding=border)
        assert (found - expected)[..., inside, inside].abs().max() < 1e-4


def test_c21_a_blunt_head_is_no_convolution() -> None:
    weight = torch.randn(4, 4, 3, 3, dtype=torch.float64)
    image = torch.randn(1, 4, 12, 12, dtype=torch.float64)
    layer = express_convolution(weight, 12, spread=0.5)
    tokens = image.flatten(2).transpose(1, 2)
    found = layer(tokens, layer.keep(tokens)).transpose(1, 2).view(1, 4, 12, 12)
    assert (found - F.conv2d(image, weight, padding=1))[..., 1:-1, 1:-1].abs().max() > 0.1


def make_content(side: int | None) -> ContentAttention:
    torch.manual_seed(0)
    layer = ContentAttention(width=8, heads=3, side=side, dropout=0.1, value_projection=True)
    return layer.double().eval()


@given(st.permutations(list(range(16))))
@settings(max_examples=20, deadline=None)
def test_c22_attention_without_positions_is_permutation_equivariant(order: list[int]) -> None:
    x = torch.randn(2, 16, 8, dtype=torch.float64)
    with torch.no_grad():
        layer = make_content(None)
        assert torch.allclose(layer(x[:, order], layer.keep(x[:, order])), layer(x, layer.keep(x))[:, order], rtol=1e-9)


def test_c22_positions_break_the_equivariance() -> None:
    x = torch.randn(2, 16, 8, dtype=torch.float64)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        layer = make_content(4)
        assert not torch.allclose(layer(x[:, order], layer.keep(x[:, order])), layer(x, layer.keep(x))[:, order])


@given(side=st.integers(2, 9), heads=st.integers(1, 5), seed=st.integers(0, 99), learned=st.booleans())
@settings(max_examples=40, deadline=None)
def test_s1_separable_maps_are_products_of_their_factors(side: int, heads: int, seed: int, learned: bool) -> None:
    torch.manual_seed(seed)
    positions = LearnedPositions(heads, 6, side, True) if learned else GaussianPositions(heads, True)
    positions = positions.double()
    with torch.no_grad():
        row, column = (scores.softmax(-1) for scores in positions.axis_scores(side))
        whole = positions.scores(side).softmax(-1)
        product = torch.einsum("hik,hjl->hijkl", row, column).flatten(3, 4).flatten(1, 2)
    assert (whole - product).abs().max() < 1e-14


def test_s1_does_not_hold_for_anisotropic_maps() -> None:
    torch.manual_seed(0)
    positions = GaussianPositions(9, False).double()
    with torch.no_grad():
        positions.spreads.add_(0.5 * torch.randn_like(positions.spreads))
        whole = positions.scores(8).softmax(-1).view(9, 8, 8, 8, 8)
    product = whole.sum(4)[:, :, :, :, None] * whole.sum(3)[:, :, :, None, :]
    assert (whole - product).abs().max() > 1e-3


def test_gaussian_scores_are_the_quadratic_form() -> None:
    torch.manual_seed(0)
    positions = GaussianPositions(4, False).double()
    n = 5
    with torch.no_grad():
        inverse = positions.spreads @ positions.spreads.transpose(1, 2)
        found = positions.scores(n).view(4, n, n, n, n)
        for h in range(4):
            for query in ((0, 0), (2, 3)):
                form = torch.empty(n, n, dtype=torch.float64)
                for k in range(n):
                    for el in range(n):
                        d = torch.tensor([k - query[0], el - query[1]], dtype=torch.float64) - positions.centres[h]
                        form[k, el] = -0.5 * d @ inverse[h] @ d
                assert torch.allclose(found[h][query] - found[h][query][0, 0], form - form[0, 0], rtol=1e-10)


@given(b=st.integers(1, 3), n=st.integers(1, 5), h=st.integers(1, 4), d=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_separable_and_shared_products_equal_the_formula(b: int, n: int, h: int, d: int) -> None:
    torch.manual_seed(b * 1000 + n * 100 + h * 10 + d)
    x = torch.randn(b, n * n, d, dtype=torch.float64)
    row, column = torch.randn(h, n, n, dtype=torch.float64), torch.randn(h, n, n, dtype=torch.float64)
    out = torch.randn(h, d, d, dtype=torch.float64)
    whole = torch.einsum("hik,hjl->hijkl", row, column).reshape(h, n * n, n * n)
    expected = torch.einsum("hqk,bkd,hed->bqe", whole, x, out)
    assert torch.allclose(apply_separable(x, row, column, out), expected, rtol=1e-9, atol=1e-10)
    values = torch.einsum("bkd,hed->bkhe", x, out)
    assert torch.allclose(apply_shared(whole, values), expected, rtol=1e-9, atol=1e-10)


def test_products_pass_gradcheck() -> None:
    torch.manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    assert torch.autograd.gradcheck(apply_separable, (draw(2, 9, 2), draw(2, 3, 3), draw(2, 3, 3), draw(2, 2, 2)))
    assert torch.autograd.gradcheck(apply_shared, (draw(2, 4, 4), draw(3, 4, 2, 2)))


def test_s4_s5_merged_weights_equal_separate_projections() -> None:
    layer, x = make_content(None), torch.randn(2, 16, 8, dtype=torch.float64)
    with torch.no_grad():
        query, key = (p(x).view(2, 16, 3, 8) for p in (layer.query, layer.key))
        weight = (torch.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(8)).softmax(-1)
        value = layer.value(x).view(2, 16, 3, 8)  # type: ignore[misc]
        expected = layer.output(torch.einsum("bhqk,bkhd->bqhd", weight, value).reshape(2, 16, -1))
        assert torch.allclose(layer(x, layer.keep(x)), expected, rtol=1e-12)


# Train mode cancels these parameters exactly: BatchNorm, softmax or the difference absorbs them.
ZERO = {
    "san-pair": ("phi.bias", "psi.bias", "beta.bias", "place.bias", "gamma.3.bias", "expand.bias"),
    "san-patch": ("phi.bias", "psi.bias", "expand.bias"),
}


@pytest.mark.parametrize("row", ZERO)
def test_san_gradients_that_are_exactly_zero(row: str) -> None:
    torch.manual_seed(0)
    model: nn.Module = build(resolve(row, budget="smoke").model).double().train()
    F.cross_entropy(model(torch.randn(6, 3, 32, 32, dtype=torch.float64)), torch.arange(6)).backward()
    seen = 0
    for name, weight in model.named_parameters():
        if name.endswith(ZERO[row]):
            seen += 1
            assert weight.grad is None or weight.grad.abs().max() < 1e-10, name
        elif name.endswith("weight"):
            assert weight.grad is not None
            assert weight.grad.abs().max() > 1e-10, name
    assert seen == 4 * len(ZERO[row])
