"""CuPy is relied on after it launched one kernel; where it cannot, one sentence says what is missing."""

import sys
from contextlib import nullcontext
from importlib.machinery import ModuleSpec
from types import SimpleNamespace

import pytest
import torch

from reproduce.kernels import explain_backend
from reproduce.kernels.cuda import trial

CUDA = torch.device("cuda", 1)


class Cell:
    """What `cupy.zeros` returns: an array that the kernel's launch writes."""

    value = 0

    def get(self):
        return [self.value]


def stand_in(fail=None, at=None, writes=1):
    """A cupy whose step ``at`` (compile, launch, zeros) raises ``fail``."""
    calls = []

    def step(name, result):
        calls.append(name)
        if name == at:
            raise fail
        return result

    def launch(grid, block, arguments):
        step("launch", None)
        assert (grid, block) == ((1, 1, 1), (1, 1, 1))
        arguments[0].value = writes

    def compile_it(code, backend):
        assert "trial(int* out)" in code
        return step("compile", SimpleNamespace(get_function=lambda name: launch))

    module = SimpleNamespace(
        cuda=SimpleNamespace(Device=lambda index: calls.append(index) or nullcontext()),
        zeros=lambda size, dtype: step("zeros", Cell()),
        RawModule=compile_it,
        __spec__=ModuleSpec("cupy", None),
    )
    return module, calls


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Put a cupy in place; every trial is new."""
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "cache"))
    trial.try_kernel.cache_clear()
    yield lambda module: monkeypatch.setitem(sys.modules, "cupy", module)
    trial.try_kernel.cache_clear()


def test_a_kernel_that_runs_makes_cupy_the_backend_and_is_launched_once_per_device(install):
    module, calls = stand_in()
    install(module)
    for _ in range(3):
        assert explain_backend(CUDA)[0] == "cupy"
    assert calls == [1, "zeros", "compile", "launch"]
    explain_backend(torch.device("cuda", 0))
    assert calls.count("launch") == 2


FAILURES = [
    ("compile", RuntimeError("libnvrtc.so.12: cannot open shared object file"), "CUDA's libraries"),
    ("compile", RuntimeError("trial.cu(1): catastrophic error: cannot open source file \"cuda_fp16.h\""), "headers"),
    ("zeros", RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient"), "driver is older"),
    ("launch", RuntimeError("CUDA_ERROR_UNSUPPORTED_PTX_VERSION"), "driver is older"),
    ("launch", RuntimeError("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available"), "compute capability"),
    ("compile", PermissionError(13, "Permission denied"), "CUPY_CACHE_DIR"),
    ("launch", MemoryError("out of memory allocating 512 bytes"), "no memory"),
    ("launch", ValueError("something that nobody foresaw"), "something that nobody foresaw"),
]  # fmt: skip


@pytest.mark.parametrize(("at", "error", "words"), FAILURES)
def test_what_is_missing_is_said_and_torch_runs(install, at, error, words):
    install(stand_in(error, at)[0])
    backend, reason = explain_backend(CUDA)
    assert backend == "torch"
    assert words in reason
    assert "\n" not in reason
    with pytest.raises(ValueError, match="backend"):
        explain_backend(CUDA, "cupy")


def test_a_kernel_that_writes_nothing_is_an_obstacle(install):
    install(stand_in(writes=0)[0])
    assert "wrote nothing" in explain_backend(CUDA)[1]


def test_a_cache_that_cannot_be_written_is_an_obstacle(install, monkeypatch, tmp_path):
    module, calls = stand_in()
    install(module)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "file" / "cache"))
    backend, reason = explain_backend(CUDA)
    assert backend == "torch"
    assert "cannot write its cache" in reason
    assert calls == []


def test_without_cupy_it_says_so(monkeypatch):
    trial.try_kernel.cache_clear()
    monkeypatch.setattr(trial.importlib.util, "find_spec", lambda name: None)
    assert explain_backend(CUDA) == ("torch", "CuPy is not installed")
    trial.try_kernel.cache_clear()


def test_nothing_is_tried_while_a_graph_is_captured(install, monkeypatch):
    module, calls = stand_in()
    install(module)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    assert trial.find_obstacle(0) is None
    assert calls == []
