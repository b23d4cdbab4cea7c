"""Gigabytes that the CUDA kernels move for one operator and layer, as they are written; `counted_cost` has the least.

moved_gbyte("pairwise", Layer(64, 56, 7, 256, 16, 64, 8), "train")          # 10.3
"""

import torch
from torch import Tensor

from reproduce.bench.counted_cost import Layer
from reproduce.kernels.cuda.traffic import count_bytes
from reproduce.kernels.operands import Pair
from reproduce.kernels.twins import PAIR
from reproduce.kernels.window import Window

_EPS = 1e-5


def moved_gbyte(operator: str, layer: Layer, phase: str) -> float | None:
    """Return what the launches move in float32, the first BatchNorm's narrow maps aside; None but for ``pairwise``."""
    if operator != "pairwise":
        return None
    (N, r, mid, shared), window = (layer.batch, layer.relation, layer.mid, layer.shared), Window(layer.kernel)
    size = layer.side, layer.side

    def empty(*shape: int) -> Tensor:
        return torch.empty(shape, device="meta")

    narrow = empty(r), empty(r, r), empty(r, window.taps, layer.side**2), empty(r), empty(r), empty(shared, r)
    pair, kernels = Pair(empty(N, r, *size), empty(N, r, *size), empty(N, mid, *size), *narrow), PAIR["cuda"]
    with count_bytes() as moved:
        if phase == "eval":
            kernels.attend(pair, empty(r), empty(r), _EPS, window, "difference", keep=False)
        else:
            out = kernels.attend(pair, None, None, _EPS, window, "difference")
            kernels.attend_backward(empty(N, mid, *size), None, pair, *out[1:], True, _EPS, window, "difference")
    return round(moved.total / 1e9, 4)
