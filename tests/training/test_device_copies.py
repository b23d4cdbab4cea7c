"""A step on a GPU never waits for the host: no value is copied to the device or read back in a forward pass.

Checked without a GPU: fake tensors know their device and shape, and run no kernel.
"""

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from reproduce.models.networks import build
from reproduce.recipes.registry import ENTRIES, resolve
from reproduce.training.precision import arithmetic


class Crossings(TorchDispatchMode):
    """Notes operators whose tensors lie on two devices, or that give a number to Python."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        places = {t.device.type for t in tree_leaves((args, kwargs, result)) if isinstance(t, torch.Tensor)}
        if len(places) > 1 or "local_scalar" in str(operator) or "nonzero" in str(operator):
            self.found.append(str(operator))
        return result


@pytest.mark.parametrize("row", sorted(ENTRIES))
def test_forward_passes_stay_on_the_device(row: str) -> None:
    spec = resolve(row, budget="smoke").model
    device = torch.device("cuda")
    with FakeTensorMode(allow_non_fake_inputs=True):
        with device:
            network = build(spec).train()
            images = torch.randn(4, 3, spec.image_size, spec.image_size)
        network(images)  # what is kept from then on (positions) may be made here
        with Crossings() as crossings, arithmetic("fp32", device):
            network(images)
    assert crossings.found == []
