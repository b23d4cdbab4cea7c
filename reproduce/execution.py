"""How the forward and backward passes of a training step are carried out: the same mathematics, three ways.

    passes = prepare("compiled", network, precision="bf16", device=torch.device("cuda"))
    logits_BC = passes(x_B3HW)           # with gradients, as network(x_B3HW) would return them

``eager``: operator by operator. ``compiled``: fused by torch.compile. ``graphed``: the launches of both passes recorded
once as CUDA graphs, then replayed as one launch each. Sums are rounded in another order when fused, nothing else
changes: random numbers are drawn as eager execution draws them. What a step costs each way, ``bench --suite train``
measures.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from reproduce.errors import UserError
from reproduce.evaluate import arithmetic

EXECUTIONS = ("eager", "compiled", "graphed")
Passes = Callable[[Tensor], Tensor]


def check_execution(execution: str, device: torch.device | None, world: int = 1) -> None:
    """Refuse what cannot work on ``device`` (None: not known yet), in ``world`` processes.

    Raises:
        UserError: an unknown way, a graph without CUDA or in several processes, no compiler.
    """
    if execution not in EXECUTIONS:
        raise UserError(f"--execution cannot be '{execution}'", f"choose {', '.join(EXECUTIONS)}")
    if device is None:
        return
    if execution == "graphed" and device.type != "cuda":
        raise UserError(f"'{device.type}' has no CUDA graphs", "choose --execution eager or compiled, or a CUDA device")
    if execution == "graphed" and world > 1:
        raise UserError("CUDA graphs are recorded in one process alone", "choose --execution eager or compiled")
    if execution == "compiled" and device.type == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise UserError("torch.compile needs a C++ compiler for the CPU", "install g++, or choose --execution eager")


def prepare(execution: str, network: nn.Module, *, precision: str, device: torch.device) -> Passes:
    """Return a function from images (B, 3, H, W) to float32 logits (B, classes), in the arithmetic of ``precision``.

    Raises:
        UserError: as `check_execution`; later, at the first batch, where the network cannot be compiled.
    """
    check_execution(execution, device)
    eager = _Forward(network, precision, device)
    if execution == "eager":
        return eager
    if execution == "graphed":
        return _FullBatches(lambda example: _capture(_Forward(network, precision, device), example), eager)
    return _FullBatches(lambda example: _compile(network, precision, device), eager)


class _Forward(nn.Module):
    """A network's forward pass in the arithmetic of a precision."""

    def __init__(self, network: nn.Module | Passes, precision: str, device: torch.device) -> None:
        super().__init__()
        self.network, self.precision, self.device = network, precision, device

    def forward(self, x_B3HW: Tensor) -> Tensor:
        with arithmetic(self.precision, self.device):
            logits_BC: Tensor = self.network(x_B3HW)
        return logits_BC.float()


class _FullBatches:
    """The fast way for batches of the first one's shape; an epoch's last, smaller one goes the eager way."""

    def __init__(self, make: Callable[[Tensor], Passes], eager: Passes) -> None:
        self.make, self.eager = make, eager
        self.fast: Passes | None = None
        self.shape: torch.Size | None = None

    def __call__(self, x_B3HW: Tensor) -> Tensor:
        if self.fast is None:
            self.fast, self.shape = self.make(x_B3HW), x_B3HW.shape
        return self.fast(x_B3HW) if x_B3HW.shape == self.shape else self.eager(x_B3HW)


def _compile(network: nn.Module, precision: str, device: torch.device) -> Passes:
    from torch._inductor import config

    config.fallback_random = True  # the masks of dropout are then those of eager execution
    compiled = _Forward(torch.compile(network, dynamic=False), precision, device)

    def run(x_B3HW: Tensor) -> Tensor:
        try:
            logits_BC: Tensor = compiled(x_B3HW)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"torch.compile fails on this network ({reason[:160]})", "try --execution eager") from error
        return logits_BC

    return run


def _capture(forward: _Forward, example_B3HW: Tensor) -> Passes:
    """Return ``forward`` with both passes as CUDA graphs.

    The passes that warm up and record take effect on running statistics and random numbers; both are put back.
    """
    with torch.random.fork_rng(devices=[example_B3HW.device.index or 0]), _kept(forward.buffers()):
        graphed = torch.cuda.make_graphed_callables(forward, (example_B3HW.clone(),), allow_unused_input=True)
    return cast(Passes, graphed)


@contextmanager
def _kept(tensors: Iterable[Tensor]) -> Iterator[None]:
    """Put tensors back as they were when the block ends."""
    copies = [(tensor, tensor.clone()) for tensor in tensors]
    try:
        yield
    finally:
        for tensor, copy in copies:
            tensor.copy_(copy)
