"""Attention maps out of a network that is not ours: torchvision's ViT, and the page to click through.

python examples/attention_maps.py [PAGE.html]
"""

import sys
from pathlib import Path

import torch
from torchvision.models import VisionTransformer

from figures.maps.recording import record_attention
from figures.viewer.own_model import write_own_page
from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.recipes.recipe import DataChoice

torch.manual_seed(0)
model = VisionTransformer(
    image_size=32, patch_size=4, num_layers=3, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=10
).eval()
images = load(identify("shapes"), DataChoice(name="shapes", train_limit=10, test_limit=10)).test.images[:2]
x = images.float() / 255

with torch.no_grad(), record_attention(model) as recorded:
    model(x)
for name, weights in recorded:
    print(f"{name}: {tuple(weights.shape)}")

path = Path(sys.argv[1] if len(sys.argv) > 1 else "results/own-vit.html")
path.parent.mkdir(parents=True, exist_ok=True)
print(write_own_page(model, x, images.permute(0, 2, 3, 1).numpy(), path, title="torchvision's ViT, untrained"))
