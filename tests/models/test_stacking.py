"""The ECE 176 study: exact sizes of its networks and arms, the switches of SAN that they are made of, its recipes."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from paper_tables.published import read_losses, read_table
from reproduce.data import augment, pixels
from reproduce.data.batches import Batches
from reproduce.data.dataset import Split
from reproduce.data.rng import generator
from reproduce.errors import UserError
from reproduce.kernels import attention
from reproduce.models.networks import build, count_macs, count_parameters
from reproduce.recipes import stacking
from reproduce.recipes.architectures import San
from reproduce.recipes.registry import ENTRIES, TABLES, resolve
from reproduce.recipes.settings import read_settings
from reproduce.training.schedule import learning_rate

WIDE = "64,256,512,1024,2048"
# from the authors' code: parameters and millions of multiply-accumulates of one 32x32 image, pairwise and patchwise
SIZES = {
    ("ece176-baseline", ()): ((4_100, 3.8), (4_410, 3.6)),
    ("ece176-baseline", ("model.layers=2,1,2,4,1", "model.kernels=3,7,7,7,7")): ((4_100, 6.4), (6_010, 5.5)),
    ("ece176-baseline", ("model.pool=true", "model.pool_above=2", "model.stem=64", f"model.widths={WIDE}")): (
        (9_868_786, 56.5),
        (10_128_382, 54.9),
    ),
    ("san10-cifar", ()): ((8_503_338, 47.9), (8_714_054, 46.6)),
    ("ece176-proposed", ()): ((78_188, 112.6), (95_358, 95.6)),
}


@pytest.mark.parametrize(("row", "settings"), SIZES)
def test_sizes_are_exact(row: str, settings: tuple[str, ...]) -> None:
    for kind, (params, macs) in zip(("pair", "patch"), SIZES[row, settings], strict=True):
        with torch.device("meta"):
            model = build(resolve(f"{row}-{kind}", changes=read_settings(settings)).model)
        assert count_parameters(model) == params
        assert round(count_macs(model, 32) / 1e6, 1) == macs


def test_san10_at_its_own_128_pixels() -> None:
    changes = {"model.image_size": 128, "model.kernels": "3,7,7,7,7", "model.pool_above": 1}
    for kind, params, macs in (("pair", 8_503_338, 666.7), ("patch", 9_812_614, 584.2)):
        with torch.device("meta"):
            model = build(resolve(f"san10-cifar-{kind}", changes=changes).model)
        assert (count_parameters(model), round(count_macs(model, 128) / 1e6, 1)) == (params, macs)


@pytest.mark.parametrize("row", ["san-pair", "san-patch-ha", "ece176-proposed-pair", "san10-cifar-patch"])
def test_macs_are_those_that_torch_counts_and_the_aggregation(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the plain formulas all products but the aggregation's are matrix products, which torch counts."""
    monkeypatch.setattr(attention, "is_small", lambda *_: True)
    spec = resolve(row, budget="smoke").model
    assert isinstance(spec, San)
    model = build(spec).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 32, 32))
    aggregation = sum(
        spec.layers[own] * spec.kernels[own] ** 2 * side**2 * spec.channels(width)[1]
        for stage, (width, side) in enumerate(zip(spec.widths, spec.sides(), strict=True))
        for own in [0 if spec.hierarchical else stage]
    )
    assert count_macs(model, 32) == counter.get_total_flops() // 2 + aggregation


def test_layers_of_the_figures() -> None:
    """Convolutions: 50 and 43 of the proposed networks, 76 and 66 of the baselines (claim E8)."""
    for row, wanted in (("proposed-pair", 50), ("proposed-patch", 43), ("baseline-pair", 76), ("baseline-patch", 66)):
        model = build(resolve(f"ece176-{row}").model)
        assert sum(isinstance(module, nn.Conv2d) for module in model.modules()) == wanted, row


def small(**changes: object) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"stem": 8, "widths": (8, 8), "layers": (1, 1), "kernels": (3, 3), "relation_ratio": 4, "share": 2}
    return build(San(pool=False, **{**sizes, **changes})).double()


def picture(count: int = 3, size: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def test_without_transitions_blocks_follow_each_other() -> None:
    model, x = small(transitions=False).eval(), picture()
    assert [name for name, _ in model.named_children() if name != "classify"][:2] == ["stem", "stem_norm"]
    assert len(model.transitions) == len(model.norms) == 0
    inside = F.relu(model.stem_norm(model.stem(x)))
    for stage in model.stages:
        inside = stage[0](inside, None, False)[0]
    assert torch.allclose(model(x), model.classify(F.relu(inside).mean((2, 3))))
    without = small(transitions=False, final_relu=False).eval()  # E2
    without.load_state_dict(model.state_dict())
    assert torch.allclose(without(x), model.classify(inside.mean((2, 3))))


def test_a_stage_pools_only_maps_above_the_limit() -> None:
    spec = San(widths=(64,) * 5, layers=(1,) * 5, kernels=(3,) * 5, pool_above=2)
    assert spec.sides() == [16, 8, 4, 2, 2]
    assert San().sides() == [16, 8, 4, 2]
    assert San(pool=False).sides() == [32] * 4
    with pytest.raises(UserError, match="stage 4 has a 1x1 map"):
        build(San(widths=(64,) * 5, layers=(1,) * 5, kernels=(3,) * 5))


def test_minima_of_channels() -> None:
    assert San(relation_minimum=8, value_minimum=16).channels(128) == (8, 32, 4)
    assert San(relation_minimum=8, value_minimum=16).channels(32) == (8, 16, 2)
    assert San().channels(16) == (1, 4, 1)  # fewer values than share: one weight for all
    for width in (24, 20):
        with pytest.raises(UserError, match=f"a width of {width} does not divide"):
            build(San(widths=(width,) * 4))
    with pytest.raises(UserError, match="without transitions"):
        build(San(transitions=False, stem=64, widths=(64, 128, 128, 128)))


def test_dropout_is_of_a_blocks_change_alone() -> None:
    model, x = small(dropout=0.5), picture()
    block = model.stages[0][0]
    steady = small().eval()
    steady.load_state_dict(model.state_dict())
    assert torch.equal(model.eval()(x), steady(x))
    inside = torch.randn(4, 8, 16, 16, dtype=torch.float64)
    model.train()
    torch.manual_seed(1)
    for norm in (module for module in model.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.eval()
    change = block(inside, None, False)[0] - inside
    whole = steady.stages[0][0](inside, None, False)[0] - inside
    kept = change != 0
    assert kept.double().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.allclose(change[kept], 2 * whole[kept])


def test_recipes_as_described_and_as_run() -> None:
    for row in TABLES["stacking"].rows:
        one, two = resolve(row), resolve(row, variant="as-run")
        assert (one.epochs, one.batch_size, one.optimiser.lr, one.optimiser.weight_decay) == (250, 512, 0.03, 1e-4)
        assert (one.optimiser.momentum, one.optimiser.nesterov, one.label_smoothing) == (0.9, False, 0.0)
        assert {learning_rate(one.schedule, lr=0.03, epochs=250, epoch=epoch) for epoch in (1, 31, 250)} == {0.03}
        assert (one.data.holdout, two.data.holdout) == (0.1, 0.0)
        assert (two.batch_size, two.reshuffle, two.evaluate_every) == (1024, False, 10)
        assert (one.model.final_relu, two.model.final_relu) == (True, "proposed" not in row)
    assert TABLES["stacking"].headline_of("as-run") == "top1_last"
    assert TABLES["stacking"].headline_of("described") == "top1_val_selected"


def test_every_command_of_the_header_is_one() -> None:
    header = stacking.__doc__ or ""
    (steps,) = re.findall(r"attnrepro train (\S+) (--set .*)", header)
    recipe = resolve(steps[0], changes=read_settings(re.findall(r"--set (\S+)", steps[1])))
    rates = [learning_rate(recipe.schedule, lr=1.0, epochs=250, epoch=epoch) for epoch in (1, 30, 31, 60, 61, 241, 250)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 1e-8, 1e-8])
    arms = [line for line in header.splitlines() if line.strip().startswith("--set")]
    assert len(arms) == 3
    for line in arms:
        changes = read_settings(re.findall(r"--set (\S+)", line))
        row = "ece176-proposed-pair" if "dropout" in line else "ece176-baseline-pair"
        with torch.device("meta"):
            build(resolve(row, changes=changes).model)


def test_the_chain_is_torchvisions_in_order_and_range() -> None:
    """Crop, flip, jitter, affine: torchvision's modules, built from the recipe's numbers, draw from the same ranges."""
    chain, count = resolve("ece176-baseline-pair").augmentation, 2000
    draws = augment.draw(chain, count, 32, lambda name: generator(0, name, 1))
    assert list(draws) == ["crop", "flip", "jitter", "affine"]
    crops = torch.stack(draws["crop"], 1)
    assert (int(crops.min()), int(crops.max())) == (0, 8)  # RandomCrop(32, padding=4)
    jitter = transforms.ColorJitter(0.2, 0.2, 0.2, 0.0)
    _, factors, steps = draws["jitter"]
    for place, (low, high) in enumerate((jitter.brightness, jitter.contrast, jitter.saturation)):
        assert low <= factors[:, place].min() < low + 0.01
        assert high - 0.01 < factors[:, place].max() <= high
    assert jitter.hue is None
    assert steps.shape == (count, 3)
    assert steps.unique().tolist() == [pixels.BRIGHTNESS, pixels.CONTRAST, pixels.SATURATION]
    move = transforms.RandomAffine(degrees=10, translate=(0.1, 0.1), scale=(0.9, 1.1))
    degrees, shift, scale = draws["affine"]
    theirs = [move.get_params(move.degrees, move.translate, move.scale, None, [32, 32]) for _ in range(count)]
    for ours, other in (
        (degrees, [params[0] for params in theirs]),
        (shift.flatten(), [number for params in theirs for number in params[1]]),
        (scale, [params[2] for params in theirs]),
    ):
        reach = float(ours.max() - ours.min())
        assert abs(float(ours.min()) - min(other)) <= 0.01 * reach
        assert abs(float(ours.max()) - max(other)) <= 0.01 * reach


def test_the_chain_as_a_whole_is_torchvisions_functions_on_the_same_draws() -> None:
    import torchvision.transforms.functional as V

    recipe, count = resolve("ece176-baseline-pair"), 12
    pixels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    split = Split(pixels, torch.arange(count))
    batches = Batches(split, count, recipe.data.mean, recipe.data.std, augmentation=recipe.augmentation, seed=3)
    ((x, y),) = batches.epoch(1)
    draws = augment.draw(recipe.augmentation, count, 32, lambda name: generator(3, f"data.{name}", 1))
    changes = (V.adjust_brightness, V.adjust_contrast, V.adjust_saturation)
    for place, label in enumerate(y.tolist()):
        top, left = (int(value[place]) for value in draws["crop"])
        image = V.crop(V.pad(pixels[label], 4), top, left, 32, 32)
        image = V.hflip(image) if draws["flip"][0][place] else image
        image = image.float() / 255
        for step in draws["jitter"][2][place].tolist():
            image = changes[step](image, float(draws["jitter"][1][place, step]))
        degrees, shift, scale = (value[place] for value in draws["affine"])
        image = V.affine(image, float(degrees), [int(s) for s in shift], float(scale), 0.0)
        wanted = V.normalize(image, [0.5] * 3, [0.5] * 3)
        wrong = ((x[place] - wanted).abs() > 1e-4).any(0).double().mean()
        assert wrong < 0.02, place  # a pixel whose source lies on the border of two may go either way


def test_one_order_for_all_epochs_or_one_each() -> None:  # E10
    split = Split(torch.zeros(50, 3, 4, 4, dtype=torch.uint8), torch.arange(50))
    for reshuffle in (True, False):
        batches = Batches(split, 50, (0.5,) * 3, (0.5,) * 3, seed=0, reshuffle=reshuffle)
        first, second = (next(batches.epoch(epoch))[1] for epoch in (1, 2))
        assert not torch.equal(first, torch.arange(50))
        assert torch.equal(first, second) != reshuffle


def test_published_values_and_losses() -> None:
    values = read_table("stacking")
    rows = ("baseline-pair", "proposed-pair", "baseline-patch", "proposed-patch")
    assert [values[f"ece176-{row}", "top1"].printed() for row in rows] == ["0.5358", "0.6422", "0.5973", "0.7524"]
    points = read_losses()
    assert {point.row for point in points} == {f"ece176-{row}" for row in rows} < set(ENTRIES)
    last = {row: next(p for p in reversed(points) if p.row == f"ece176-{row}") for row in rows}
    assert [last[row].epoch for row in rows] == [250, 200, 250, 250]  # E6
    assert last["proposed-patch"].loss > last["baseline-patch"].loss  # E7
    assert {point.error for point in points} == {0.02}
