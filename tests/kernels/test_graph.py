"""The switch for batch-1 inference: what it refuses and keeps anywhere; real replays are tested on a device."""

import contextlib
import gc
import weakref
from types import SimpleNamespace

import pytest
import torch

from reproduce.kernels import capture_inference
from reproduce.models.algebra import KeepingModule


class Doubling(KeepingModule):
    """A module that keeps the double of its weight, and notes how it was called."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.eye(2))
        self.seen = []

    def forward(self, x):
        self.seen.append((torch.is_autocast_cache_enabled(), torch.is_grad_enabled()))
        doubled = self._kept.get("doubled", [self.weight], lambda: 2 * self.weight)
        self.double = weakref.ref(doubled)
        return x @ doubled


class Graph:
    """A CUDA graph that replays nothing."""

    def replay(self):
        pass


@pytest.fixture
def device(monkeypatch):
    """As much of torch.cuda as a capture needs; an example that says it is there."""
    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    for name in ("device", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda _: contextlib.nullcontext())
    return SimpleNamespace(device=torch.device("cuda"), clone=lambda: torch.ones(1, 2))


def test_a_graph_needs_a_device():
    with pytest.raises(ValueError, match=r"^example: needs a CUDA tensor.*got one on cpu$"):
        capture_inference(torch.nn.Linear(2, 2).eval(), torch.zeros(1, 2))


def test_what_a_replay_reads_outlives_the_modules_own_reference(device):
    model = Doubling().eval()
    replay, double, weight = capture_inference(model, device), model.double, weakref.ref(model.weight)
    model.train()  # forgets what it keeps
    del model
    gc.collect()
    assert double() is not None
    assert weight() is not None
    assert torch.equal(replay(torch.zeros(1, 2)), torch.full((1, 2), 2.0))
    with pytest.raises(ValueError, match=r"^image: needs \(1, 2\)"):
        replay(torch.zeros(2, 2))
    del replay
    gc.collect()
    assert double() is None


def test_modules_run_before_the_capture(device):
    model = Doubling().eval()
    capture_inference(model, device, warmups=0)
    assert len(model.seen) == 2


@pytest.mark.parametrize("enabled", [True, False])
def test_autocast_caches_no_casts_in_warm_up_and_capture(device, enabled):
    model = Doubling().eval()
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=enabled):
        assert torch.is_autocast_cache_enabled() == enabled
        capture_inference(model, device, warmups=2)
        assert torch.is_autocast_cache_enabled() == enabled
    assert model.seen == [(False, False)] * 3


def test_a_failed_capture_leaves_autocast_as_it_was(device):
    with pytest.raises(RuntimeError):
        capture_inference(torch.nn.Linear(3, 2).eval(), device)
    assert torch.is_autocast_cache_enabled()
