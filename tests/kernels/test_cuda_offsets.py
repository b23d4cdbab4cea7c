"""Offsets between samples have 64 bits: the last sample of tensors with more than 2^31 values, in memory never touched.

Only the last blocks of a launch run, so that this takes no longer than other tests. A wrong offset reads elsewhere,
where there is nothing but zeros, or ends the process: shim.h's compiler traps an overflow.
"""

import mmap

import pytest
import torch

from reproduce.kernels import Window
from reproduce.kernels.cuda import launcher
from reproduce.kernels.operands import Pair, Patch
from reproduce.kernels.twins import LOCAL, PAIR, PATCH
from tests.kernels import host

pytestmark = pytest.mark.skipif(host.COMPILER is None, reason="no g++ to compile the kernels with")
SIDE, FEW, WINDOW = 4, 2, Window(3, reflect=False)  # without reflection the host reads none of what it launches for
OUTPUTS, BEYOND = SIDE**2, 2**31 + 2**20


@pytest.fixture(autouse=True)
def only_last_blocks(monkeypatch):
    def run(source, kernel, macros, grid, *arguments):
        host.run(source, kernel, macros, grid, *arguments, first=max(0, grid[0] - 4))

    monkeypatch.setattr(launcher, "run", run)


def sparse(last, batch):
    """A tensor of ``batch`` samples, zeros that take no memory, but for the ``last`` ones."""
    size = batch * last[0].numel()
    room = mmap.mmap(-1, size * last.element_size(), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    whole = torch.frombuffer(room, dtype=last.dtype).view(batch, *last.shape[1:])
    whole[-len(last) :] = last
    return whole


def draw(*shape, dtype=torch.float32):
    return torch.randn(FEW, *shape, dtype=dtype)


def same(call, largest, *tensors):
    """``call`` of a batch in which a sample has ``largest`` values somewhere, against the last samples alone."""
    batch = BEYOND // largest
    for many, few in zip(call(*(sparse(t, batch) for t in tensors)), call(*tensors), strict=True):
        torch.testing.assert_close(many[-FEW:].float(), few.float(), rtol=1e-4, atol=1e-4)


HALF = torch.bfloat16
CASES = {
    "subtract": (9 * OUTPUTS, [(1, SIDE, SIDE)] * 2, lambda a, b: LOCAL["cuda"].subtract(a, b, WINDOW)),
    "sum_centres": (9 * OUTPUTS, [(1, 9, OUTPUTS)], lambda g: LOCAL["cuda"].sum_centres(g, WINDOW, SIDE, SIDE)),
    "scatter": (9 * OUTPUTS, [(1, 9, OUTPUTS)], lambda g: LOCAL["cuda"].scatter(g, WINDOW, SIDE, SIDE)),
    "aggregate": (
        16 * OUTPUTS, [(16, SIDE, SIDE), (1, 9, OUTPUTS)], lambda x, w: LOCAL["cuda"].aggregate(x, w, WINDOW),
    ),
    "aggregate, weights": (
        18 * OUTPUTS, [(2, SIDE, SIDE), (2, 9, OUTPUTS)], lambda x, w: LOCAL["cuda"].aggregate(x, w, WINDOW),
    ),
    "aggregate_to_map": (
        16 * OUTPUTS, [(16, SIDE, SIDE), (1, 9, OUTPUTS)],
        lambda g, w: LOCAL["cuda"].aggregate_to_map(g, w, WINDOW, SIDE, SIDE),
    ),
    "aggregate_to_weight": (
        16 * OUTPUTS, [(16, SIDE, SIDE), (16, SIDE, SIDE)],
        lambda x, g: LOCAL["cuda"].aggregate_to_weight(x, g, WINDOW, 1),
    ),
    "aggregate_to_weight, weights": (
        18 * OUTPUTS, [(2, SIDE, SIDE), (2, SIDE, SIDE)],
        lambda x, g: LOCAL["cuda"].aggregate_to_weight(x, g, WINDOW, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_local_kernels(name):
    largest, shapes, call = CASES[name]
    same(lambda *tensors: [call(*tensors)], largest, *(draw(*shape, dtype=HALF) for shape in shapes))


def narrow(depth, outs, shared):
    """What of a `Pair` is no map."""
    return (
        torch.randn(depth),
        torch.randn(outs, depth),
        None,
        torch.rand(outs),
        torch.randn(outs),
        torch.randn(shared, outs),
    )


@pytest.mark.parametrize(("depth", "outs", "shared", "channels"), [(3, 16, 2, 4), (3, 5, 16, 16)])
@pytest.mark.parametrize("form", ["difference", "product"])
def test_pairwise_kernels(form, depth, outs, shared, channels):
    rest, given = narrow(depth, outs, shared), (torch.zeros(outs), torch.ones(outs))

    def call(a, b, beta, grad):
        pair = Pair(a, b, beta, *rest)
        out = PAIR["cuda"].attend(pair, *given, 0.0, WINDOW, form)
        back = PAIR["cuda"].attend_backward(grad, None, pair, *out[1:], False, 0.0, WINDOW, form)
        return out.y, out.alpha, out.hidden, back.a, back.b, back.beta

    maps = [draw(depth, SIDE, SIDE), draw(depth, SIDE, SIDE), draw(channels, SIDE, SIDE), draw(channels, SIDE, SIDE)]
    same(call, max(outs, shared) * 9 * OUTPUTS, *maps)


def test_pairwise_inference():
    rest, given = narrow(2, 3, 4), (torch.zeros(3), torch.ones(3))

    def call(a, b, beta):
        return [PAIR["cuda"].attend(Pair(a, b, beta, *rest), *given, 0.0, WINDOW, "difference", keep=False).y]

    same(call, 32 * OUTPUTS, draw(2, SIDE, SIDE), draw(2, SIDE, SIDE), draw(32, SIDE, SIDE))


def test_patchwise_kernels():
    depth, outs = 16, 16
    rest = torch.randn(depth, 9), torch.randn(depth, 9), torch.randn(outs, depth, 9)

    def call(psi, phi, grad):
        patch = Patch(psi, phi, *rest)
        back = PATCH["cuda"].project_backward(grad, patch, WINDOW)
        return PATCH["cuda"].project(patch, WINDOW), back.psi, back.phi

    same(call, depth * OUTPUTS, draw(depth, SIDE, SIDE), draw(depth, SIDE, SIDE), draw(outs, SIDE, SIDE))
