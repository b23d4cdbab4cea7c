"""One thread: the suites share small machines, and results must not depend on the number of threads."""

import pytest
import torch

from reproduce.kernels import backend as choice


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_map_is_small(monkeypatch):
    """The fast paths are what is tested, on maps that would otherwise go by the plain twins; see test_small."""
    monkeypatch.setattr(choice, "SMALL", -1)
