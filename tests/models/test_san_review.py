"""SAN on ImageNet and on the Intel scenes: sizes and FLOPs, resized crops, rates, equalised and streamed images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as V
from PIL import ImageOps
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision import transforms
from typer.testing import CliRunner

from cli import app
from paper_tables import build as tables
from paper_tables.published import read_table
from reproduce.data import augment, pixels
from reproduce.data.dataset import load
from reproduce.data.equalise import equalise, luminance
from reproduce.data.rng import generator
from reproduce.data.source import identify
from reproduce.errors import UserError
from reproduce.models.networks import build, count_parameters
from reproduce.models.san_cost import count_flops, count_macs
from reproduce.recipes.architectures import San
from reproduce.recipes.recipe import Augmentation, DataChoice
from reproduce.recipes.registry import TABLES, plan_table, resolve
from reproduce.recipes.settings import read_settings
from reproduce.record import ledger
from reproduce.training.evaluate import open_weights
from reproduce.training.schedule import learning_rate

# Zhao et al. 2020: parameters, the paper's FLOPs and multiply-accumulates (G) at 224 pixels
PUBLISHED = {
    "san10-pair": (10_531_848, 2.155, 2.044),
    "san10-patch": (11_841_124, 1.865, 1.791),
    "san15-pair": (14_065_436, 3.023, 2.859),
    "san15-patch": (16_181_310, 2.583, 2.478),
    "san19-pair": (17_596_156, 3.844, 3.636),
    "san19-patch": (20_518_470, 3.259, 3.130),
}
# the scenes' networks: row, pixels, parameters, FLOPs (G)
SCENES = [
    ("san15-patch-scenes", 150, 14_144_604, 1.046),
    ("san15-patch-scenes", 224, 14_144_604, 2.581),
    ("san15-pair-scenes", 150, 12_028_730, 1.225),
]


@pytest.mark.parametrize("row", PUBLISHED)
def test_sizes_and_flops_to_every_digit(row: str) -> None:
    spec = resolve(row).model
    assert isinstance(spec, San)
    with torch.device("meta"):
        assert count_parameters(build(spec)) == PUBLISHED[row][0]
    assert round(count_flops(spec, 224) / 1e9, 3) == PUBLISHED[row][1]
    assert round(count_macs(spec, 224) / 1e9, 3) == PUBLISHED[row][2]
    printed = read_table("imagenet")
    assert f"{PUBLISHED[row][0] / 1e6:.1f}M" == printed[row, "params"].printed()
    assert f"{count_flops(spec, 224) / 1e9:.1f}G" == printed[row, "flops"].printed()


@pytest.mark.parametrize(("row", "size", "params", "flops"), SCENES)
def test_sizes_of_the_scenes_networks(row: str, size: int, params: int, flops: float) -> None:
    spec = resolve(row).model
    assert isinstance(spec, San)
    with torch.device("meta"):
        assert count_parameters(build(spec)) == params
    assert round(count_flops(spec, size) / 1e9, 3) == flops
    assert spec.sides() == [75, 37, 18, 9, 4]


def test_the_other_reading_of_subtraction() -> None:  # V2
    changes = {"model.relation": "subtraction"}
    with torch.device("meta"):
        model = build(resolve("san15-patch-scenes", changes=changes).model)
    gamma = model.stages[4][0].attention.gamma
    assert gamma[1].weight.shape[1] == 128 * 49  # r k^2: no phi of its own
    with pytest.raises(UserError, match="too small for a 7x7 footprint"):
        build(resolve("san15-patch-scenes", changes={"model.image_size": 120}).model)


def test_the_table_shows_flops_and_the_papers_baselines() -> None:
    plan = plan_table(TABLES["imagenet"], variant="described", budget="paper")
    empty = ledger.read(Path("no such ledger.csv"))
    built = tables.build("imagenet", plan, empty, empty)
    assert [row.row for row in built.rows] == list(PUBLISHED)
    assert [row.flops for row in built.rows] == [count_flops(plan[row].model, 224) for row in PUBLISHED]
    assert any("resnet50 top1 0.769, top5 0.935, params 25.6M, flops 4.1G" in note for note in built.notes)


def test_the_rate_is_torchs_cosine_by_epoch() -> None:
    recipe = resolve("san10-pair")
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=100)
    for epoch in range(1, 101):
        ours = learning_rate(recipe.schedule, lr=0.1, epochs=100, epoch=epoch)
        assert ours == pytest.approx(optimiser.param_groups[0]["lr"], abs=1e-12)
        optimiser.step()
        theirs.step()


# --- resized crops ---


def test_a_resized_crop_is_torchvisions_on_the_same_rectangle() -> None:
    size, count = 32, 40
    draws_of = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=draws_of)
    chosen = Augmentation(resized_crop=(0.08, 1.0))
    draws = augment.draw(chosen, count, size, lambda name: generator(0, name, 1))
    found = augment.apply(images, draws)
    assert found.dtype == torch.uint8
    for place in range(count):
        rectangle = [int(value[place]) for value in draws["resized"]]
        wanted = V.resized_crop(images[place].float(), *rectangle, [size, size])
        assert (found[place].float() - wanted).abs().max() <= 0.51
        pillow = V.resized_crop(V.to_pil_image(images[place]), *rectangle, [size, size])
        assert (found[place].int() - V.pil_to_tensor(pillow).int()).abs().max() <= 1


def test_resized_crops_are_distributed_as_torchvisions() -> None:
    from scipy import stats

    size, count = 224, 3000
    chosen = Augmentation(resized_crop=(0.08, 1.0))
    draws = augment.draw(chosen, count, size, lambda name: generator(0, name, 1))
    torch.manual_seed(0)
    blank = torch.zeros(3, size, size)
    theirs = np.array(
        [transforms.RandomResizedCrop.get_params(blank, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(count)]
    )
    for ours, other in zip(draws["resized"], theirs.T, strict=True):
        assert stats.ks_2samp(ours.numpy(), other).pvalue > 1e-3
        assert (ours >= 0).all()
    top, left, height, width = draws["resized"]
    assert bool((top + height <= size).all() and (left + width <= size).all())


@pytest.mark.parametrize("value", [(0.5,), (0.0, 1.0), (0.8, 0.2), (0.5, 1.5)])
def test_a_resized_crop_out_of_range_is_named(value: tuple[float, ...]) -> None:
    with pytest.raises(UserError, match=r"augmentation\.resized_crop cannot be"):
        augment.check(Augmentation(resized_crop=value))


# --- histogram equalisation ---


def pictures(count: int = 5, size: int = 24) -> torch.Tensor:
    shape = (count, 3, size, size)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    return (90 + 25 * noise).clamp(0, 255).to(torch.uint8)


def test_luminance_and_its_equalisation_are_pillows() -> None:
    images = pictures()
    images[3] = 77  # one level: nothing to spread
    images[4, :, :12], images[4, :, 12:] = 10, 200
    for image, after in zip(images, equalise(images), strict=True):
        grey = V.to_pil_image(image).convert("L")
        assert np.array_equal(luminance(image.numpy()), np.asarray(grey))
        wanted = np.asarray(ImageOps.equalize(grey)).astype(int)
        change = torch.from_numpy(wanted - np.asarray(grey))
        assert torch.equal(after.int(), (image.int() + change).clamp(0, 255).int())
    grey_only = pictures()[:, :1].expand(-1, 3, -1, -1).contiguous()
    for image, after in zip(grey_only, equalise(grey_only), strict=True):
        assert np.array_equal(after[0].numpy(), np.asarray(ImageOps.equalize(V.to_pil_image(image[0]))))


def test_equalised_data_is_the_same_data_equalised() -> None:
    source, few = identify("shapes"), DataChoice(train_limit=20, test_limit=10)
    plain, even = load(source, few), load(source, DataChoice(train_limit=20, test_limit=10, equalise=True))
    assert torch.equal(even.train.images, equalise(plain.train.images))
    assert torch.equal(even.test.labels, plain.test.labels)
    assert not torch.equal(even.test.images, plain.test.images)


def test_histograms_are_equalised_by_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTNREPRO_RESULTS", str(tmp_path))
    tiny = ["--set", "data.train_limit=40", "--set", "data.test_limit=10", "--set", "epochs=1"]
    done = CliRunner().invoke(app, ["train", "san15-pair-scenes", "--set", "data.equalise=true", "--json", *tiny])
    assert done.exit_code == 0, done.output
    weights = open_weights(next(tmp_path.rglob("best.safetensors")))
    assert weights.recipe.data.equalise
    assert weights.recipe == resolve(
        "san15-pair-scenes", budget="smoke", changes=read_settings([*tiny[1::2], "data.equalise=true"])
    )


def test_the_figure_of_histograms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from figures.histograms import draw_histograms

    monkeypatch.setenv("ATTNREPRO_DATA", str(tmp_path))
    record = draw_histograms("svg", tmp_path / "six.svg")
    assert "shapes" in record["title"]
    lines = np.loadtxt(record["data"][0], delimiter=",", skiprows=1)
    assert lines[lines[:, 0] == 0][:, 2].sum() == lines[lines[:, 0] == 0][:, 3].sum() == 32 * 32


# --- streamed images, and official weights on a folder of them ---


def test_recipes_of_the_scenes() -> None:
    one, two = (resolve("san15-patch-scenes", variant=name) for name in ("described", "as-run"))
    for recipe in (one, two):
        assert (recipe.epochs, recipe.batch_size, recipe.optimiser.lr, recipe.model.image_size) == (45, 64, 1e-4, 150)
    assert (one.optimiser.kind, two.optimiser.kind, two.label_smoothing) == ("adam", "sgd", 0.1)
    values = read_table("scenes")
    patch = "san15-patch-scenes"
    assert (values[patch, "top1"].printed(), values[patch, "top1_train"].printed()) == ("0.87", "0.88")


def test_resized_crops_are_exact_whatever_the_runs_precision() -> None:
    """TF32 would round the weights to 10 bits, and the bytes of some pixels with them."""
    products, seen = torch.backends.cuda.matmul, []
    kept = products.allow_tf32

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if "bmm" in str(operator) or "matmul" in str(operator):
                seen.append(products.allow_tf32)
            return operator(*args, **(kwargs or {}))

    side = torch.tensor([5.0, 7.0])
    try:
        products.allow_tf32 = True
        with Watch():
            pixels.resized_crop(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), side * 0, side * 0, side, side)
        assert seen == [False, False]
        assert products.allow_tf32
    finally:
        products.allow_tf32 = kept
