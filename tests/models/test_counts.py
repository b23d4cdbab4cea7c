"""Trainable parameters to the last digit, and every recipe of the registry built at every budget."""

import pytest
import torch

from reproduce.models.networks import build, count_macs, count_parameters, use_path
from reproduce.recipes.architectures import San
from reproduce.recipes.recipe import BUDGETS
from reproduce.recipes.registry import ENTRIES, resolve

# the report's code (as-run), the original architecture, and what both share (described).
PARAMETERS = {
    ("resnet18", "described"): 11_173_962,
    ("quadratic", "original"): 12_086_844,
    ("quadratic-aniso", "original"): 12_087_006,
    ("learned", "original"): 12_278_682,
    ("learned-content", "original"): 29_484_282,
    ("quadratic", "as-run"): 11_124_444,
    ("quadratic-aniso", "as-run"): 11_124_606,
    ("learned", "as-run"): 11_316_390,
    ("learned-content", "as-run"): 28_478_682,
    ("learned-content-ha", "described"): 4_754_122,
    ("learned-content-ha", "as-run"): 4_754_122,
    ("learned-content-ha", "original"): 4_921_722,
    ("san-pair", "described"): 3_737_056,
    ("san-patch", "described"): 3_851_142,
    ("san-pair-ha", "described"): 352_750,
    ("san-pair-ha", "as-run"): 352_750,
    ("san-patch-ha", "described"): 356_282,
    ("san-patch-ha", "as-run"): 356_282,
    ("vit", "described"): 37_394_506,
    ("vit", "as-run"): 37_394_506,
    ("vit-ha", "described"): 6_531_946,
    ("vit-ha", "as-run"): 6_531_946,
    ("quadratic-16h", "as-run"): 7_538_058,
    ("quadratic-aniso-16h", "as-run"): 7_538_346,
    ("learned-16h", "as-run"): 13_973_802,
    ("learned-content-16h", "as-run"): 26_459_754,
    ("learned-content-16h-ha", "as-run"): 4_414_874,
    ("quadratic-16h", "original"): 7_932_810,
    ("learned-16h", "original"): 8_076_906,
    ("learned-content-16h", "original"): 20_612_202,
}

# SAN at ImageNet size (Zhao et al. 2020).
IMAGENET_SAN = {
    ("pairwise", (2, 1, 2, 4, 1)): 10_531_848,
    ("patchwise", (2, 1, 2, 4, 1)): 11_841_124,
    ("pairwise", (3, 2, 3, 5, 2)): 14_065_436,
    ("patchwise", (3, 2, 3, 5, 2)): 16_181_310,
    ("pairwise", (3, 3, 4, 6, 3)): 17_596_156,
    ("patchwise", (3, 3, 4, 6, 3)): 20_518_470,
}


@pytest.mark.parametrize(("row", "variant"), PARAMETERS)
def test_parameters_are_exact(row: str, variant: str) -> None:
    with torch.device("meta"):
        model = build(resolve(row, variant=variant).model)
    assert count_parameters(model) == PARAMETERS[row, variant]


@pytest.mark.parametrize(("attention", "layers"), IMAGENET_SAN)
def test_imagenet_san_parameters_are_exact(attention: str, layers: tuple[int, ...]) -> None:
    spec = San(
        attention=attention,
        relation="subtraction" if attention == "pairwise" else "concatenation",
        image_size=224,
        classes=1000,
        widths=(64, 256, 512, 1024, 2048),
        layers=layers,
        kernels=(3, 7, 7, 7, 7),
    )
    with torch.device("meta"):
        assert count_parameters(build(spec)) == IMAGENET_SAN[attention, layers]


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("row", ENTRIES)
def test_every_recipe_builds(row: str, budget: str) -> None:
    for variant in ENTRIES[row].variant_names():
        with torch.device("meta"):
            assert count_parameters(build(resolve(row, variant=variant, budget=budget).model)) > 0


# Dossier section 7: multiply-accumulates (G) of the naive form and of the exact shortcuts, one 32x32 image.
MACS = {
    "quadratic": (4.2578, 3.0192),
    "quadratic-aniso": (4.2578, 4.2578),
    "learned": (4.2591, 3.0205),
    "learned-content": (10.1855, 8.2280),
    "vit": (12.5459, 8.1050),
    "vit-ha": (10.6955, 8.1050),
}


@pytest.mark.slow
@pytest.mark.parametrize("row", MACS)
def test_shortcuts_save_the_multiplications_they_should(row: str) -> None:
    model = build(resolve(row).model)
    fast = count_macs(model, 32) / 1e9
    naive = count_macs(use_path(model, "naive"), 32) / 1e9
    assert naive == pytest.approx(MACS[row][0], rel=0.005)
    assert fast == pytest.approx(MACS[row][1], rel=0.015)


@pytest.mark.parametrize("row", ["learned-content-ha", "vit-ha"])
def test_hierarchical_parameters_do_not_grow_with_depth(row: str) -> None:  # claim C16
    counts = set()
    for depth in (2, 6, 12):
        with torch.device("meta"):
            counts.add(count_parameters(build(resolve(row, changes={"model.depth": depth}).model)))
    assert len(counts) == 1


def test_hierarchical_san_grows_by_its_transition_and_norm() -> None:  # claim C16, the exception
    def count(passes: int) -> int:
        with torch.device("meta"):
            return count_parameters(build(resolve("san-pair-ha", changes={"model.widths": (256,) * passes}).model))

    assert count(5) - count(4) == 66_048


def test_hierarchical_models_are_a_fifth_or_less() -> None:  # claim C15
    for row in ("learned-content", "san-pair", "san-patch", "vit"):
        stacked = PARAMETERS[row, "as-run" if row == "learned-content" else "described"]
        assert 4.5 <= stacked / PARAMETERS[f"{row}-ha", "described"] <= 11
