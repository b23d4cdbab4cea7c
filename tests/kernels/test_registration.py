"""The registered operators: opcheck, full-graph compilation, autocast, low precision, layouts."""

import pytest
import torch

from reproduce.kernels import (
    Window,
    aggregation,
    attention_ops,
    local_ops,
    pairwise_attention,
    patchwise_attention,
    subtraction2,
)
from tests.kernels.cases import PAIR_ROWS, PATCH_ROWS, make_mapping, trainable

follows_tuples = pytest.mark.skipif(
    torch.__version__.startswith("2.6."), reason="dynamo of torch 2.6 does not follow properties of a NamedTuple"
)

WINDOWS = [Window(3), Window(3, 2, 2, False)]


def leaf(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype).requires_grad_()


def local_samples(window):
    rows, columns = window.out_size(6, 5)
    x, weight = leaf(2, 4, 6, 5), leaf(2, 2, 9, rows * columns)
    g_map, g_taps, place = leaf(2, 4, rows, columns), leaf(2, 4, 9, rows * columns), (*window, False)
    return [
        (local_ops.subtract, (x, leaf(2, 4, 6, 5), *place)),
        (local_ops.sum_centres, (g_taps, 6, 5, *place)),
        (local_ops.scatter, (g_taps, 6, 5, *place)),
        (local_ops.aggregate, (x, weight, *place)),
        (local_ops.aggregate_to_map, (g_map, weight, 6, 5, *place)),
        (local_ops.aggregate_to_weight, (x, g_map, 2, *place)),
    ]


def fused_samples(window):
    rows, columns = window.out_size(6, 5)
    maps, place = (leaf(2, 3, 6, 5), leaf(2, 3, 6, 5), leaf(2, 4, 6, 5)), (*window, False)
    tail = (leaf(4, 9, rows * columns), leaf(4), leaf(4), leaf(2, 4))
    return [
        (attention_ops.attend, (*maps, leaf(3), leaf(4, 3), *tail, None, None, 1e-5, "difference", *place, True)),
        (attention_ops.attend, (*maps, leaf(3), leaf(4, 3), None, *tail[1:], torch.randn(4).double(),
                        torch.rand(4).double(), 1e-5, "product", *place, True)),
        (attention_ops.project, (leaf(2, 3, 6, 5), leaf(2, 3, 6, 5), leaf(3, 9), leaf(3, 9), leaf(4, 3, 9), *place)),
        (attention_ops.project, (leaf(2, 3, 6, 5), None, leaf(3, 9), leaf(3, 9), leaf(4, 3, 9), *place)),
    ]  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("index", range(6))
def test_opcheck_of_the_local_operators(window, index):
    operator, inputs = local_samples(window)[index]
    torch.library.opcheck(operator, inputs)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("index", range(4))
def test_opcheck_of_the_fused_operators(window, index):
    operator, inputs = fused_samples(window)[index]
    torch.library.opcheck(operator, inputs)


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["pairwise", "weights", "patchwise"])
@pytest.mark.parametrize("training", [True, False])
@follows_tuples
def test_compiled_full_graph_equals_eager(kind, training, backend):
    torch._dynamo.reset()
    shape = (4 * 10, 3, 18) if kind == "patchwise" else (6, 3, 2)
    mapping = make_mapping(*shape, dtype=torch.float32, training=training)
    maps = [leaf(2, 4, 6, 5, dtype=torch.float32) for _ in range(3)] + [leaf(1, 2, 6, 5, dtype=torch.float32)]

    def call(maps, mapping):
        if kind == "patchwise":
            return patchwise_attention(*maps[:3], mapping, 3)
        y, weight = pairwise_attention(*maps[:3], mapping, 3, position=maps[3], return_weights=True)
        return y if kind == "pairwise" else y.sum() + weight.square().sum()

    found = []
    for function in (call, torch.compile(call, fullgraph=True, backend=backend)):
        mine, leaves = trainable(mapping)
        used = maps[:3] if kind == "patchwise" else maps
        y = function(maps, mine)
        grads = torch.autograd.grad(y.square().sum(), [*used, leaves["weight1"], leaves["scale2"]])
        found.append([y, *grads, mine.running_mean1, mine.running_var2])
    for eager, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kind", "relation"), [("pair", "dot"), ("patch", "star"), ("patch", "clique")])
@follows_tuples
def test_relations_that_use_the_twins_compile(kind, relation):
    torch._dynamo.reset()
    rows = PAIR_ROWS[relation](4) if kind == "pair" else PATCH_ROWS[relation](4, 9)
    mapping = make_mapping(rows, 3, 2 if kind == "pair" else 18, dtype=torch.float32)
    attend = pairwise_attention if kind == "pair" else patchwise_attention
    maps = [leaf(2, 4, 6, 5, dtype=torch.float32) for _ in range(3)]
    found = []
    for function in (attend, torch.compile(attend, fullgraph=True, backend="aot_eager")):
        y = function(*maps, trainable(mapping)[0], 3, relation=relation)
        found.append([y, *torch.autograd.grad(y.square().sum(), maps)])
    for eager, compiled in zip(*found, strict=True):
        torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-4)


def test_compiled_local_operators_with_changing_shapes():
    torch._dynamo.reset()

    def call(x, w):
        return aggregation(x, w, 3).sum() + subtraction2(x, x.flip(0), 3).square().sum()

    compiled = torch.compile(call, fullgraph=True, backend="aot_eager", dynamic=True)
    for size in ((2, 4, 6, 5), (3, 4, 7, 9), (1, 4, 5, 12)):
        x, w = torch.randn(size), torch.randn(size[0], 2, 9, size[2] * size[3])
        torch.testing.assert_close(compiled(x, w), call(x, w))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    mapping = make_mapping(6, 4, 2, dtype=torch.float32)
    phi, psi, beta = (torch.randn(2, 4, 6, 5, requires_grad=True) for _ in range(3))
    place = torch.randn(1, 2, 6, 5)
    want = pairwise_attention(phi, psi, beta, mapping, 3, position=place)
    with torch.autocast("cpu", dtype):
        y, weight = pairwise_attention(phi, psi, beta, mapping, 3, position=place, return_weights=True)
        again = aggregation(beta, weight, 3)
    assert y.dtype == again.dtype == dtype
    torch.testing.assert_close(y.float(), want, rtol=0.05, atol=0.05)
    torch.testing.assert_close(again.float(), want, rtol=0.05, atol=0.05)
    y.float().sum().backward()
    assert phi.grad.dtype == torch.float32
    assert torch.isfinite(phi.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_maps_with_float32_mapping(dtype):
    mapping = make_mapping(40, 3, 18, dtype=torch.float32)
    maps = [torch.randn(2, 4, 6, 5).to(dtype) for _ in range(3)]
    y = patchwise_attention(*maps, mapping, 3)
    wide = {n: t.double() for n, t in mapping._asdict().items() if isinstance(t, torch.Tensor)}
    want = patchwise_attention(*(t.double() for t in maps), mapping._replace(**wide), 3)
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), want, rtol=0.02, atol=0.05)


def test_layouts_do_not_matter():
    mapping = make_mapping(4, 4, 2)
    maps = [torch.randn(2, 4, 6, 5).double() for _ in range(3)]
    want = pairwise_attention(*maps, mapping, 3)
    last = [t.contiguous(memory_format=torch.channels_last) for t in maps]
    cut = [torch.cat([t, t], 1)[:, :4] for t in maps]
    for other in (last, cut):
        torch.testing.assert_close(pairwise_attention(*other, mapping, 3), want, rtol=0, atol=0)
