"""Suite `complexity`: exact counts, slopes that a power law gives back, crossovers, a picture."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from reproduce.bench import complexity
from reproduce.bench.complexity import FORMS, LAYERS, Layer, find_crossover, fit_slope
from reproduce.bench.complexity_plot import draw
from reproduce.errors import UserError


@pytest.mark.parametrize("name", LAYERS)
def test_counts_are_those_of_the_products(name: str) -> None:
    layer = LAYERS[name]
    for form in ("full", "linear"):
        tensors = [torch.randn(1, layer.heads, 48, d // layer.heads) for d in (layer.key, layer.key, layer.value)]
        with FlopCounterMode(display=False) as counter:
            FORMS[form](*tensors)
        assert counter.get_total_flops() // 2 == layer.macs(form, 48)


def test_crossovers_of_the_study() -> None:  # counted by hand from the shapes of the slides' networks
    wanted = {"simple-b1": 16, "simple-b2": 32, "wide-g1": 102.4, "wide-g2": 102.4, "wide-g3": 102.4}
    assert {name: layer.crossover for name, layer in LAYERS.items()} == pytest.approx(wanted)
    layer = Layer(256, 64, 1)
    assert layer.macs("full", 102) < layer.macs("linear", 102)
    assert layer.macs("full", 103) > layer.macs("linear", 103)


def test_a_slope_is_the_exponent() -> None:
    assert fit_slope([(n, 3 * n**1.7) for n in (64, 256, 1024)]) == pytest.approx(1.7)


def test_where_curves_cross() -> None:
    full, linear = {n: n**2 / 100 for n in (64, 256, 1024)}, {n: float(n) for n in (64, 256, 1024)}
    assert find_crossover(full, linear) == pytest.approx(100)
    assert find_crossover(linear, full) is None
    assert find_crossover({64: 2.0}, {64: 1.0}) is None


def test_a_small_measurement_is_whole(tmp_path: Path) -> None:
    cases, notes = complexity.measure("cpu", ["simple-b1"], 1, tokens=(64, 128, 256))
    assert [case["case"] for case in cases] == [f"simple-b1/{form}/{n}" for n in (64, 128, 256) for form in FORMS]
    assert all(case["ms"] > 0 and case["peak_mb"] > 0 for case in cases)
    memory = complexity.list_series(cases, "simple-b1", "peak_mb")
    assert memory["full"][256] > 2 * 256**2 * 4 / 1e6  # at least the weights of two heads
    assert memory["linear"][256] < memory["full"][256]
    assert any("simple-b1, counted: slopes full 2.00, linear 1.00; crossover at 16 tokens" in note for note in notes)
    draw(cases, "a title", tmp_path / "curves.svg")
    text = (tmp_path / "curves.svg").read_text()
    assert "counted n* = 16" in text
    first = (tmp_path / "curves.svg").read_bytes()
    draw(cases, "a title", tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_bytes() == first
    with pytest.raises(UserError, match="no case"):
        complexity.measure("cpu", ["wide-g9"], 1)


def test_what_does_not_fit_is_left_out_and_said() -> None:
    assert complexity._too_large(LAYERS["wide-g3"], 16384)
    assert not complexity._too_large(LAYERS["wide-g1"], 4096)
