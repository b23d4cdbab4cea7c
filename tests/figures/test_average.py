"""Eq. 4 in its four readings, against loops that follow each formula."""

import pytest
import torch
from torch import Tensor

from figures.maps.average import READINGS, average_attention, find_reading
from reproduce.errors import UserError


def random_map(heads: int = 3, tokens: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(heads, tokens, tokens, generator=generator, dtype=torch.float64).softmax(-1)


def loop(a: list[list[float]], name: str) -> list[float]:
    n = len(a)
    received = [sum(a[k][j] for k in range(n)) for j in range(n)]
    given = [sum(a[i][k] for k in range(n)) for i in range(n)]
    if name == "R0":
        return [sum(a[i][j] for i in range(n)) / n for j in range(n)]
    divisor = {
        "R1": lambda i, j: received[j],
        "R2": lambda i, j: given[i],
        "R3": lambda i, j: received[i],
    }[name]
    return [sum(a[i][j] / divisor(i, j) for j in range(n)) / n for i in range(n)]


@pytest.mark.parametrize("name", READINGS)
def test_a_reading_is_its_formula(name: str) -> None:
    map_HNN = random_map()
    expected = torch.tensor([loop(head.tolist(), name) for head in map_HNN], dtype=torch.float64)
    assert torch.allclose(average_attention(map_HNN, name), expected, rtol=1e-12, atol=1e-14)


def test_what_the_readings_of_eq_4_add_up_to() -> None:
    map_HNN = random_map()
    for name in ("R0", "R1"):
        assert torch.allclose(average_attention(map_HNN, name).sum(1), torch.ones(3, dtype=torch.float64))
    assert torch.allclose(average_attention(map_HNN, "R2"), torch.full((3, 9), 1 / 9, dtype=torch.float64))
    received = map_HNN.sum(1)
    assert torch.allclose(average_attention(map_HNN, "R3"), 1 / (9 * received))


def test_a_key_that_nobody_looks_at_is_no_division_by_zero() -> None:
    map_HNN = torch.zeros(1, 4, 4, dtype=torch.float64)
    map_HNN[:, :, 2] = 1.0
    assert average_attention(map_HNN, "R1").tolist() == [[1 / 16] * 4]
    assert torch.isinf(average_attention(map_HNN, "R3")[0, 0])


def test_an_unknown_reading_is_refused() -> None:
    with pytest.raises(UserError, match="no reading 'R7'"):
        find_reading("R7")
    assert find_reading("r0").name == "R0"
