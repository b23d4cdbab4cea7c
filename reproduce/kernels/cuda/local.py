"""The local operators on the CUDA kernels of local.cu; the fused cores come from `launch_pair` and `launch_patch`."""

from torch import Tensor

from reproduce.kernels.cuda import launcher
from reproduce.kernels.cuda.compile import SCALARS, Macros
from reproduce.kernels.cuda.launcher import THREADS
from reproduce.kernels.window import Window


def local_macros(like: Tensor, window: Window) -> Macros:
    """Return the macro set of local.cu."""
    return (
        ("SCALAR", SCALARS[like.dtype]),
        ("KERNEL", window.kernel),
        ("STRIDE", window.stride),
        ("DILATION", window.dilation),
        ("REFLECT", int(window.reflect)),
    )


def _run(kernel: str, threads: int, window: Window, *arguments: Tensor | int) -> None:
    first = arguments[0]
    assert isinstance(first, Tensor)
    launcher.check_map(arguments[-4:-2])
    launcher.run("local", kernel, local_macros(first, window), (-(-threads // THREADS), 1, 1), *arguments)


def subtract(a: Tensor, b: Tensor, window: Window) -> Tensor:
    """Return (N, C, T, L): centre of a minus neighbours of b."""
    (batch, channels, height, width), (rows, columns) = a.shape, window.out_size(*a.shape[-2:])
    out = a.new_empty(batch, channels, window.taps, rows * columns)
    planes = batch * channels
    _run(
        "subtract", planes * rows * columns, window,
        a.contiguous(), b.contiguous(), out, planes, height, width, rows, columns,
    )  # fmt: skip
    return out


def _to_map(kernel: str, g: Tensor, window: Window, height: int, width: int) -> Tensor:
    rows, columns = window.out_size(height, width)
    out = g.new_empty(*g.shape[:2], height, width)
    planes = g.shape[0] * g.shape[1]
    _run(kernel, out.numel(), window, g.contiguous(), out, planes, height, width, rows, columns)
    return out


def sum_centres(g: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Return (N, C, H, W): the taps' sum of g at every centre."""
    return _to_map("sum_centres", g, window, height, width)


def scatter(g: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Return (N, C, H, W): every g added to the pixel its tap reads."""
    return _to_map("scatter", g, window, height, width)


def aggregate(x: Tensor, weight: Tensor, window: Window) -> Tensor:
    """Return (N, C, Ho, Wo): weighted sum of the neighbours."""
    (batch, channels, height, width), (rows, columns) = x.shape, window.out_size(*x.shape[-2:])
    out, shared = x.new_empty(batch, channels, rows, columns), weight.shape[1]
    _run(
        "aggregate", batch * shared * rows * columns, window,
        x.contiguous(), weight.contiguous(), out, batch, channels, shared, height, width, rows, columns,
    )  # fmt: skip
    return out


def aggregate_to_map(g: Tensor, weight: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Return (N, C, H, W): the gradient of `aggregate` with respect to x."""
    batch, channels, rows, columns = g.shape
    out, shared = g.new_empty(batch, channels, height, width), weight.shape[1]
    _run(
        "aggregate_to_map", batch * shared * height * width, window,
        g.contiguous(), weight.contiguous(), out, batch, channels, shared, height, width, rows, columns,
    )  # fmt: skip
    return out


def aggregate_to_weight(x: Tensor, g: Tensor, window: Window, shared: int) -> Tensor:
    """Return (N, Cw, T, L): the gradient of `aggregate` with respect to the weights."""
    (batch, channels, height, width), (rows, columns) = x.shape, g.shape[-2:]
    out = x.new_empty(batch, shared, window.taps, rows * columns)
    _run(
        "aggregate_to_weight", batch * shared * rows * columns, window,
        x.contiguous(), g.contiguous(), out, batch, channels, shared, height, width, rows, columns,
    )  # fmt: skip
    return out
