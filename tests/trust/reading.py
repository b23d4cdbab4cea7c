"""What the tests of damage read files with."""

from pathlib import Path
from typing import Any

import torch

from reproduce.training.checkpoint import load_state, load_weights


def same(one: Any, other: Any) -> bool:
    """Say whether two results are equal to the bit, tensors and NaN included."""
    if isinstance(one, torch.Tensor):
        return (
            one.dtype == other.dtype and one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other or (one != one and other != other))


def state_of(path: Path) -> Any:
    return load_state(path, None, torch.device("cpu"))


def weights_of(path: Path) -> Any:
    weights = load_weights(path)
    return [weights.recipe.to_json(), weights.tensors, weights.epoch]
