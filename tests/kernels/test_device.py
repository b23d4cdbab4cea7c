"""The kernels on a GPU: the same properties as on the CPU, and what only a device can show."""

import importlib.util
import os

import pytest
import torch

from reproduce.kernels import (
    PAIRWISE,
    PATCHWISE,
    Window,
    aggregation,
    explain_backend,
    pairwise_attention,
    patchwise_attention,
    subtraction,
)
from tests.kernels.cases import PAIR_ROWS, PATCH_ROWS, make_mapping, spell, trainable

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS must know before it is first used
READY = torch.cuda.is_available() and importlib.util.find_spec("cupy") is not None
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not READY, reason="needs a CUDA device and CuPy")]

WINDOWS = [(Window(3), 9, 14), (Window(7), 5, 12), (Window(5, 2, 2, False), 11, 8), (Window(3, 3, 2), 40, 33)]


def draw(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def on(device, mapping):
    moved = {n: v.to(device) for n, v in mapping._asdict().items() if isinstance(v, torch.Tensor)}
    return mapping._replace(**moved)


def grads(call, maps, mapping, device):
    inputs = [t.to(device).requires_grad_() for t in maps]
    mine, leaves = trainable(on(device, mapping))
    y = call(inputs, mine)
    y.square().sum().backward()
    found = [y, *(t.grad for t in inputs), *(t.grad for t in leaves.values())]
    return [t.detach().cpu() for t in (*found, mine.running_mean1, mine.running_var2)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("relation", PAIRWISE)
@pytest.mark.parametrize(("window", "height", "width"), WINDOWS)
def test_pairwise_equals_the_cpu(window, height, width, relation, training):
    rows = PAIR_ROWS.get(relation, lambda r: r)(20) + 2
    maps = draw(3, 20, height, width), draw(3, 20, height, width), draw(3, 8, height, width), draw(1, 2, height, width)
    mapping = make_mapping(rows, 18, 4, training=training)

    def call(m, mapping):
        return pairwise_attention(*m[:3], mapping, position=m[3], relation=relation, **spell(window))

    for device, cpu in zip(grads(call, maps, mapping, "cuda"), grads(call, maps, mapping, "cpu"), strict=True):
        torch.testing.assert_close(device, cpu, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("relation", PATCHWISE)
@pytest.mark.parametrize(("window", "height", "width"), [WINDOWS[0], (Window(3, 2, 2, False), 11, 8)])
def test_patchwise_equals_the_cpu(window, height, width, relation):
    maps = draw(3, 5, height, width), draw(3, 5, height, width), draw(3, 8, height, width)
    mapping = make_mapping(PATCH_ROWS[relation](5, window.taps), 6, 4 * window.taps)

    def call(m, mapping):
        return patchwise_attention(*m, mapping, relation=relation, **spell(window))

    for device, cpu in zip(grads(call, maps, mapping, "cuda"), grads(call, maps, mapping, "cpu"), strict=True):
        torch.testing.assert_close(device, cpu, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_aggregation_in_every_dtype(dtype):
    x, weight = draw(2, 16, 12, 9, dtype=dtype), draw(2, 4, 49, 108, dtype=dtype)
    got = aggregation(x.cuda(), weight.cuda(), 7, backend="cupy").cpu().double()
    want = aggregation(x.double(), weight.double(), 7)
    torch.testing.assert_close(got, want, rtol=torch.finfo(dtype).eps, atol=64 * torch.finfo(torch.float32).eps)


def test_auto_is_cupy_on_a_device():
    assert explain_backend(torch.device("cuda"))[0] == "cupy"


def test_backends_agree_on_the_device():
    x = draw(2, 4, 9, 7).cuda()
    assert torch.equal(subtraction(x, 3, backend="cupy"), subtraction(x, 3, backend="torch"))


def test_current_stream_is_used():
    x, weight = torch.randn(8, 64, 56, 56, device="cuda"), torch.rand(8, 8, 49, 56 * 56, device="cuda")
    want = aggregation(x, weight, 7)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(10_000_000)
        late = x.clone()
        got = aggregation(late, weight, 7)
    side.synchronize()
    assert torch.equal(got, want)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two devices")
def test_second_device():
    x, weight = torch.randn(2, 8, 6, 5), torch.rand(2, 2, 9, 30)
    got = aggregation(x.to("cuda:1"), weight.to("cuda:1"), 3)
    assert got.device.index == 1
    torch.testing.assert_close(got.cpu(), aggregation(x, weight, 3))


def test_cuda_graph_replays():
    mapping = on("cuda", make_mapping(6, 4, 2, dtype=torch.float32, training=False))
    maps = [torch.randn(1, 4, 8, 8, device="cuda") for _ in range(3)]
    place = torch.randn(1, 2, 8, 8, device="cuda")
    with torch.no_grad():
        want = pairwise_attention(*maps, mapping, 3, position=place)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = pairwise_attention(*maps, mapping, 3, position=place)
        y.zero_()
        graph.replay()
    torch.testing.assert_close(y, want)


def test_more_than_2_31_elements():
    free, _ = torch.cuda.mem_get_info()
    if free < 24 * 2**30:
        pytest.skip("needs 24 GiB of free device memory")
    x = torch.zeros(3, 256, 60, 60, device="cuda", dtype=torch.float16).normal_()
    big = torch.cat([x] * 26)  # 78 * 256 * 121 * 3600 > 2^31 outputs at k = 11
    y = subtraction(big, 11)
    assert y.numel() > 2**31
    assert torch.equal(y[-3:], subtraction(x, 11))


@pytest.mark.parametrize("backend", ["cupy", "torch"])
def test_cuda_graph_captures_either_backend(backend):
    x, weight = torch.randn(2, 16, 12, 12, device="cuda"), torch.rand(2, 2, 9, 144, device="cuda")
    want = aggregation(x, weight, 3, backend=backend)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = aggregation(x, weight, 3, backend=backend)
    y.zero_()
    graph.replay()
    torch.testing.assert_close(y, want)


def test_deterministic():
    """With the position that every SAN has: a reflection has a backward that adds in no order, and raises here."""
    mapping = on("cuda", make_mapping(22, 18, 4, dtype=torch.float32))
    maps = [torch.randn(4, w, 28, 28, device="cuda") for w in (20, 20, 16)]
    maps.append(torch.randn(1, 2, 28, 28, device="cuda"))
    runs = []
    torch.use_deterministic_algorithms(True)
    try:
        for _ in range(2):
            inputs = [t.clone().requires_grad_() for t in maps]
            mine, leaves = trainable(mapping)
            pairwise_attention(*inputs[:3], mine, 7, position=inputs[3]).square().sum().backward()
            runs.append([t.grad for t in (*inputs, *leaves.values())])
    finally:
        torch.use_deterministic_algorithms(False)
    for one, two in zip(*runs, strict=True):
        assert torch.equal(one, two)
