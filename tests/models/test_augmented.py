"""The augmented-convolution study: exact counts, attention against its sums, position codes, slips as switches."""

import math

import pytest
import torch
from torch import nn

from reproduce.errors import UserError
from reproduce.models.augmented import SampleDropout
from reproduce.models.augmented_convolution import (
    AugmentedConvolution,
    RelativePositions,
    attention_map,
    encode_sine,
    full_attention,
    linear_attention,
    normalise_linear,
)
from reproduce.models.networks import attentive, build, count_macs, count_parameters
from reproduce.recipes.registry import resolve

# from the authors' code: parameters, multiply-accumulates (millions)
COUNTS = {
    ("wrn-c100", "described"): (11_274_692, 387.7),
    ("wrn-aa-c100", "described"): (11_454_788, 441.8),
    ("wrn-laa-c100", "described"): (11_454_788, 423.3),
    ("wrn-tiny", "described"): (11_325_992, 1549.8),
    ("wrn-aa-tiny", "described"): (11_506_088, 2340.5),
    ("wrn-laa-tiny", "as-run"): (11_653_672, 1843.4),
    ("wrn-laa-tiny", "described"): (11_506_088, 1692.5),
    ("cnn2", "described"): (419_300, 30.0),
    ("cnn2-aa", "described"): (332_740, 28.6),
    ("cnn2-laa", "described"): (332_740, 24.2),
}


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(("row", "variant"), COUNTS)
def test_parameters_are_exact(row: str, variant: str) -> None:
    with torch.device("meta"):
        assert count_parameters(build(resolve(row, variant=variant).model)) == COUNTS[row, variant][0]


@pytest.mark.parametrize("row", ["wrn-aa-c100", "wrn-laa-c100", "cnn2", "cnn2-aa", "cnn2-laa"])
def test_multiply_accumulates(row: str) -> None:
    model = build(resolve(row).model)
    assert count_macs(model, 32) / 1e6 == pytest.approx(COUNTS[row, "described"][1], abs=0.06)


@pytest.mark.parametrize(("inputs", "outputs", "key", "value"), [(32, 64, 32, 32), (128, 128, 256, 64)])
def test_parameters_of_a_layer(inputs: int, outputs: int, key: int, value: int) -> None:
    local, joint = outputs - value, 2 * key + value
    wanted = 9 * inputs * local + local + inputs * joint + joint + value**2 + value
    for form in ("full", "linear"):
        layer = AugmentedConvolution(inputs, outputs, key=key, value=value, heads=2, size=8, form=form)
        assert count_parameters(layer) == wanted


def test_full_attention_is_its_sum() -> None:
    query, key, value = draw(2, 3, 5, 4), draw(2, 3, 5, 4), draw(2, 3, 5, 6)
    found = full_attention(query, key, value)
    for image in range(2):
        for head in range(3):
            for i in range(5):
                weights = [math.exp(float(query[image, head, i] @ key[image, head, j]) / 2.0) for j in range(5)]
                wanted = sum(w * value[image, head, j] for j, w in enumerate(weights)) / sum(weights)
                assert torch.allclose(found[image, head, i], wanted)


@pytest.mark.parametrize("axes", ["swapped", "shen"])
def test_linear_attention_is_its_matrix(axes: str) -> None:
    query, key, value = draw(2, 3, 7, 4), 3 * draw(2, 3, 7, 4) + 1, draw(2, 3, 7, 6)
    one, two = normalise_linear(query, key, axes)
    weights = one @ two.transpose(-1, -2)
    assert torch.allclose(linear_attention(query, key, value, axes), weights @ value)
    rows, columns = weights.sum(-1), weights.sum(-2)
    # A1: with the axes right every query's weights sum to one; swapped, every key's do
    assert torch.allclose(rows, torch.ones_like(rows)) == (axes == "shen")
    assert torch.allclose(columns, torch.ones_like(columns)) == (axes == "swapped")


def test_linear_attention_never_makes_the_matrix() -> None:
    n = 200_000  # its square would be 320 GB
    query, key, value = (torch.randn(1, 1, n, 2) for _ in range(3))
    assert linear_attention(query, key, value).shape == (1, 1, n, 2)


def test_sine_codes() -> None:
    code = encode_sine(16, 3, 5)
    assert code.shape == (16, 3, 5)
    for k in range(4):
        rate = 10_000 ** (-4 * k / 16)
        for i in range(3):
            for j in range(5):
                wanted = [math.sin(i * rate), math.cos(i * rate), math.sin(j * rate), math.cos(j * rate)]
                found = [code[2 * k, i, j], code[2 * k + 1, i, j], code[8 + 2 * k, i, j], code[9 + 2 * k, i, j]]
                assert [float(value) for value in found] == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(UserError, match="divide by 4"):
        encode_sine(6, 3, 3)


def test_relative_logits_are_of_the_offset() -> None:
    positions, query = RelativePositions(4, 3, 2).double(), draw(1, 2, 6, 4)
    bias = positions(query)
    for i in range(6):
        for j in range(6):
            rows, columns = j // 2 - i // 2 + 2, j % 2 - i % 2 + 1
            wanted = query[0, :, i] @ (positions.rows[rows] + positions.columns[columns]) / 2.0
            assert torch.allclose(bias[0, :, i, j], wanted)


@pytest.mark.parametrize("positions", ["none", "sincos", "learned", "relative"])
def test_only_a_position_code_tells_places_apart(positions: str) -> None:
    torch.manual_seed(0)
    layer = AugmentedConvolution(8, 8, key=8, value=4, heads=2, size=4, positions=positions).double()
    x = draw(1, 8, 4, 4)
    order = torch.randperm(16, generator=torch.Generator().manual_seed(1))
    shuffled = x.flatten(2)[:, :, order].unflatten(2, (4, 4))
    attended = layer(x)[:, 4:].flatten(2)[:, :, order]
    assert torch.allclose(layer(shuffled)[:, 4:].flatten(2), attended) == (positions == "none")


def test_the_convolution_does_not_see_the_code() -> None:
    layer = AugmentedConvolution(8, 12, key=8, value=4, heads=1, size=4).double()
    x = draw(2, 8, 4, 4)
    assert torch.allclose(layer(x)[:, :8], nn.functional.conv2d(x, layer.local.weight, layer.local.bias, padding=1))


@pytest.mark.parametrize(("row", "maps"), [("wrn-aa-c100", 6), ("wrn-laa-c100", 6), ("cnn2-aa", 2), ("cnn2-laa", 2)])
def test_shown_attention_is_what_is_applied(row: str, maps: int) -> None:
    torch.manual_seed(0)
    model = build(resolve(row, budget="smoke").model).double().eval()
    image = draw(2, 3, 32, 32)
    logits, layers = attentive(model, row).forward_with_attention(image)
    assert torch.allclose(logits, model(image))
    assert len(layers) == maps
    if "-laa" not in row:
        assert all(torch.allclose(layer.sum(-1), torch.ones_like(layer.sum(-1))) for layer in layers)


def test_a_row_without_attention_says_so() -> None:
    model = build(resolve("cnn2", budget="smoke").model)
    with pytest.raises(UserError, match="not augmented"):
        attentive(model, "cnn2").forward_with_attention(torch.randn(1, 3, 32, 32))


def test_a5_drops_whole_images() -> None:
    torch.manual_seed(0)
    x = torch.ones(4000, 6)
    dropped = SampleDropout(0.25).train()(x)
    assert set(dropped.sum(1).tolist()) == {0.0, 8.0}
    assert float((dropped.sum(1) == 0).float().mean()) == pytest.approx(0.25, abs=0.03)
    assert torch.equal(SampleDropout(0.25).eval()(x), x)
    heads = [resolve("wrn-c100", variant=v).model.head_dropout_of for v in ("described", "as-run")]
    assert heads == ["features", "samples"]


def test_receptive_fields() -> None:
    """Receptive fields: 21 pixels of the plain network's last convolution, 101 of the wide one's."""
    for row, wanted in (("cnn2", 21), ("wrn-c100", 101)):
        model = build(resolve(row).model)
        field, jump = 1, 1
        main = [
            layer
            for name, layer in model.named_modules()
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3) and "shortcut" not in name
        ]
        for layer in main:
            field += 2 * jump
            jump *= layer.stride[0]
        assert field == wanted


def test_what_does_not_fit_is_said() -> None:
    for changes, words in (
        ({"model.image_size": 30}, "halved"),
        ({"model.heads": (3, 4, 4)}, "divide among"),
        ({"model.heads": (1, 2)}, "three groups"),
    ):
        with pytest.raises(UserError, match=words):
            build(resolve("wrn-aa-c100", changes=changes).model)
    with pytest.raises(UserError, match="no scores"):
        build(resolve("cnn2-laa", changes={"model.positions": "relative"}).model)


def test_the_weights_of_full_attention_are_a_distribution() -> None:
    weights = attention_map(draw(1, 2, 6, 4), draw(1, 2, 6, 4))
    assert torch.allclose(weights.sum(-1), torch.ones(1, 2, 6, dtype=torch.float64))
