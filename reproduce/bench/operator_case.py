"""One local-attention operator with random inputs at one layer's sizes, to be run four ways.

problem = Problem("pairwise", layer, "train", torch.device("cpu"))
problem.run("fused"), problem.run("chain")        # the output, then the gradients where the phase is train
problem.error()                                   # of the fused way, against the formulas in float64
"""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from reproduce import kernels
from reproduce.bench.counted_cost import Layer
from reproduce.bench.unfold import CHAIN, UNFOLD
from reproduce.kernels import Mapping, Window, read_mapping, reference
from reproduce.kernels.backend import is_small, without_twins

_OPERATORS: dict[str, Any] = {"fused": kernels, "unfold": UNFOLD, "chain": CHAIN}  # of equal names and arguments
WAYS = (*_OPERATORS, "formula")
_CHECKED = 2  # samples that are compared with float64


class Problem:
    """Inputs on ``device``; in training gradients are taken of all of them."""

    def __init__(self, operator: str, layer: Layer, phase: str, device: torch.device) -> None:
        self.operator, self.kernel, self.train = operator, layer.kernel, phase == "train"
        generator = torch.Generator().manual_seed(0)
        size, (N, r, m, q) = (layer.side, layer.side), (layer.batch, layer.relation, layer.mid, layer.shared)

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator).to(device).requires_grad_(self.train)

        taps, outputs = layer.kernel**2, layer.side**2
        if operator == "subtraction2":
            self.inputs = [draw(N, r, *size), draw(N, r, *size)]
        elif operator == "aggregation":
            self.inputs = [draw(N, m, *size), draw(N, q, taps, outputs)]
        else:
            self.inputs = [draw(N, r, *size), draw(N, r, *size), draw(N, m, *size)]
        if operator == "pairwise":
            self.inputs.append(draw(1, 2, *size))
        related, hidden, out = (r + 2, r, q) if operator == "pairwise" else (r * (taps + 1), q, taps * q)
        self.gamma = _make_gamma(related, hidden, out).to(device).train(self.train).requires_grad_(self.train)
        self._pull: Tensor | None = None

    def run(self, way: str) -> list[Tensor]:
        """Return the output, and in training the gradients of the inputs and of gamma."""
        call: Callable[..., Tensor] = getattr(self, f"_run_{self.operator}")
        if not self.train:
            with torch.no_grad():
                return [call(way)]
        y = call(way)
        if self._pull is None:
            self._pull = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y)
        leaves = [*self.inputs, *(self.gamma.parameters() if self.operator.endswith("wise") else ())]
        return [y.detach(), *torch.autograd.grad(y, leaves, self._pull)]

    def error(self, way: str = "fused") -> float:
        """Return the largest relative deviation from float64, in Euclidean norm, of output and gradients."""
        few, wide = self._take(torch.float32), self._take(torch.float64)
        # the few samples go the way of all: by the fast path, unless all are small, too
        with nullcontext() if self.is_small() else without_twins():
            mine = few.run(way)
        pairs = zip(mine, wide.run("formula"), strict=True)
        return max(_deviation(mine, theirs) for mine, theirs in pairs)

    def is_small(self) -> bool:
        """Return whether the maps are such that the fused way is the plain twin's (`choice.is_small`)."""
        summed = self.inputs[-2 if self.operator in ("aggregation", "pairwise") else -1]
        return is_small(summed, Window(self.kernel), cupy=False)

    def _take(self, dtype: torch.dtype) -> "Problem":
        """Return the problem of the first samples in ``dtype``."""
        other = copy.copy(self)
        other.inputs = [t[:_CHECKED].detach().to(dtype).requires_grad_(self.train) for t in self.inputs]
        other.gamma = copy.deepcopy(self.gamma).to(dtype)
        other._pull = None if self._pull is None else self._pull[:_CHECKED].to(dtype)
        return other

    def _mapping(self) -> Mapping:
        return read_mapping(*self.gamma)  # type: ignore[arg-type]

    def _run_subtraction2(self, way: str) -> Tensor:
        if way == "formula":
            return reference.subtraction2(self.inputs[0], self.inputs[1], Window(self.kernel))
        return _OPERATORS[way].subtraction2(self.inputs[0], self.inputs[1], self.kernel)

    def _run_aggregation(self, way: str) -> Tensor:
        if way == "formula":
            return reference.aggregation(self.inputs[0], self.inputs[1], Window(self.kernel))
        return _OPERATORS[way].aggregation(self.inputs[0], self.inputs[1], self.kernel)

    def _run_pairwise(self, way: str) -> Tensor:
        (phi, psi, beta, position), mapping = self.inputs, self._mapping()
        if way == "formula":
            weight = reference.pairwise_weights(phi, psi, mapping, Window(self.kernel), position, "subtraction")
            return reference.aggregation(beta, weight, Window(self.kernel))
        return _OPERATORS[way].pairwise_attention(phi, psi, beta, mapping, self.kernel, position=position)

    def _run_patchwise(self, way: str) -> Tensor:
        (phi, psi, beta), mapping = self.inputs, self._mapping()
        if way == "formula":
            weight = reference.patchwise_weights(phi, psi, mapping, Window(self.kernel), "concatenation")
            return reference.aggregation(beta, weight, Window(self.kernel))
        return _OPERATORS[way].patchwise_attention(phi, psi, beta, mapping, self.kernel)


def _make_gamma(related: int, hidden: int, out: int) -> nn.ModuleList:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return nn.ModuleList(
            [
                nn.BatchNorm2d(related),
                nn.Conv2d(related, hidden, 1, bias=False),
                nn.BatchNorm2d(hidden),
                nn.Conv2d(hidden, out, 1),
            ]
        )


def _deviation(mine: Tensor, theirs: Tensor) -> float:
    # Norms, not maxima: a value within rounding of a ReLU's kink has another gradient, which is no error of either.
    # Gradients that are zero by the formulas (the last bias under a softmax) are rounding on both sides: absolute then.
    scale = float(theirs.norm())
    return float((mine.double() - theirs).norm()) / (scale if scale > 1e-9 else 1.0)
