"""One thread: the suites share small machines, and results must not depend on the number of threads."""

import pytest
import torch


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
