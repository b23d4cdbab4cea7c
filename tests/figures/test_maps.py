"""Maps of a network: what is dropped, sliced and averaged, and that one image's weights exist at a time."""

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from figures.maps.layers import last_of_pass, name_layers
from figures.maps.maps import average, drop_class_token, pick_query, run_layers
from reproduce.models.networks import attentive, build
from reproduce.recipes.architectures import AttentionCnn, San, VisionTransformer
from reproduce.recipes.recipe import Recipe
from reproduce.recipes.registry import ENTRIES, TABLES, resolve
from reproduce.recipes.settings import override

KINDS = (AttentionCnn, San, VisionTransformer)
ROWS = [
    row
    for row, entry in ENTRIES.items()
    if isinstance(entry.recipe.model, KINDS) and TABLES[entry.recipe.table].study == "re"
]


def make(row: str, **changes: object) -> tuple[nn.Module, Recipe]:
    torch.manual_seed(0)
    recipe = resolve(row, budget="smoke")
    small = {"model.width": 12, "model.hidden": 10} if hasattr(recipe.model, "heads") else {}
    recipe = override(recipe, {**small, **{k.replace("__", "."): v for k, v in changes.items()}})
    return build(recipe.model).eval(), recipe


def draw_images(count: int) -> list[Tensor]:
    return list(torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("row", ROWS)
def test_every_row_shows_its_layers(row: str) -> None:
    model, recipe = make(row)
    layers = run_layers(model, recipe, draw_images(1)[0])
    assert len(layers) == len(name_layers(recipe))
    for layer in layers:
        if row.startswith("san"):
            assert layer.shape[0] == 9
            assert round(layer.shape[1] ** 0.5) ** 2 == layer.shape[1]
        else:
            assert layer.shape == (recipe.model.heads, 64, 64)
            assert torch.allclose(layer.sum(-1), torch.ones(()), atol=1e-5)


def test_the_class_token_is_dropped_and_rows_sum_to_one_again() -> None:
    map_HMM = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64).softmax(-1)
    kept = drop_class_token(map_HMM)
    for h in range(2):
        for q in range(4):
            rest = [map_HMM[h, q + 1, k + 1].item() for k in range(4)]
            assert kept[h, q].tolist() == pytest.approx([value / sum(rest) for value in rest])


def test_a_vit_loses_its_class_token_and_only_that() -> None:
    model, recipe = make("vit")
    image = draw_images(1)[0]
    with torch.no_grad():
        raw = attentive(model, "vit").forward_with_attention(image[None])[1][0][0]
    assert raw.shape[-1] == 65
    assert torch.equal(run_layers(model, recipe, image)[0], drop_class_token(raw))
    model, recipe = make("vit", model__cls_token="none", model__pool="mean")
    assert run_layers(model, recipe, image)[0].shape[-1] == 64


def test_a_slice_is_a_row_or_a_column() -> None:
    map_HNN = torch.arange(32.0).view(2, 4, 4)
    assert pick_query(map_HNN, 1, "row").tolist() == [[4, 5, 6, 7], [20, 21, 22, 23]]
    assert pick_query(map_HNN, 1, "column").tolist() == [[1, 5, 9, 13], [17, 21, 25, 29]]


@pytest.mark.parametrize("row", ["learned-content-ha", "san-patch", "vit"])
def test_the_streamed_average_is_the_plain_one(row: str) -> None:
    model, recipe = make(row)
    images = draw_images(5)
    streamed = average(model, recipe, iter(images), {"map": lambda layer: layer, "square": lambda layer: layer**2})
    layers = [run_layers(model, recipe, image) for image in images]
    for index in range(len(layers[0])):
        stacked = torch.stack([of_image[index].double() for of_image in layers])
        assert torch.allclose(torch.from_numpy(streamed["map"][index]), stacked.mean(0), rtol=1e-12, atol=1e-15)
        assert torch.allclose(torch.from_numpy(streamed["square"][index]), (stacked**2).mean(0), rtol=1e-12)


def test_one_image_s_weights_exist_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, recipe = make("learned-content")
    alive: list[weakref.ref[Tensor]] = []
    held: list[int] = []
    plain = attentive(model, "learned-content").forward_with_attention

    def watched(image: Tensor) -> tuple[Tensor, list[Tensor]]:
        gc.collect()
        held.append(sum(ref() is not None for ref in alive))
        assert len(image) == 1
        logits, maps = plain(image)
        alive.extend(weakref.ref(layer) for layer in maps)
        return logits, maps

    monkeypatch.setattr(model, "forward_with_attention", watched)

    def stream() -> Iterator[Tensor]:
        yield from draw_images(6)

    average(model, recipe, stream(), {"row": lambda layer: pick_query(layer, 3, "row")})
    assert held == [0] * 6


def test_an_average_of_nothing_is_refused() -> None:
    model, recipe = make("learned")
    with pytest.raises(ValueError, match="at least one image"):
        average(model, recipe, [], {"map": lambda layer: layer})


def test_layers_have_the_names_of_their_family() -> None:
    assert name_layers(resolve("vit")) == [f"Layer {i}" for i in range(1, 7)]
    assert name_layers(resolve("san-pair"))[:3] == ["Stage 1, block 1", "Stage 1, block 2", "Stage 2"]
    assert len(name_layers(resolve("san-pair-ha"))) == 8
    assert last_of_pass(resolve("san-pair-ha")) == [2, 4, 6, 8]
    assert last_of_pass(resolve("san-pair")) == [2, 3, 5, 9]
    assert last_of_pass(resolve("san-pair-ha", budget="smoke")) == [1, 2]
