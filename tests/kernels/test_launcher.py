"""What a launch tells CUDA, held by a recording stand-in for cupy: stream, device, grid, block, argument types."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reproduce.kernels.cuda import compile as load
from reproduce.kernels.cuda import launcher
from reproduce.kernels.twins import LOCAL, PAIR, PATCH
from reproduce.kernels.window import Window
from tests.kernels.recorder import GRID_LIMITS, Recorder
from tests.kernels.test_cuda_text import make_pair, make_patch

WINDOW = Window(3)


class OnDevice(torch.Tensor):
    """A tensor in ordinary memory that says it lies on a CUDA device."""

    home = 0

    @property
    def device(self):
        return torch.device("cuda", self.home)


def put(tensor, home):
    moved = tensor.as_subclass(OnDevice)
    moved.home = home
    return moved


@pytest.fixture
def recorder(monkeypatch):
    """Every device has a stream of its own, at an address that tells them apart."""
    recording = Recorder(monkeypatch, streams={0: 1000, 1: 1001})

    @contextmanager
    def enter(device):
        recording.torch_device.append(torch.device(device).index)
        yield

    recording.torch_device = []
    monkeypatch.setattr(torch.cuda, "device", enter)
    monkeypatch.setattr(
        torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=recording.streams[device.index])
    )
    forget = (load.get_module, load.get_kernel, launcher.get_stream)
    for cached in forget:
        cached.cache_clear()
    yield recording
    for cached in forget:
        cached.cache_clear()


def subtract(home):
    a, out = put(torch.zeros(1, 1, 4, 4), home), put(torch.zeros(1, 1, 9, 16), home)
    macros = tuple({"SCALAR": 2, "KERNEL": 3, "STRIDE": 1, "DILATION": 1, "REFLECT": 1}.items())
    launcher.run("local", "subtract", macros, (1, 1, 1), a, a, out, 1, 4, 4, 4, 4)


def test_a_launch_is_on_the_stream_and_device_of_its_tensors(recorder):
    for home in (1, 0, 1):
        subtract(home)
    assert [launch.device for launch in recorder.launches] == [1, 0, 1]
    assert [launch.stream for launch in recorder.launches] == [1001, 1000, 1001]
    assert recorder.torch_device == [1, 0, 1]
    assert (recorder.device, recorder.stream) == (0, None), "a launch leaves CuPy's device and stream as they were"


def test_the_stream_is_the_one_of_the_moment(recorder):
    subtract(0)
    recorder.streams[0] = 77
    subtract(0)
    assert [launch.stream for launch in recorder.launches] == [1000, 77]


def test_every_device_has_one_module_of_its_own(recorder):
    for home in (0, 1, 1, 0):
        subtract(home)
    assert [launch.home for launch in recorder.launches] == [0, 1, 1, 0]
    assert list(recorder.modules.values()) == [1, 1]


def test_a_block_has_256_threads(recorder):
    subtract(0)
    assert recorder.launches[0].block == (256, 1, 1)


def test_arguments_are_pointers_and_32_bit_integers():
    assert [type(launcher.pack(a)) for a in (torch.zeros(1), None, 7)] == [np.uintp, np.uintp, np.int32]
    assert launcher.pack(None) == 0


def test_an_empty_grid_launches_nothing(recorder):
    launcher.run("local", "subtract", (), (0, 1, 1))
    assert recorder.launches == []


@pytest.mark.parametrize("grid", [(2**31, 1, 1), (1, 65_536, 1), (1, 1, 65_536)])
def test_a_grid_beyond_the_limits_is_refused_before_the_launch(recorder, grid):
    with pytest.raises(ValueError, match="grid"):
        launcher.run("local", "subtract", (), grid, put(torch.zeros(1), 0))
    assert recorder.launches == []


def calls():
    """Every function of the CUDA twins on small inputs, as they are called."""
    pair = make_pair(WINDOW, 6, 5, 3, 5, 2, 2, "difference", dtype=torch.float32)
    patch = make_patch(WINDOW, 6, 5, 2, 3, centred=True)
    maps, taps = torch.zeros(2, 4, 6, 5), torch.zeros(2, 2, 9, 30)
    y, size = torch.zeros(2, 4, 6, 5), {"height": 6, "width": 5}
    given = torch.zeros(5), torch.ones(5)
    return {
        "subtract": lambda: LOCAL["cuda"].subtract(maps, maps, WINDOW),
        "sum_centres": lambda: LOCAL["cuda"].sum_centres(taps, WINDOW, **size),
        "scatter": lambda: LOCAL["cuda"].scatter(taps, WINDOW, **size),
        "aggregate": lambda: LOCAL["cuda"].aggregate(maps, taps, WINDOW),
        "aggregate_to_map": lambda: LOCAL["cuda"].aggregate_to_map(y, taps, WINDOW, **size),
        "aggregate_to_weight": lambda: LOCAL["cuda"].aggregate_to_weight(maps, y, WINDOW, 2),
        "attend": lambda: PAIR["cuda"].attend(pair, None, None, 1e-5, WINDOW, "difference"),
        "infer": lambda: PAIR["cuda"].attend(pair, *given, 1e-5, WINDOW, "difference", keep=False),
        "attend_backward": lambda: PAIR["cuda"].attend_backward(
            y, None, pair, taps, torch.zeros(2, 5, 9, 30), *given, True, 1e-5, WINDOW, "difference"
        ),
        "project": lambda: PATCH["cuda"].project(patch, WINDOW),
        "project_backward": lambda: PATCH["cuda"].project_backward(torch.zeros(2, 3, 6, 5).double(), patch, WINDOW),
    }


@pytest.mark.parametrize("name", calls())
def test_every_launch_suits_its_kernel(recorder, monkeypatch, name):
    """Types and number of arguments are those of the kernel's own text; the recorder refuses others."""
    original = launcher.run

    def run(source, kernel, macros, grid, *arguments):
        moved = (put(a, 1) if isinstance(a, torch.Tensor) else a for a in arguments)
        original(source, kernel, macros, grid, *moved)

    monkeypatch.setattr(launcher, "run", run)
    calls()[name]()
    assert recorder.launches
    for launch in recorder.launches:
        assert (launch.device, launch.home, launch.stream) == (1, 1, 1001)
        assert launch.block == (launcher.THREADS, 1, 1)
        assert all(size <= limit for size, limit in zip(launch.grid, GRID_LIMITS, strict=True))
