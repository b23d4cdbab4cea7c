"""SAN's operators without a SAN: a pairwise attention layer made of three 1x1 convolutions and a mapping.

python examples/operators.py
"""

import torch
from torch import nn

from reproduce.kernels import aggregation, pairwise_attention, read_mapping

torch.manual_seed(0)
CHANNELS, RELATION, SHARE = 32, 8, 4  # channels of the map, of the relation, and that share one weight

phi, psi, beta = (nn.Conv2d(CHANNELS, width, 1) for width in (RELATION, RELATION, CHANNELS))
gamma = nn.Sequential(  # from what two pixels say of each other to the weight of one for the other
    nn.BatchNorm2d(RELATION),
    nn.ReLU(),
    nn.Conv2d(RELATION, 16, 1, bias=False),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.Conv2d(16, CHANNELS // SHARE, 1),
)
x_NCHW = torch.randn(2, CHANNELS, 14, 14, requires_grad=True)
mapping = read_mapping(gamma[0], gamma[2], gamma[3], gamma[5])
y_NCHW, weight = pairwise_attention(phi(x_NCHW), psi(x_NCHW), beta(x_NCHW), mapping, 7, return_weights=True)
print(f"attention over 7x7 neighbours: {tuple(y_NCHW.shape)}, weights {tuple(weight.shape)}")
print(f"weights of one pixel sum to {weight[0, 0, :, 0].sum().item():.4f}")
y_NCHW.square().mean().backward()  # every operator has its gradients, twice
print(f"gradient of the map: {x_NCHW.grad.abs().mean().item():.1e}")

blur = torch.full((2, 1, 9, 14 * 14), 1 / 9)  # aggregation alone, with weights of one's own
print(f"a 3x3 mean: {tuple(aggregation(x_NCHW.detach(), blur, kernel_size=3).shape)}")
