"""Small maps on the CPU go by the plain twins, which are faster there: same results, and only there."""

import pytest
import torch

from reproduce.kernels import PAIRWISE, PATCHWISE, Window, aggregation, pairwise_attention, patchwise_attention
from reproduce.kernels import backend as choice
from tests.kernels.cases import PAIR_ROWS, PATCH_ROWS, make_mapping, trainable

RELATIONS = [("pairwise", name) for name in PAIRWISE] + [("patchwise", name) for name in PATCHWISE]


def run(kind, relation, maps, mapping):
    inputs = [t.clone().requires_grad_() for t in maps]
    mine, leaves = trainable(mapping)
    if kind == "pairwise":
        y, weight = pairwise_attention(*inputs[:3], mine, 3, position=inputs[3], relation=relation, return_weights=True)
    else:
        y, weight = patchwise_attention(*inputs[:3], mine, 3, relation=relation, return_weights=True)
    (y.square().sum() + weight.square().sum()).backward()
    grads = [t.grad for t in (*inputs, *leaves.values()) if t.grad is not None]
    return [
        y.detach(),
        weight.detach(),
        *grads,
        mine.running_mean1,
        mine.running_var1,
        mine.running_mean2,
        mine.running_var2,
    ]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("kind", "relation"), RELATIONS)
def test_both_ways_agree(kind, relation, training, monkeypatch):
    rows = PAIR_ROWS.get(relation, lambda r: r)(4) + 2 if kind == "pairwise" else PATCH_ROWS[relation](4, 9)
    mapping = make_mapping(rows, 5, 2 if kind == "pairwise" else 18, training=training)
    maps = [
        torch.randn(shape, dtype=torch.float64) for shape in ((3, 4, 6, 5), (3, 4, 6, 5), (3, 8, 6, 5), (1, 2, 6, 5))
    ]
    fast = run(kind, relation, maps, mapping)
    monkeypatch.setattr(choice, "SMALL", 10**9)
    for one, two in zip(run(kind, relation, maps, mapping), fast, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-9)


def test_what_is_small(monkeypatch):
    monkeypatch.setattr(choice, "SMALL", 3 * 8 * 9 * 30)
    x = torch.zeros(3, 8, 6, 5)
    assert choice.is_small(x, Window(3), cupy=False)
    assert not choice.is_small(x, Window(5), cupy=False)
    assert choice.is_small(x, Window(5, 2), cupy=False)
    assert not choice.is_small(x, Window(3), cupy=True)
    assert not choice.is_small(x.bfloat16(), Window(3), cupy=False)
    weight = torch.rand(3, 2, 9, 30)
    small = aggregation(x + 1, weight, 3)
    monkeypatch.setattr(choice, "SMALL", -1)
    torch.testing.assert_close(small, aggregation(x + 1, weight, 3))
