"""The gates study: exact counts of its nine networks and their arms, every gate alone against its formula."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from reproduce.errors import UserError
from reproduce.models.gates import (
    PUBLISHED_LAST,
    BlockAttention,
    ChannelGate,
    ConvolutionalAutoencoder,
    EfficientChannelAttention,
    LinearAutoencoder,
    SpatialGate,
    adaptive_kernel,
    fit_last,
)
from reproduce.models.networks import build, count_macs, count_parameters
from reproduce.recipes.registry import resolve
from reproduce.training.optimiser import initialise_kaiming

# from the authors' code: parameters and multiply-accumulates (millions)
PUBLISHED = {
    "cnn": (2_625_866, 78.82),
    "cnn-eca": (2_625_878, 78.82),
    "cnn-cbam": (2_628_830, 78.95),
    "cnn-deep": (3_512_138, 78.82),
    "cnn-convae": (2_918_570, 92.00),
    "cnn-convae-eca": (2_918_582, 92.00),
    "cnn-linae": (2_722_260, 258.59),
    "cnn-linae-eca": (2_722_272, 258.59),
    "cnn-spatial-eca": (2_626_072, 78.94),
}
ARMS = {
    ("cnn-cbam", "model.sites", "all"): 2_631_794,
    ("cnn-spatial-eca", "model.sites", "all"): 2_626_278,
    ("cnn-eca", "model.eca_kernel", "adaptive"): 2_625_882,
    ("cnn-deep", "model.third_block", "used"): 1_677_130,
}


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("row", PUBLISHED)
def test_counts_are_exact(row: str) -> None:
    for variant in ("described", "as-run"):
        model = build(resolve(row, variant=variant).model)
        assert count_parameters(model) == PUBLISHED[row][0]
        assert round(count_macs(model, 32) / 1e6, 2) == pytest.approx(PUBLISHED[row][1], abs=0.011)


@pytest.mark.parametrize(("row", "key", "value"), ARMS)
def test_counts_of_the_arms(row: str, key: str, value: str) -> None:
    with torch.device("meta"):
        assert count_parameters(build(resolve(row, changes={key: value}).model)) == ARMS[row, key, value]


def test_eca_is_a_convolution_over_the_channels() -> None:
    gate, x = EfficientChannelAttention(6).double(), image(2, 6, 4, 5)
    weights = gate.mix.weight[0, 0]
    mean = F.pad(x.mean((2, 3)), (1, 1))
    for channel in range(6):
        scale = (mean[:, channel : channel + 3] * weights).sum(1).sigmoid()
        assert torch.allclose(gate(x)[:, channel], x[:, channel] * scale[:, None, None])
    assert count_parameters(EfficientChannelAttention(128, kernel=None)) == 5


def test_the_adaptive_kernel_of_eca() -> None:
    wanted = {16: 3, 32: 3, 64: 3, 128: 5, 256: 5, 512: 5, 1024: 5, 2048: 7}
    assert {channels: adaptive_kernel(channels) for channels in wanted} == wanted
    with pytest.raises(UserError, match="centre"):
        EfficientChannelAttention(64, kernel=4)


def test_cbam_is_channels_then_space() -> None:
    gate, x = BlockAttention(32).double().eval(), image(2, 32, 9, 7)
    channel, spatial = gate
    assert isinstance(channel, ChannelGate)
    assert isinstance(spatial, SpatialGate)
    assert torch.equal(gate(x), spatial(channel(x)))
    first, _, last = channel.mix

    def mlp(pooled: torch.Tensor) -> torch.Tensor:
        return (pooled @ first.weight.T + first.bias).relu() @ last.weight.T + last.bias

    scale = (mlp(x.flatten(2).mean(2)) + mlp(x.flatten(2).max(2).values)).sigmoid()
    assert torch.allclose(channel(x), x * scale[:, :, None, None])
    pooled = torch.stack([x.max(1).values, x.mean(1)], 1)
    seen = F.conv2d(pooled, spatial.mix.weight, padding=3) / math.sqrt(1 + spatial.norm.eps)
    assert torch.allclose(spatial(x), x * seen.sigmoid())
    assert [count_parameters(BlockAttention(c)) for c in (64, 128)] == [680, 2284]
    assert spatial.norm.momentum == 0.01


@pytest.mark.parametrize("size", [8, 9, 13, 15, 17, 30, 31, 32, 64])
@pytest.mark.parametrize("covering", [False, True])
def test_the_autoencoder_gate_keeps_the_shape(size: int, covering: bool) -> None:
    gate, x = ConvolutionalAutoencoder(6, size, covering=covering).double(), image(2, 6, size, size)
    gated = gate(x)
    assert gated.shape == x.shape
    assert ((gated / x > 0) & (gated / x < 1)).all()


@pytest.mark.parametrize(("size", "reached"), [(32, 32), (30, 30), (15, 11), (13, 7)])
def test_the_published_gate_has_holes_and_the_covering_one_has_none(size: int, reached: int) -> None:
    for covering, rows in ((False, reached), (True, size)):
        gate = ConvolutionalAutoencoder(1, size, covering=covering).double()
        last = gate.hourglass[-1]
        nn.init.ones_(last.weight)
        nn.init.zeros_(last.bias)
        before = 4 * (size // 8)
        map_ = last(torch.ones(1, 12, before, before, dtype=torch.float64))
        assert int((map_[0, 0].abs().sum(1) > 0).sum()) == rows
    assert set(PUBLISHED_LAST) == {32, 30, 15, 13}
    assert fit_last(13)[0] >= fit_last(13)[1]


def test_the_linear_gate_treats_each_row_of_each_channel_alone() -> None:
    gate, x = LinearAutoencoder(13).double(), image(2, 3, 5, 13)
    whole = gate(x)
    assert torch.allclose(whole[1, 2, 4], gate(x[1:2, 2:3, 4:5])[0, 0, 0])
    widths = [layer.out_features for layer in gate.hourglass if isinstance(layer, nn.Linear)]
    assert widths == [128, 64, 12, 64, 128, 13]
    kinds = [type(layer).__name__ for layer in gate.hourglass]
    assert kinds == ["Linear", "ReLU", "Linear", "ReLU", "Linear", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [count_parameters(LinearAutoencoder(w)) for w in (32, 30, 15, 13)] == [26_540, 26_026, 22_171, 21_657]


def test_an_idle_block_changes_nothing() -> None:  # G13
    torch.manual_seed(0)
    idle = build(resolve("cnn-deep", budget="smoke").model).eval()
    plain = build(resolve("cnn", budget="smoke").model).eval()
    plain.load_state_dict({name: value for name, value in idle.state_dict().items() if not name.startswith("idle")})
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(idle(x), plain(x))


def test_the_head_is_a_softmax_of_what_is_positive() -> None:  # G12
    torch.manual_seed(0)
    model = build(resolve("cnn", budget="smoke").model).eval()
    logits = build(resolve("cnn", budget="smoke", changes={"model.head": "logits"}).model).eval()
    logits.load_state_dict(model.state_dict())
    x = torch.randn(4, 3, 32, 32)
    assert torch.allclose(model(x), logits(x).relu().softmax(1))
    assert torch.allclose(model(x).sum(1), torch.ones(4))


def test_gates_sit_between_convolution_and_relu() -> None:
    def names(row: str, **changes: str) -> list[str]:
        block = build(resolve(row, changes={f"model.{key}": value for key, value in changes.items()}).model).blocks[0]
        return [type(layer).__name__ for layer in block][:-2]

    plain = ["ReLU", "BatchNorm2d"]
    first, second = ["Conv2d", "BlockAttention", *plain], ["Conv2d", *plain]
    assert names("cnn-cbam") == first + second
    assert names("cnn-cbam", sites="all") == first * 2
    both = ["Conv2d", "EfficientChannelAttention", "ConvolutionalAutoencoder", *plain]
    assert names("cnn-convae-eca") == both * 2


def test_kaiming_draws_every_weight_and_clears_every_bias() -> None:
    torch.manual_seed(0)
    model = build(resolve("cnn-convae-eca").model)
    initialise_kaiming(model)
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            assert not weight.any(), name
        elif weight.dim() > 1 and weight.numel() > 2000:
            fan = weight[0].numel()
            assert weight.std().item() == pytest.approx(math.sqrt(2 / fan), rel=0.08), name


def test_a_map_too_small_is_said() -> None:
    with pytest.raises(UserError, match="vanish"):
        build(resolve("cnn", changes={"model.image_size": 16}).model)
    with pytest.raises(UserError, match="halved three times"):
        ConvolutionalAutoencoder(8, 7)
