"""Aggregation by constant offsets: against the padded way and the formulas, at every border, with values not finite."""

import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reproduce.kernels import Window, reference
from reproduce.kernels.cpu import flat, shifts, sums
from tests.kernels.cases import windows

FEW = settings(max_examples=60, deadline=None)


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def three(window, x, weight, g):
    size = x.shape[-2:]
    return [
        sums.aggregate(x, weight, window),
        sums.aggregate_to_map(g, weight, window, *size),
        sums.aggregate_to_weight(x, g, window, weight.shape[1]),
    ]


@FEW
@given(windows(), st.sampled_from([(1, 40), (2, 31), (3, 1)]), st.booleans())
def test_both_ways_follow_the_formulas(case, shares, spread_out):
    window, height, width = case
    window, (shared, groups) = window._replace(stride=1), shares
    assume(not window.reflect or window.pad < min(height, width))
    x, weight = draw(3, shared * groups, height, width), draw(3, shared, window.taps, height * width)
    if spread_out:  # neither map is contiguous
        x, weight = x.to(memory_format=torch.channels_last), weight.transpose(2, 3).contiguous().transpose(2, 3)
    g = torch.randn_like(x)
    x.requires_grad_()
    weight.requires_grad_()
    y = reference.aggregation(x, weight, window)
    wanted = [y, *torch.autograd.grad(y, (x, weight), g)]
    x, weight = x.detach(), weight.detach()
    for limit in (0, math.inf):
        with pytest.MonkeyPatch.context() as patcher:
            patcher.setattr(flat, "COPY_LIMIT", limit)
            folds = window.dilation == 1 or not window.reflect
            assert flat.suits(window, x, shared) == (folds and limit > 0)
            for mine, theirs in zip(three(window, x, weight, g), wanted, strict=True):
                torch.testing.assert_close(mine, theirs.detach(), rtol=1e-10, atol=1e-10)


@FEW
@given(windows())
def test_mend_is_the_transpose_of_fold(case):
    window, height, width = case
    window = window._replace(stride=1, dilation=1)
    assume(not window.reflect or window.pad < min(height, width))
    weight, g = draw(2, 3, window.taps, height * width), draw(2, 3, window.taps, height * width)
    folded, mended = flat.fold(weight, window, height, width), g.clone()
    flat.mend(mended, window, height, width)
    assert torch.isclose((folded * g).sum(), (weight * mended).sum())


@pytest.mark.parametrize("reflect", [True, False])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_is_not_finite_stays_in_its_window(reflect, value):
    """A pixel at the end of a row lies next to the first of the next row in memory, but in nobody's window there."""
    window, x, g = Window(3, reflect=reflect), torch.randn(1, 8, 6, 5), torch.randn(1, 8, 6, 5)
    weight = torch.rand(1, 1, 9, 30) + 0.1
    assert flat.suits(window, x, 1)
    x[0, 2, 3, 4] = value
    wrong = ~sums.aggregate(x, weight, window).isfinite()
    assert wrong[0, 2, 2:5, 3:].all()
    assert int(wrong.sum()) == 6
    g[0, 2, 3, 0] = value
    wrong = ~sums.aggregate_to_map(g, weight, window, 6, 5).isfinite()
    assert wrong[0, 2, 2:5, :2].all()
    assert int(wrong.sum()) == 6
    x = torch.randn(1, 8, 6, 5)
    found = sums.aggregate_to_weight(x, g, window, 1)
    reads_it = torch.zeros(30, dtype=torch.bool)
    reads_it[15] = True
    inside = torch.ones(9, dtype=torch.bool) if reflect else torch.tensor([0, 1, 1, 0, 1, 1, 0, 1, 1]).bool()
    assert torch.equal(~found[0, 0].isfinite(), inside[:, None] & reads_it)


def test_a_sum_that_overflows_is_not_taken_for_a_value_that_is_not_finite():
    window, x = Window(3), torch.full((1, 8, 4, 4), 3e38)
    assert not flat.is_finite(x)
    weight = torch.full((1, 1, 9, 16), 1 / 16)
    torch.testing.assert_close(sums.aggregate(x, weight, window), x * (9 / 16))


def test_small_copies_only_and_where_values_may_be_read():
    x = torch.empty(1, 64, 8, 8)
    assert flat.suits(Window(3), x, 8)
    assert flat.suits(Window(5), x, 8)
    assert not flat.suits(Window(7), x, 8)
    assert not flat.suits(Window(3), x, 64)
    assert not flat.suits(Window(3, stride=2), x, 8)
    assert not flat.suits(Window(3, dilation=2), x, 8)
    assert flat.suits(Window(3, dilation=2, reflect=False), x, 8)
    assert not flat.suits(Window(3), x.to("meta"), 8)


def test_steps_hold_the_copy_too(monkeypatch):
    monkeypatch.setattr(shifts, "CHUNK_BYTES", 4 * 8 * 36 * 8 * 2)  # two samples of four maps in float64
    seen, fold = [], flat.fold
    monkeypatch.setattr(flat, "fold", lambda weight, *rest: seen.append(len(weight)) or fold(weight, *rest))
    x, weight = draw(5, 8, 6, 6), draw(5, 1, 9, 36)
    found = sums.aggregate(x, weight, Window(3))
    torch.testing.assert_close(found, reference.aggregation(x, weight, Window(3)))
    assert seen == [1, 2, 2]
