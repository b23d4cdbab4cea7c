"""The local operators as users call them: arguments checked, backend chosen, autocast followed."""

from torch import Tensor

from reproduce.kernels import local_ops, reference
from reproduce.kernels.backend import cast_for_autocast, is_exporting, is_small, use_cupy
from reproduce.kernels.checks import check_aggregation, check_alike, check_shape, check_window
from reproduce.kernels.window import Window


def subtraction(
    x: Tensor,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
    pad_mode: str = "reflect",
    backend: str = "auto",
) -> Tensor:
    """Subtract from every pixel each of its k*k neighbours: y[n,c,t,o] = x[n,c,centre(o)] - x~[n,c,j(o,t)].

    Args:
        x: map (N, C, H, W).
        kernel_size: odd k.
        stride: step between centres in pixels.
        dilation: step between taps in pixels.
        pad_mode: ``reflect`` (no edge repeat) or ``zero``.
        backend: ``auto``, ``cupy`` or ``torch``.

    Returns:
        (N, C, k*k, L) with L = ceil(H/s)*ceil(W/s).

    Raises:
        ValueError: for arguments that cannot work; it names the argument and both values.
    """
    window = check_window(kernel_size, stride, dilation, pad_mode, "x", x)
    check_alike(x=x)
    return _subtract(x, x, window, backend)


def subtraction2(
    a: Tensor,
    b: Tensor,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
    pad_mode: str = "reflect",
    backend: str = "auto",
) -> Tensor:
    """Subtract neighbours of b from centres of a: y[n,c,t,o] = a[n,c,centre(o)] - b~[n,c,j(o,t)].

    Under autocast maps of two dtypes are cast to its own.

    Args:
        a: map (N, C, H, W) read at the centres.
        b: map (N, C, H, W) read at the neighbours.
        kernel_size: odd k.
        stride: step between centres in pixels.
        dilation: step between taps in pixels.
        pad_mode: ``reflect`` (no edge repeat) or ``zero``.
        backend: ``auto``, ``cupy`` or ``torch``.

    Returns:
        (N, C, k*k, L).

    Raises:
        ValueError: for arguments that cannot work; it names the argument and both values.
    """
    window = check_window(kernel_size, stride, dilation, pad_mode, "a", a)
    check_shape("b", b, tuple(a.shape), "the shape of a")
    if a.dtype != b.dtype:
        a, b = cast_for_autocast(a, b)
    check_alike(a=a, b=b)
    return _subtract(a, b, window, backend)


def _subtract(a: Tensor, b: Tensor, window: Window, backend: str) -> Tensor:
    cupy = use_cupy(a, backend)
    if is_exporting():
        return reference.subtraction2(a, b, window)
    return local_ops.subtract(a, b, *window, cupy)


def aggregation(
    x: Tensor,
    weight: Tensor,
    kernel_size: int,
    stride: int = 1,
    dilation: int = 1,
    pad_mode: str = "reflect",
    backend: str = "auto",
) -> Tensor:
    """Sum the neighbours with a weight of their own: y[n,c,o] = sum_t weight[n, c mod Cw, t, o] * x~[n,c,j(o,t)].

    Under autocast both inputs are cast to its dtype; sums are float32 for halves.

    Args:
        x: map (N, C, H, W).
        weight: (N, Cw, k*k, L), Cw a divisor of C; channel c uses weight channel c mod Cw (interleaved).
        kernel_size: odd k.
        stride: step between centres in pixels.
        dilation: step between taps in pixels.
        pad_mode: ``reflect`` (no edge repeat) or ``zero``.
        backend: ``auto``, ``cupy`` or ``torch``.

    Returns:
        (N, C, Ho, Wo).

    Raises:
        ValueError: for arguments that cannot work; it names the argument and both values.
    """
    window = check_window(kernel_size, stride, dilation, pad_mode, "x", x)
    check_aggregation(x, weight, window)
    x, weight = cast_for_autocast(x, weight)
    check_alike(x=x, weight=weight)
    cupy = use_cupy(x, backend)
    if is_exporting() or is_small(x, window, cupy):
        return reference.aggregation(x, weight, window)
    return local_ops.aggregate(x, weight, *window, cupy)
