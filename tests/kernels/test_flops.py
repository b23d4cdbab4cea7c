"""The FLOPs of our operators, as torch's counter is told them: those of the same products in plain torch."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from reproduce.kernels import (
    PAIRWISE,
    aggregation,
    flops,  # noqa: F401
    pairwise_attention,
    patchwise_attention,
)
from tests.kernels.cases import PAIR_ROWS, PATCH_ROWS, make_mapping

N, r, m, H, W, T = 2, 4, 6, 5, 7, 9


def count(work):
    with FlopCounterMode(display=False) as counter:
        y = work()
        forward = counter.get_total_flops()
        y.square().sum().backward()
    return forward, counter.get_total_flops() - forward


@pytest.mark.parametrize(("stride", "pixels"), [(1, 35), (2, 12)])
def test_aggregation(stride, pixels):
    x, weight = torch.randn(N, m, H, W, requires_grad=True), torch.randn(N, 2, T, pixels, requires_grad=True)
    products = 2 * N * m * T * pixels
    assert count(lambda: aggregation(x, weight, 3, stride)) == (products, 2 * products)


@pytest.mark.parametrize("relation", [r for r in PAIRWISE if r != "dot"])
def test_pairwise_core(relation):
    maps = [torch.randn(N, c, H, W, requires_grad=True) for c in (r, r, m)]
    rows = PAIR_ROWS.get(relation, lambda rows: rows)(r)
    mapping = make_mapping(rows, 5, 2, dtype=torch.float32, training=False)
    forward, backward = count(lambda: pairwise_attention(*maps, mapping, 3, relation=relation))
    core = 2 * N * H * W * T * (2 * 5 + m + (0 if relation == "concatenation" else r * 5))
    narrow = 2 * 2 * N * H * W * r * 5 if relation == "concatenation" else 0  # W1 of both maps, before the core
    assert forward == core + narrow
    assert backward >= 2 * core


@pytest.mark.parametrize("relation", ["concatenation", "subtraction"])
def test_patchwise_mapping(relation):
    maps = [torch.randn(N, c, H, W, requires_grad=True) for c in (r, r, m)]
    mapping = make_mapping(PATCH_ROWS[relation](r, T), 5, 2 * T, dtype=torch.float32, training=False)
    forward, backward = count(lambda: patchwise_attention(*maps, mapping, 3, relation=relation))
    pixels = 2 * N * H * W
    wanted = pixels * (r * T * 5 + 5 * 2 * T + T * m + (r * 5 if relation == "concatenation" else 0))
    assert forward == wanted
    assert backward >= 2 * pixels * (r * T * 5 + T * m)
