"""Suite `train`: the trainer's own steps, counted FLOPs, hours from rates; and what a GPU's trainer is made of."""

import pytest
import torch

from reproduce.bench import train as suite
from reproduce.errors import UserError
from reproduce.models.algebra import sum_products_at_once, sum_products_in_turn
from reproduce.models.networks import build, count_macs
from reproduce.recipes.registry import resolve
from reproduce.recipes.settings import override
from reproduce.training.precision import set_products


def test_a_case_is_consistent() -> None:
    (case, *_), notes = suite.measure("cpu", ["san-pair"], 1)
    assert (case["case"], case["batch"], case["n"]) == ("san-pair/fp32/eager", 8, 1)
    assert case["images_per_s"] == pytest.approx(1e3 * case["batch"] / case["ms"], rel=1e-3)
    assert case["tflop_per_s"] == pytest.approx(case["images_per_s"] * case["gflop_per_image"] / 1e3, rel=1e-3)
    assert case["hours"] == pytest.approx(0.95 * 50_000 * 300 / case["images_per_s"] / 3600, rel=1e-3)
    assert 0 < case["peak_share"] < 1.5
    assert any("TFLOP/s" in note for note in notes)
    with pytest.raises(UserError, match="no row"):
        suite.measure("cpu", ["san-pear"], 1)


def test_cases_are_chosen_by_any_of_their_words() -> None:
    names = ("fp32", "tf32", "bf16")

    def choose(*asked: str) -> list[str]:
        found = suite.choose_cases("cuda", names, asked or None)
        return [f"{recipe.row}/{precision}/{execution}" for recipe, precision, execution in found]

    assert len(choose()) == len(suite.list_rows()) * 9
    assert choose("vit/bf16") == ["vit/bf16/eager", "vit/bf16/compiled", "vit/bf16/graphed"]
    assert choose("vit/bf16/graphed", "san-pair/eager/fp32", "vit/graphed/bf16") == [
        "vit/bf16/graphed",
        "san-pair/fp32/eager",
    ]
    assert choose("bf16/graphed") == [f"{row}/bf16/graphed" for row in suite.list_rows()]
    with pytest.raises(UserError, match="no row"):
        suite.choose_cases("cpu", names, ["vit/graphed"])  # a CPU has no graphs


def test_flops_are_about_three_forward_passes() -> None:
    recipe = resolve("resnet18", budget="smoke")
    trainer = suite.make_trainer(recipe, "fp32", torch.device("cpu"), 1)
    with suite.FlopCounterMode(display=False) as counter:
        trainer.step_through(1)
    each = counter.get_total_flops() / recipe.batch_size
    assert each == pytest.approx(6 * count_macs(trainer.model, 32), rel=0.05)


def test_whole_tables_are_summed() -> None:
    cases = [
        {"row": row, "precision": precision, "execution": "eager", "hours": 0.5}
        for row in suite.list_rows()
        for precision in ("fp32", "bf16")
    ]
    sentences = suite._total_tables(cases)
    assert "table accuracy, one seed: fp32 eager 2.5 h, bf16 eager 2.5 h" in sentences
    assert len(sentences) == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_gpus_product_is_the_cpus(dtype: torch.dtype) -> None:
    dy, z = torch.randn(5, 16, 12).to(dtype), torch.randn(5, 48, 12).to(dtype)
    wanted = torch.einsum("bnd,bmd->nm", dy.double(), z.double()).to(dtype)
    tolerance = {"rtol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-5}
    assert torch.allclose(sum_products_in_turn(dy, z), wanted, **tolerance)
    assert torch.allclose(sum_products_at_once(dy, z), wanted, **tolerance)


def test_tf32_is_refused_where_there_is_none() -> None:
    with pytest.raises(UserError, match="no TF32"):
        set_products("tf32", torch.device("cpu"))
    set_products("fp32", torch.device("cpu"))
    assert not torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize("row", ["san-pair", "san-patch", "san-pair-ha", "ece176-proposed-patch", "resnet18"])
def test_flops_of_a_step_are_thrice_those_of_a_forward_pass(row: str) -> None:
    """Kernels of our own are counted by formulas: without them SAN's steps would seem to do less than they do."""
    recipe = override(resolve(row, budget="paper"), {"batch_size": 4})
    wanted = 6 * count_macs(build(recipe.model), recipe.model.image_size)
    full, half = (suite.count_flops(recipe, precision, torch.device("cpu"), 1) / 4 for precision in ("fp32", "bf16"))
    assert full == half == pytest.approx(wanted, rel=0.02)
