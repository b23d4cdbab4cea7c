"""Attention out of networks that are not ours: the weights that were used, heads apart, nothing changed after."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from figures.maps.recording import record_attention
from figures.viewer.own_model import write_own_page
from reproduce.errors import UserError


def vit() -> nn.Module:
    torch.manual_seed(0)
    return VisionTransformer(32, 8, num_layers=2, num_heads=3, hidden_dim=24, mlp_dim=48, num_classes=5).eval()


class Kept(nn.Module):
    """Single-head attention over the pixels of a map that keeps its weights."""

    last_attention: Tensor | None = None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BNC = x_BCHW.flatten(2).transpose(1, 2)
        weights = (x_BNC @ x_BNC.transpose(1, 2)).softmax(-1)
        self.last_attention = weights[:, None]
        return weights @ x_BNC


def test_weights_of_each_head_come_out_and_the_output_stays() -> None:
    model, x = vit(), torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = model(x)
        with record_attention(model) as recorded:
            during = model(x)
        torch.testing.assert_close(during, before)
        assert torch.equal(model(x), before)
    assert [tuple(weights.shape) for _, weights in recorded] == [(2, 3, 17, 17)] * 2
    for name, weights in recorded:
        assert name.endswith("self_attention")
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 17))
    assert all("forward" not in vars(module) for module in model.modules())


def test_an_encoder_layer_s_fused_path_is_taken_off() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    with torch.no_grad(), record_attention(model) as recorded:
        model(torch.randn(1, 9, 16))
    assert [tuple(weights.shape) for _, weights in recorded] == [(1, 2, 9, 9)] * 2


def test_the_page_shows_a_torchvision_vit_and_a_module_that_keeps_its_weights(tmp_path: Path) -> None:
    x = torch.rand(2, 3, 32, 32)
    images = (x.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
    page = write_own_page(vit(), x, images, tmp_path / "vit.html", title="my ViT").read_text()
    assert "my ViT" in page
    assert page.count('<script type="text/plain"') == 4  # two layers of two images
    kept = nn.Sequential(nn.AvgPool2d(4), Kept())
    page = write_own_page(kept, x, images, tmp_path / "kept.html", title="kept").read_text()
    assert re.search(r'"side":8,"heads":1', page)


def test_a_network_without_attention_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no attention that is known here"):
        write_own_page(
            nn.Conv2d(3, 3, 1), torch.rand(1, 3, 8, 8), np.zeros((1, 8, 8, 3), np.uint8), tmp_path / "x", title=""
        )
