"""Attention gates in a network of one's own: some steps of training on the embedded images.

python examples/gates.py
"""

import torch
from torch import nn
from torch.nn import functional as F

from reproduce.data.dataset import load
from reproduce.data.source import identify
from reproduce.models.gates import ConvolutionalAutoencoder, EfficientChannelAttention
from reproduce.recipes.recipe import DataChoice

torch.manual_seed(0)
network = nn.Sequential(
    nn.Conv2d(3, 16, 3, stride=2, padding=1),
    EfficientChannelAttention(16),  # one weight per channel
    nn.ReLU(),
    nn.Conv2d(16, 32, 3, padding=1),
    ConvolutionalAutoencoder(32, size=16),  # one weight per value
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
)
images = load(identify("shapes"), DataChoice(name="shapes", train_limit=500, test_limit=100)).train
x_N3HW, y_N = images.images.float() / 255, images.labels
optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
losses = []
for _ in range(30):
    batch = torch.randperm(len(y_N))[:100]
    loss = F.cross_entropy(network(x_N3HW[batch]), y_N[batch])
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    losses.append(loss.item())
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f} in {len(losses)} steps")
