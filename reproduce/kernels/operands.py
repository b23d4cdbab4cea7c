"""What the operators take and give, by name.

A registered torch operator takes a flat list of arguments. `read` cuts it into the groups below, one after another, so
that no argument is known by its number:

    values = iter(inputs)
    pair, running, rule, window = (read(values, kind) for kind in (Pair, Running, Rule, Window))
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from torch import Tensor

T = TypeVar("T", bound=tuple[Any, ...])


class Pair(NamedTuple):
    """Inputs of the pairwise core: maps (N, ., H, W); c (D,); W1 (M, D); place (M, T, L) or None; W2 (Cw, M).

    ``scale2`` and ``shift2`` (M,) are the affine part of the second BatchNorm.
    """

    a: Tensor
    b: Tensor
    beta: Tensor
    c: Tensor
    weight1: Tensor
    place: Tensor | None
    scale2: Tensor
    shift2: Tensor
    weight2: Tensor


class Gradients(NamedTuple):
    """Gradients of the tensors of `Pair`, in its order."""

    a: Tensor
    b: Tensor
    beta: Tensor
    c: Tensor
    weight1: Tensor
    place: Tensor | None
    scale2: Tensor
    shift2: Tensor
    weight2: Tensor


class Running(NamedTuple):
    """Statistics (M,) that the second BatchNorm is given; None where it takes those of the batch."""

    mean2: Tensor | None
    var2: Tensor | None


class Attended(NamedTuple):
    """Outputs of the pairwise core: y (N, C, Ho, Wo); alpha (N, Cw, T, L); h (N, M, T, L); statistics (M,)."""

    y: Tensor
    alpha: Tensor
    hidden: Tensor
    mean: Tensor
    var: Tensor


class Saved(NamedTuple):
    """What the forward leaves for the backward: `Attended` without y."""

    alpha: Tensor
    hidden: Tensor
    mean: Tensor
    var: Tensor


class Rule(NamedTuple):
    """How the pairwise core relates and normalises: the second BatchNorm's eps, and a form of `cpu.relation.FORMS`."""

    eps: float
    form: str


class Patch(NamedTuple):
    """Inputs of the patchwise core: psi (N, r, H, W); phi the same or None; scale, shift (r, T); weight1 (M, r, T)."""

    psi: Tensor
    phi: Tensor | None
    scale: Tensor
    shift: Tensor
    weight1: Tensor


class PatchGradients(NamedTuple):
    """Gradients of the tensors of `Patch`, in its order."""

    psi: Tensor
    phi: Tensor | None
    scale: Tensor
    shift: Tensor
    weight1: Tensor


def read(values: Iterator[Any], kind: type[T]) -> T:
    """Return the next ``values`` as the fields of ``kind``, a NamedTuple.

    Raises:
        TypeError: where there are not enough of them.
    """
    return kind(*islice(values, len(kind._fields)))  # type: ignore[attr-defined]
