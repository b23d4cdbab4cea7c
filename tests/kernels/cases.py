"""Random inputs shared by the kernel tests."""

import torch
from hypothesis import strategies as st

from reproduce.kernels import Mapping, Window

PAIR_ROWS = {"concatenation": lambda r: 2 * r, "dot": lambda r: 1}
PATCH_ROWS = {
    "concatenation": lambda r, t: r * (t + 1),
    "subtraction": lambda r, t: r * t,
    "star": lambda r, t: t,
    "clique": lambda r, t: t * t,
}


def make_mapping(rows, hidden, outputs, dtype=torch.float64, training=True, device="cpu"):
    def draw(*shape):
        return torch.randn(*shape, dtype=dtype, device=device)

    return Mapping(
        1 + 0.3 * draw(rows), 0.3 * draw(rows), draw(rows), 0.5 + draw(rows) ** 2, draw(hidden, rows) / rows**0.5,
        1 + 0.3 * draw(hidden), 0.3 * draw(hidden), draw(hidden), 0.5 + draw(hidden) ** 2,
        draw(outputs, hidden) / hidden**0.5, draw(outputs), training,
    )  # fmt: skip


def trainable(mapping):
    """The mapping with leaves that ask for gradients, and those leaves by name."""
    names = ("scale1", "shift1", "weight1", "scale2", "shift2", "weight2", "bias")
    leaves = {n: getattr(mapping, n).clone().requires_grad_() for n in names}
    running = [n for n in mapping._fields if n.startswith("running") and getattr(mapping, n) is not None]
    copies = {n: getattr(mapping, n).clone() for n in running}
    return mapping._replace(**leaves, **copies), leaves


def arrays(mapping):
    fields = {n: v.numpy() for n, v in mapping._asdict().items() if isinstance(v, torch.Tensor)}
    return fields | {"eps": mapping.eps}


@st.composite
def windows(draw, kernels=(1, 3, 5, 7, 9, 11), largest=14):
    """(Window, H, W): any legal footprint on a small map, H != W more often than not."""
    kernel, stride = draw(st.sampled_from(kernels)), draw(st.integers(1, 4))
    reflect = draw(st.booleans())
    dilations = [d for d in (1, 2, 3) if not reflect or d * (kernel - 1) // 2 < largest]
    dilation = draw(st.sampled_from(dilations))
    window = Window(kernel, stride, dilation, reflect)
    least = window.pad + 1 if reflect else 1
    size = st.integers(least, max(least, largest))
    return window, draw(size), draw(size)


def spell(window):
    """Keyword arguments of the public operators."""
    return {
        "kernel_size": window.kernel,
        "stride": window.stride,
        "dilation": window.dilation,
        "pad_mode": "reflect" if window.reflect else "zero",
    }
