"""The switch for batch-1 inference: what it refuses anywhere; what it replays is tested on a device (tests/gpu)."""

import pytest
import torch

from reproduce.kernels import capture_inference


def test_a_graph_needs_a_device():
    with pytest.raises(ValueError, match=r"^example: needs a CUDA tensor.*got one on cpu$"):
        capture_inference(torch.nn.Linear(2, 2).eval(), torch.zeros(1, 2))
