"""The public operators as on a GPU, CUDA text on the CPU: registered operators, host code and kernels in one."""

import pytest
import torch

from reproduce.kernels import (
    PAIRWISE,
    PATCHWISE,
    aggregation,
    attention,
    local,
    pairwise_attention,
    patchwise_attention,
    subtraction2,
)
from reproduce.kernels.cuda import launcher
from tests.kernels import host
from tests.kernels.cases import PAIR_ROWS, PATCH_ROWS, make_mapping, trainable

pytestmark = pytest.mark.skipif(host.COMPILER is None, reason="no g++ to compile the kernels with")


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch):
    monkeypatch.setattr(launcher, "run", host.run)
    for module in (attention, local):
        monkeypatch.setattr(module, "use_cupy", lambda tensor, backend: backend != "torch")


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def learn(call, maps, mapping=None):
    """Output, gradients of maps and mapping, running statistics."""
    leaves = [map_.clone().requires_grad_() for map_ in maps]
    mine, parameters = trainable(mapping) if mapping else (None, {})
    y = call(leaves, mine)
    y.square().sum().backward()
    kept = [mine.running_mean1, mine.running_var1, mine.running_mean2, mine.running_var2] if mapping else []
    return [y.detach(), *(t.grad for t in (*leaves, *parameters.values())), *kept]


def same(call, maps, mapping=None):
    both = [learn(lambda m, g, b=backend: call(m, g, b), maps, mapping) for backend in ("cupy", "torch")]
    for index, (cuda, plain) in enumerate(zip(*both, strict=True)):
        torch.testing.assert_close(cuda, plain, rtol=1e-8, atol=1e-9, msg=lambda text, i=index: f"output {i}: {text}")


def test_local_operators():
    same(lambda m, _, b: subtraction2(*m, 3, backend=b), [draw(2, 3, 5, 6), draw(2, 3, 5, 6)])
    same(lambda m, _, b: aggregation(*m, 3, stride=2, backend=b), [draw(2, 6, 5, 6), draw(2, 2, 9, 9)])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("relation", PAIRWISE)
def test_pairwise_attention(relation, training):
    mapping = make_mapping(PAIR_ROWS.get(relation, lambda r: r)(5) + 2, 6, 4, training=training)

    def call(m, gamma, backend):
        return pairwise_attention(*m[:3], gamma, 3, position=m[3], relation=relation, backend=backend)

    same(call, [draw(2, 5, 5, 9), draw(2, 5, 5, 9), draw(2, 8, 5, 9), draw(1, 2, 5, 9)], mapping)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("relation", PATCHWISE)
def test_patchwise_attention(relation, training):
    mapping = make_mapping(PATCH_ROWS[relation](5, 9), 6, 36, training=training)

    def call(m, gamma, backend):
        return patchwise_attention(*m, gamma, 3, relation=relation, backend=backend)

    same(call, [draw(3, 5, 5, 9), draw(3, 5, 5, 9), draw(3, 8, 5, 9)], mapping)


def test_inference_with_and_without_weights():
    mapping, maps = make_mapping(7, 6, 4, training=False), [draw(2, 5, 5, 9), draw(2, 5, 5, 9), draw(2, 8, 5, 9)]
    position = draw(1, 2, 5, 9)
    with torch.no_grad():
        for weights in (False, True):
            cuda, plain = (
                pairwise_attention(*maps, mapping, 3, position=position, backend=b, return_weights=weights)
                for b in ("cupy", "torch")
            )
            torch.testing.assert_close(cuda, plain, rtol=1e-9, atol=1e-10)


def test_second_derivatives():
    mapping, maps = make_mapping(5, 6, 4), [draw(2, 5, 5, 6).requires_grad_() for _ in range(2)]
    beta, found = draw(2, 8, 5, 6).requires_grad_(), []
    for backend in ("cupy", "torch"):
        y = pairwise_attention(*maps, beta, trainable(mapping)[0], 3, backend=backend)
        first = torch.autograd.grad(y.square().sum(), [*maps, beta], create_graph=True)
        found.append(torch.autograd.grad(sum(t.square().sum() for t in first), [*maps, beta]))
    torch.testing.assert_close(*found, rtol=1e-8, atol=1e-9)
