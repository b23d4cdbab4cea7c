"""What the claims about attention maps are measured by: distances, entropies, spreads and offsets.

Claims C05-C09, C13, C18, C19 and C24 of the [Re] report rest on these.
Legend: H heads, n side, N = n * n tokens; maps (H, N, N) are row-stochastic, rows are queries; distances are in tokens.

    measure_heads(map_HNN)["entropy"]          # (H)
    measure_centres(centre_H2, precision_H22)["condition"]
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

Array = NDArray[np.float64]
LN2 = float(np.log(2.0))


def list_shifts(side: int) -> Array:
    """Return key minus query for every query and key: (N, N, 2), rows first."""
    place_N2 = np.stack(np.divmod(np.arange(side * side), side), axis=1).astype(float)
    return place_N2[None, :, :] - place_N2[:, None, :]


def measure_heads(map_HNN: Array) -> dict[str, Array]:
    """Return the quantities of every head (H), means over all queries.

    ``attended_distance``: expected Euclidean distance between query and key. ``entropy``: in nats, at most ln N.
    ``support``: exp(entropy), the number of pixels that a head as good as looks at. ``largest``: the largest weight.
    ``mass_within_1``: weight on the 3x3 pixels around the query. ``head_spread``: mean Jensen-Shannon divergence to the
    other heads of the layer, in bits (0 where all are equal, 1 where none overlap; NaN with a single head).
    ``top_offset_row``, ``top_offset_column``, ``top_offset_share``: the shift that holds most weight, and how much, as
    the mean over the queries from which it stays on the map.
    """
    tokens = map_HNN.shape[1]
    side = round(tokens**0.5)
    shift_NN2 = list_shifts(side)
    distance_NN = np.hypot(shift_NN2[..., 0], shift_NN2[..., 1])
    near_NN = np.abs(shift_NN2).max(axis=2) <= 1
    entropy_HN = -xlogy(map_HNN, map_HNN).sum(axis=2)
    offset_H2, share_H = find_offsets(map_HNN)
    return {
        "attended_distance": np.einsum("hqk,qk->h", map_HNN, distance_NN) / tokens,
        "entropy": entropy_HN.mean(axis=1),
        "support": np.exp(entropy_HN).mean(axis=1),
        "largest": map_HNN.max(axis=2).mean(axis=1),
        "mass_within_1": np.einsum("hqk,qk->h", map_HNN, near_NN) / tokens,
        "head_spread": spread_of(map_HNN),
        "top_offset_row": offset_H2[:, 0],
        "top_offset_column": offset_H2[:, 1],
        "top_offset_share": share_H,
    }


def find_offsets(map_HNN: Array) -> tuple[Array, Array]:
    """Return each head's strongest shift (H, 2) and its mean weight (H) over the queries from which it is on the map.

    A shift counts where at least a quarter of the queries have it: in a far corner a mean would be of a few pixels.
    """
    heads, tokens, _ = map_HNN.shape
    side = round(tokens**0.5)
    width = 2 * side - 1
    shift_NN2 = list_shifts(side).astype(int) + side - 1
    index_NN = shift_NN2[..., 0] * width + shift_NN2[..., 1]
    seen_S = np.bincount(index_NN.ravel(), minlength=width**2)
    counted_S = seen_S * 4 >= tokens
    offset_H2, share_H = np.empty((heads, 2)), np.empty(heads)
    for head in range(heads):
        total_S = np.bincount(index_NN.ravel(), weights=map_HNN[head].ravel(), minlength=width**2)
        mean_S = np.where(counted_S, total_S / seen_S, -1.0)
        best = int(mean_S.argmax())
        offset_H2[head] = np.array(divmod(best, width)) - (side - 1)
        share_H[head] = mean_S[best]
    return offset_H2, share_H


def divergence(p: Array, q: Array) -> Array:
    """Return the Jensen-Shannon divergence of distributions along the last axis, in bits."""
    middle = 0.5 * (p + q)
    nats = 0.5 * (xlogy(p, p) + xlogy(q, q)).sum(-1) - xlogy(middle, middle).sum(-1)
    return np.maximum(nats, 0.0) / LN2


def spread_of(map_HNN: Array) -> Array:
    """Return each head's mean divergence to the others (H), over all queries; NaN for a single head."""
    heads = len(map_HNN)
    if heads < 2:
        return np.full(heads, np.nan)
    between_HH = np.zeros((heads, heads))
    for i in range(heads):
        for j in range(i + 1, heads):
            between_HH[i, j] = between_HH[j, i] = divergence(map_HNN[i], map_HNN[j]).mean()
    return between_HH.sum(axis=1) / (heads - 1)


def between_layers(layers: Sequence[Array]) -> Array:
    """Return the mean divergence between every two layers' maps, head by head, over all queries: (layers, layers)."""
    count = len(layers)
    between = np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1, count):
            between[i, j] = between[j, i] = divergence(layers[i], layers[j]).mean()
    return between


def count_offsets(measured: Mapping[str, Array]) -> int:
    """Return how many different strongest shifts the heads of a layer have."""
    return len(set(zip(measured["top_offset_row"], measured["top_offset_column"], strict=True)))


def image_variance(mean_HN: Array, square_HN: Array) -> Array:
    """Return each head's variance over images (H), averaged over pixels: E[a^2] - E[a]^2, 0 for position-only rows."""
    return np.maximum(square_HN - mean_HN**2, 0.0).mean(axis=-1)


def measure_centres(centre_H2: Array, precision_H22: Array) -> dict[str, Array]:
    """Return the quantities of Gaussian heads from centres and Sigma^-1 (C05-C07).

    ``distance``: of the centre from the query. ``sigma_long``, ``sigma_short``: along the ellipse's axes, infinite
    where a head is flat. ``condition``: of Sigma^-1. ``rounded_row``, ``rounded_column``: the pixel under the centre.
    """
    low_H, high_H = np.linalg.eigvalsh(precision_H22).T
    with np.errstate(divide="ignore", invalid="ignore"):
        long_H = np.where(low_H > 0, 1 / np.sqrt(np.maximum(low_H, 0)), np.inf)
        short_H = np.where(high_H > 0, 1 / np.sqrt(np.maximum(high_H, 0)), np.inf)
        condition_H = np.where(low_H > 0, high_H / low_H, np.inf)
    return {
        "distance": np.hypot(centre_H2[:, 0], centre_H2[:, 1]),
        "sigma_long": long_H,
        "sigma_short": short_H,
        "condition": condition_H,
        "rounded_row": np.rint(centre_H2[:, 0]),
        "rounded_column": np.rint(centre_H2[:, 1]),
    }


def measure_footprints(weight_TL: Array, signed: bool) -> dict[str, Any]:
    """Return the quantities of a SAN layer from its weights (taps, places).

    ``mean_TAP``: mean weight of each tap, TAP its (row, column) shift. Of softmaxed weights (not ``signed``) also
    ``attended_distance`` and ``entropy`` in nats.
    """
    taps = len(weight_TL)
    reach = round(taps**0.5) // 2
    shift_T2 = np.stack(np.divmod(np.arange(taps), 2 * reach + 1), axis=1) - reach
    found: dict[str, Any] = {
        f"mean_{row:+d}_{column:+d}": float(weight_TL[tap].mean()) for tap, (row, column) in enumerate(shift_T2)
    }
    if not signed:
        found["attended_distance"] = float((np.hypot(*shift_T2.T)[:, None] * weight_TL).sum(0).mean())
        found["entropy"] = float(-xlogy(weight_TL, weight_TL).sum(0).mean())
    return found
