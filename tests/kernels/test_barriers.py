"""Every barrier of the CUDA text is needed, and shim.h notices where one is missing: each is taken out in turn."""

import re

import pytest
import torch

from reproduce.kernels import Window
from reproduce.kernels.cpu import pair, patch
from reproduce.kernels.cuda import compile as load
from reproduce.kernels.cuda import launcher, tiling
from reproduce.kernels.cuda import pair as launch_pair
from reproduce.kernels.cuda import patch as launch_patch
from tests.kernels import host
from tests.kernels.test_cuda_text import make_pair, make_patch

pytestmark = [pytest.mark.slow, pytest.mark.skipif(host.COMPILER is None, reason="no g++ to compile the kernels with")]

BARRIER, WINDOW = "__syncthreads();", Window(3)
FILES = ("tile.cuh", "outer.cuh", "infer.cu", "pair.cu")
BARRIERS = [(file, place) for file in FILES for place in range((load.FOLDER / file).read_text().count(BARRIER))]


def train_pair():
    inputs = make_pair(WINDOW, 8, 8, 20, 20, 3, 2, "difference", batch=7)
    return [module.attend(inputs, None, None, 1e-5, WINDOW, "difference")[2:] for module in (launch_pair, pair)]


def weigh_more_rows_than_are_held():
    inputs = make_pair(WINDOW, 8, 8, 3, 70, 9, 2, "difference", batch=7)
    return [module.attend(inputs, None, None, 1e-5, WINDOW, "difference")[:2] for module in (launch_pair, pair)]


def learn_pair():
    inputs = make_pair(WINDOW, 8, 8, 20, 20, 3, 2, "difference", batch=7)
    out, grad = pair.attend(inputs, None, None, 1e-5, WINDOW, "difference"), torch.randn(7, 6, 8, 8).double()
    rest = inputs, *out[1:], True, 1e-5, WINDOW, "difference"
    return [module.attend_backward(grad, None, *rest)[:3] for module in (launch_pair, pair)]


def infer_pair():
    inputs, given = make_pair(WINDOW, 8, 8, 20, 20, 3, 2, "difference", batch=7), (torch.zeros(20).double(),) * 2
    return [module.attend(inputs, *given, 1.0, WINDOW, "difference", False)[:1] for module in (launch_pair, pair)]


def learn_patch():
    inputs = make_patch(WINDOW, 8, 8, 4, 6, centred=True, batch=9)
    grad = torch.randn(9, 6, 8, 8, dtype=torch.float64)
    return [module.project_backward(grad, inputs, WINDOW)[-1:] for module in (launch_patch, patch)]


USES = {
    "tile.cuh": (train_pair,),
    "outer.cuh": (learn_patch,),
    "infer.cu": (infer_pair,),
    "pair.cu": (train_pair, weigh_more_rows_than_are_held, learn_pair),
}


def without_barrier(file, place):
    """What `load.read_source` returns, but for one barrier of one file."""
    text = (load.FOLDER / file).read_text()
    at = [found.start() for found in re.finditer(re.escape(BARRIER), text)][place]
    texts = {file: text[:at] + ";" + text[at + len(BARRIER) :]}

    def read(name):
        return texts.get(name) or (load.FOLDER / name).read_text()

    return lambda name: re.sub(r'#include "([\w.]+)"', lambda found: read(found[1]), read(f"{name}.cu"))


def agree(use):
    torch.manual_seed(0)
    return all(torch.allclose(one, two, rtol=1e-8, atol=1e-8) for one, two in zip(*use(), strict=True))


@pytest.mark.parametrize(("file", "place"), BARRIERS)
def test_a_missing_barrier_is_noticed(file, place, monkeypatch, tmp_path):
    monkeypatch.setattr(launcher, "run", host.run)
    monkeypatch.setattr(tiling, "BLOCKS", 1)
    monkeypatch.setattr(host, "folder", lambda: tmp_path)  # the loader knows libraries by their path
    monkeypatch.setattr(load, "read_source", without_barrier(file, place))
    host.library.cache_clear()
    try:
        assert not all(agree(use) for use in USES[file])
    finally:
        host.library.cache_clear()


def test_with_all_barriers_they_agree(monkeypatch):
    monkeypatch.setattr(launcher, "run", host.run)
    monkeypatch.setattr(tiling, "BLOCKS", 1)
    assert all(agree(use) for uses in USES.values() for use in uses)
