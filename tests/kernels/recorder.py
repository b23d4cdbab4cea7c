"""A stand-in for cupy and for torch's streams that computes nothing and records every launch.

It refuses what a GPU would: a block of more than 1,024 threads, a grid beyond its limits, an argument of a type that
the kernel does not have, a kernel of one device launched on another.
"""

import re
from collections import Counter
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from tests.kernels import host

GRID_LIMITS = (
    2**31 - 1,
    65_535,
    65_535,
)  # CUDA C++ Programming Guide, technical specifications


class Launch(NamedTuple):
    kernel: str
    device: int  # current when launched
    stream: int | None  # CuPy's current one, None for its default
    home: int  # device that the module was made on
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arguments: tuple[Any, ...]


class Recorder:
    """Takes cupy's place in `sys.modules`, and that of the parts of torch.cuda that a launch asks."""

    def __init__(self, monkeypatch, streams):
        self.launches, self.modules = [], Counter()
        self.device, self.stream, self.streams = 0, None, streams
        cuda = SimpleNamespace(Device=self.enter_device, ExternalStream=self.enter_stream)
        monkeypatch.setitem(__import__("sys").modules, "cupy", SimpleNamespace(cuda=cuda, RawModule=self.make_module))

    @contextmanager
    def enter_device(self, index):
        before, self.device = self.device, index
        try:
            yield
        finally:
            self.device = before

    def enter_stream(self, pointer, device):
        @contextmanager
        def enter():
            before, self.stream = self.stream, (pointer, device)
            try:
                yield
            finally:
                self.stream = before

        return Reentrant(enter)

    def make_module(self, code, options, backend):
        assert backend == "nvrtc"
        self.modules[hash(code), options, self.device] += 1
        home, found = self.device, host.bodies(code)

        def get_function(name):
            types = [argument_type(p) for p in found[name][0].split(",")]

            def launch(grid, block, arguments):
                assert [type(a) for a in arguments] == types, f"{name}: arguments are not of the kernel's types"
                assert block[0] * block[1] * block[2] <= 1024
                assert all(1 <= size <= limit for size, limit in zip(grid, GRID_LIMITS, strict=True)), grid
                stream = self.stream and self.stream[0]
                self.launches.append(Launch(name, self.device, stream, home, grid, block, arguments))

            return launch

        return SimpleNamespace(get_function=get_function)


class Reentrant:
    """A context that can be entered again and again, as CuPy's streams are."""

    def __init__(self, enter):
        self.enter, self.open = enter, []

    def __enter__(self):
        self.open.append(self.enter())
        self.open[-1].__enter__()

    def __exit__(self, *error):
        self.open.pop().__exit__(*error)


def argument_type(parameter):
    """The numpy type that a C++ parameter takes."""
    if "*" in parameter:
        return np.uintp
    assert re.match(r"\s*int\s+\w+\s*$", parameter), parameter
    return np.int32
