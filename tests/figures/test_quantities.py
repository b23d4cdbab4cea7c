"""Quantities of maps and centres, against loops and maps whose answer is known."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from figures.maps.quantities import (
    between_layers,
    count_offsets,
    divergence,
    image_variance,
    measure_centres,
    measure_footprints,
    measure_heads,
    spread_of,
)

Array = NDArray[np.float64]


def random_map(heads: int = 3, side: int = 4) -> Array:
    scores = np.random.default_rng(3).normal(size=(heads, side**2, side**2))
    weights = np.exp(2 * scores)
    return weights / weights.sum(-1, keepdims=True)


def shift_map(row: int, column: int, side: int = 8) -> Array:
    """A head that looks at one shift, clipped at the border."""
    map_NN = np.zeros((side**2, side**2))
    for q in range(side**2):
        i, j = divmod(q, side)
        k, m = min(max(i + row, 0), side - 1), min(max(j + column, 0), side - 1)
        map_NN[q, k * side + m] = 1.0
    return map_NN


def test_distance_entropy_and_mass_are_their_sums() -> None:
    map_HNN = random_map()
    found = measure_heads(map_HNN)
    for h in range(3):
        distance = entropy = near = support = 0.0
        for q in range(16):
            bits = 0.0
            for k in range(16):
                dy, dx, a = k // 4 - q // 4, k % 4 - q % 4, map_HNN[h, q, k]
                distance += a * math.hypot(dy, dx)
                bits -= a * math.log(a)
                near += a * (max(abs(dy), abs(dx)) <= 1)
            entropy += bits
            support += math.exp(bits)
        assert found["attended_distance"][h] == pytest.approx(distance / 16)
        assert found["entropy"][h] == pytest.approx(entropy / 16)
        assert found["support"][h] == pytest.approx(support / 16)
        assert found["mass_within_1"][h] == pytest.approx(near / 16)


def test_heads_of_one_shift_are_recognised() -> None:
    shifts = [(0, 0), (-1, 2), (3, 0), (0, 0)]
    found = measure_heads(np.stack([shift_map(*shift) for shift in shifts]))
    assert list(zip(found["top_offset_row"], found["top_offset_column"], strict=True)) == shifts
    assert found["top_offset_share"].tolist() == [1.0] * 4
    assert found["entropy"].tolist() == [0.0] * 4
    assert found["largest"].tolist() == [1.0] * 4
    assert count_offsets(found) == 3
    assert found["attended_distance"][0] == 0.0


def test_a_uniform_head_is_as_wide_as_the_map() -> None:
    found = measure_heads(np.full((1, 64, 64), 1 / 64))
    assert found["support"][0] == pytest.approx(64)
    assert found["top_offset_share"][0] == pytest.approx(1 / 64)
    assert math.isnan(found["head_spread"][0])


def test_divergence_is_a_bit_between_what_never_meets() -> None:
    p, q = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert divergence(p, q) == pytest.approx(1.0)
    assert divergence(p, p) == 0.0
    a, b = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.6, 0.3])
    m = (a + b) / 2
    expected = 0.5 * sum(a * np.log2(a / m)) + 0.5 * sum(b * np.log2(b / m))
    assert divergence(a, b) == pytest.approx(expected)


def test_spread_is_the_mean_divergence_to_the_others() -> None:
    map_HNN = random_map()
    expected = [np.mean([divergence(map_HNN[i], map_HNN[j]).mean() for j in range(3) if j != i]) for i in range(3)]
    assert spread_of(map_HNN) == pytest.approx(expected)
    between = between_layers([map_HNN, map_HNN, random_map()[::-1]])
    assert between[0, 1] == 0.0
    assert between[0, 2] == between[2, 0] > 0


def test_variance_over_images() -> None:
    maps = np.random.default_rng(0).random((7, 2, 5))
    found = image_variance(maps.mean(0), (maps**2).mean(0))
    assert found == pytest.approx(maps.var(axis=0).mean(axis=-1))


def test_centres() -> None:
    found = measure_centres(np.array([[3.0, 4.0], [0.4, -1.6]]), np.array([[[4.0, 0], [0, 1]], [[1.0, 1], [1, 1]]]))
    assert found["distance"][0] == 5.0
    assert (found["sigma_long"][0], found["sigma_short"][0], found["condition"][0]) == (1.0, 0.5, 4.0)
    assert found["condition"][1] > 1e12
    assert (found["rounded_row"][1], found["rounded_column"][1]) == (0.0, -2.0)


def test_footprints() -> None:
    weight_TL = np.zeros((9, 4))
    weight_TL[0] = 1.0  # the neighbour up and left
    found = measure_footprints(weight_TL, signed=False)
    assert found["mean_-1_-1"] == 1.0
    assert found["attended_distance"] == pytest.approx(math.sqrt(2))
    assert found["entropy"] == 0.0
    assert "entropy" not in measure_footprints(-weight_TL, signed=True)
