"""The operators of self-attention networks: plain torch on any device, CUDA kernels through CuPy.

    subtraction(x, kernel_size, stride=1, dilation=1, pad_mode="reflect", backend="auto")      (N, C, k*k, L)
    subtraction2(a, b, kernel_size, ...)                                                       (N, C, k*k, L)
    aggregation(x, weight, kernel_size, ...)     weight (N, Cw, k*k, L)                        (N, C, Ho, Wo)
    pairwise_attention(phi, psi, beta, mapping, kernel_size, stride=1, dilation=1, pad_mode="reflect", *,
                       position=None, relation="subtraction", backend="auto", return_weights=False)
    patchwise_attention(phi, psi, beta, mapping, kernel_size, stride=1, dilation=1, pad_mode="reflect", *,
                        relation="concatenation", backend="auto", return_weights=False)
    read_mapping(norm1, conv1, norm2, conv2)     a `Mapping` from four modules, batches counted
    capture_inference(model, example)            batch-1 inference through a CUDA graph

A model calls them so, with ``gamma = nn.Sequential(BatchNorm2d, ReLU, Conv2d, BatchNorm2d, ReLU, Conv2d)``:

    mapping = read_mapping(gamma[0], gamma[2], gamma[3], gamma[5])
    y = pairwise_attention(phi(x), psi(x), beta(x), mapping, 7, position=conv_p(coordinates))
"""

from reproduce.kernels.attention import pairwise_attention, patchwise_attention
from reproduce.kernels.backend import explain_backend
from reproduce.kernels.checks import BACKENDS, PAIRWISE, PATCHWISE
from reproduce.kernels.graph import capture_inference
from reproduce.kernels.local import aggregation, subtraction, subtraction2
from reproduce.kernels.mapping import Mapping, read_mapping
from reproduce.kernels.window import Window

__all__ = [
    "BACKENDS",
    "PAIRWISE",
    "PATCHWISE",
    "Mapping",
    "Window",
    "aggregation",
    "capture_inference",
    "explain_backend",
    "pairwise_attention",
    "patchwise_attention",
    "read_mapping",
    "subtraction",
    "subtraction2",
]
