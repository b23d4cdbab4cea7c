"""Whole networks on a GPU: CUDA graphs, devices and streams, and the bench suites."""

import importlib.util

import pytest
import torch

from reproduce.bench import kernels as kernel_suite
from reproduce.bench.counted_cost import Layer
from reproduce.bench.operator_case import Problem
from reproduce.bench.suites import measure_suite
from reproduce.kernels import aggregation, capture_inference, pairwise_attention
from reproduce.models.networks import build
from reproduce.recipes.registry import resolve
from tests.kernels.cases import make_mapping

READY = torch.cuda.is_available() and importlib.util.find_spec("cupy") is not None
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not READY, reason="needs a CUDA device and CuPy")]
ROWS = ("san-pair", "san-patch", "san-pair-ha", "san-patch-ha")


@pytest.mark.parametrize("row", ROWS)
def test_a_graph_replays_the_network(row):
    model = build(resolve(row).model).cuda().eval()
    images = torch.randn(3, 1, 3, 32, 32, device="cuda")
    replay = capture_inference(model, images[0])
    with torch.no_grad():
        for image in images:
            torch.testing.assert_close(replay(image), model(image), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="image"):
        replay(torch.randn(2, 3, 32, 32, device="cuda"))
    with pytest.raises(ValueError, match="training mode"):
        capture_inference(model.train(), images[0])


@pytest.mark.parametrize("row", ROWS)
def test_logits_equal_the_cpu(row):
    model = build(resolve(row).model).double().eval()
    image = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        want = model(image)
        got = model.cuda()(image.cuda()).cpu()
    torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-8)


def test_two_streams_at_once():
    x, weight = torch.randn(4, 32, 40, 40, device="cuda"), torch.rand(4, 4, 49, 1600, device="cuda")
    want = [aggregation(x, weight, 7), aggregation(x.flip(0), weight, 7)]
    streams, got = [torch.cuda.Stream(), torch.cuda.Stream()], []
    torch.cuda.synchronize()
    for stream, value in zip(streams, (x, x.flip(0)), strict=True):
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            got.append(aggregation(value, weight, 7))
    torch.cuda.synchronize()
    for mine, theirs in zip(got, want, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two devices")
def test_two_devices_whichever_is_current():
    mapping = make_mapping(6, 4, 2, dtype=torch.float32)
    maps = [torch.randn(2, 4, 7, 9), torch.randn(2, 4, 7, 9), torch.randn(2, 8, 7, 9), torch.randn(1, 2, 7, 9)]
    found = []
    for current, home in ((0, 1), (1, 0)):
        moved = {n: v.to(f"cuda:{home}") for n, v in mapping._asdict().items() if isinstance(v, torch.Tensor)}
        inputs = [t.to(f"cuda:{home}").requires_grad_() for t in maps]
        with torch.cuda.device(current):
            y = pairwise_attention(*inputs[:3], mapping._replace(**moved), 3, position=inputs[3])
            y.square().sum().backward()
        assert y.device.index == home
        found.append([y.detach().cpu(), *(t.grad.cpu() for t in inputs)])
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("operator", kernel_suite.OPERATORS)
def test_float32_is_as_exact_as_float32_can_be(operator):
    problem = Problem(operator, Layer(4, 28, 7, 256, 16, 64, 8), "train", torch.device("cuda"))
    problem.run("fused")
    assert problem.error() < 1e-4


def test_bench_measures(monkeypatch):
    monkeypatch.setattr(kernel_suite, "list_layers", lambda kind: {"tiny": Layer(4, 28, 7, 256, 16, 64, 8)})
    result = measure_suite("kernels", "cuda", None, 3)
    assert len(result["cases"]) == 8, result["notes"]
    for case in result["cases"]:
        assert case["ms"] > 0
        assert 0 < case["roof_share"] < 1.5
        assert case["error"] < 1e-4
        assert (case["chain_speedup"] is None) == (case["case"].split("/")[0] in ("subtraction2", "aggregation"))
    eager, graph = measure_suite("latency", "cuda", ["san-pair/"], 20)["cases"]
    assert eager["speedup"] is None
    assert graph["speedup"] > 0
