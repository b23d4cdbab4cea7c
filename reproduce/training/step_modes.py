"""How the forward and backward passes of a training step are carried out: the same mathematics, three ways.

    passes = prepare("compiled", network, precision="bf16", device=torch.device("cuda"))
    with translated("compiled"):
        passes(x_B3HW)                   # float32 logits, with gradients

``eager``: operator by operator. ``compiled``: fused by torch.compile. ``graphed``: the launches of both passes recorded
once as CUDA graphs, then replayed as one launch each. Random numbers are drawn as eager execution draws them. Fused
operators sum in another order, and in bf16 they round less often; nothing else changes. What a step costs each way,
``bench --suite train`` measures; a run's own time includes that of compiling. On a CPU the masks of dropout are drawn
between compiled parts.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import Tensor, nn

from reproduce.errors import UserError
from reproduce.training.precision import arithmetic

Passes = Callable[[Tensor], Tensor]


def check_place(execution: str, device: torch.device, world: int = 1) -> None:
    """Refuse what cannot work on ``device``, in ``world`` processes.

    Raises:
        UserError: a graph without CUDA, no compiler, anything but eager execution in several processes.
    """
    if execution != "eager" and world > 1:
        raise UserError(f"{execution} steps are for one process", "leave out --execution, or torchrun")
    if execution == "graphed" and device.type != "cuda":
        raise UserError(f"'{device.type}' has no CUDA graphs", "choose --execution eager or compiled, or a CUDA device")
    if execution == "compiled" and device.type == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise UserError("torch.compile needs a C++ compiler for the CPU", "install g++, or choose --execution eager")


def prepare(execution: str, network: nn.Module, *, precision: str, device: torch.device, world: int = 1) -> Passes:
    """Return a function from images (B, 3, H, W) to float32 logits (B, classes), in the arithmetic of ``precision``.

    What is compiled or recorded is so at the first batch, within `translated`.

    Raises:
        UserError: as `check_place`.
    """
    check_place(execution, device, world)
    eager = _Forward(network, precision, device)
    if execution == "eager":
        return eager
    if execution == "graphed":
        return _FullBatches(lambda example: _capture(_Forward(network, precision, device), example), eager)
    return _FullBatches(lambda _: _Forward(_compile(network), precision, device), eager)


@contextmanager
def translated(execution: str) -> Iterator[None]:
    """Let what fails in a step that is not eager be one sentence: compilers raise many things, backward passes too."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if execution == "eager":
            raise
        cause = getattr(error, "inner_exception", error)  # of a compiler's error the first line is only a header
        reason = next(filter(None, map(str.strip, str(cause).splitlines())), type(cause).__name__)
        raise UserError(f"a {execution} step fails ({reason[:160]})", "try --execution eager") from error


class _Forward(nn.Module):
    """A network's forward pass in the arithmetic of a precision."""

    def __init__(self, network: nn.Module, precision: str, device: torch.device) -> None:
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


def _compile(network: nn.Module) -> nn.Module:
    # Compiled variants are kept a class, eight at most, and beyond that dynamo would go on eagerly without a word.
    torch._dynamo.reset()
    if hasattr(torch._dynamo.config, "fail_on_recompile_limit_hit"):
        torch._dynamo.config.fail_on_recompile_limit_hit = True
    # the masks of dropout are then those of eager execution
    return cast(nn.Module, torch.compile(network, dynamic=False, options={"fallback_random": True}))


def _capture(forward: _Forward, example_B3HW: Tensor) -> Passes:
    """Return ``forward`` with both passes as CUDA graphs.

    The passes that warm up and record take effect on running statistics and random numbers; both are put back.
    """
    device = example_B3HW.device
    with torch.cuda.device(device), torch.random.fork_rng(devices=[device]), _kept(forward.buffers()):
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
