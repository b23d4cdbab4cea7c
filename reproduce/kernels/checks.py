"""Arguments that cannot work are refused here, by name and with both values."""

import torch
from torch import Tensor

from reproduce.kernels.mapping import FIELDS, Mapping
from reproduce.kernels.window import PAD_MODES, Window

BACKENDS = ("auto", "cupy", "torch")
PAIRWISE = ("subtraction", "summation", "concatenation", "hadamard", "dot")
PATCHWISE = ("concatenation", "subtraction", "star", "clique")
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_window(kernel_size: int, stride: int, dilation: int, pad_mode: str, name: str, x_NCHW: Tensor) -> Window:
    """Return the `Window`, checked against the map that it slides over.

    Raises:
        ValueError: for an even or non-positive kernel, stride or dilation below 1, an unknown pad mode, a map that is
            not (N, C, H, W) with H, W >= 1, or a reflection that reaches beyond the map (padding >= H or W).
    """
    for label, value in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{label}: needs an integer of 1 or more, got {value!r}")
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size: needs an odd number, for a centre to exist, got {kernel_size}")
    if pad_mode not in PAD_MODES:
        raise ValueError(f"pad_mode: needs one of {', '.join(PAD_MODES)}, got {pad_mode!r}")
    if x_NCHW.dim() != 4 or min(x_NCHW.shape[1:]) < 1:
        raise ValueError(f"{name}: needs (N, C, H, W) with C, H, W >= 1, got {tuple(x_NCHW.shape)}")
    window = Window(kernel_size, stride, dilation, pad_mode == "reflect")
    if window.reflect and window.pad >= min(x_NCHW.shape[-2:]):
        raise ValueError(
            f"{name}: reflect padding of {window.pad} (kernel_size {kernel_size}, dilation {dilation}) needs a map "
            f"larger than that, got {x_NCHW.shape[-2]}x{x_NCHW.shape[-1]}"
        )
    return window


def check_alike(**tensors: Tensor | None) -> None:
    """Refuse tensors of different devices or dtypes, or of a dtype that is not floating point.

    Raises:
        ValueError: naming the first argument, the one that differs, and both values.
    """
    present = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    first, lead = next(iter(present.items()))
    if lead.dtype not in DTYPES:
        raise ValueError(f"{first}: needs float16, bfloat16, float32 or float64, got {lead.dtype}")
    for name, tensor in present.items():
        if tensor.device != lead.device:
            raise ValueError(f"{name}: needs {first}'s device {lead.device}, got {tensor.device}")
        if tensor.dtype != lead.dtype:
            raise ValueError(f"{name}: needs {first}'s dtype {lead.dtype}, got {tensor.dtype}")


def check_shape(name: str, tensor: Tensor, wanted: tuple[int, ...], because: str) -> None:
    """Refuse a tensor whose shape is not ``wanted``; ``because`` says where the shape comes from."""
    if tuple(tensor.shape) != wanted:
        raise ValueError(f"{name}: needs {wanted} ({because}), got {tuple(tensor.shape)}")


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is not one of ``known``."""
    if value not in known:
        raise ValueError(f"{name}: needs one of {', '.join(known)}, got {value!r}")


def check_aggregation(x_NCHW: Tensor, weight_NQTL: Tensor, window: Window) -> None:
    """Refuse weights that do not fit the map: (N, Cw, k*k, Ho*Wo) with Cw a divisor of C."""
    height, width = window.out_size(*x_NCHW.shape[-2:])
    if weight_NQTL.dim() != 4:
        raise ValueError(f"weight: needs (N, Cw, k*k, L), got {tuple(weight_NQTL.shape)}")
    shared = weight_NQTL.shape[1]
    if shared < 1 or x_NCHW.shape[1] % shared:
        raise ValueError(f"weight: needs a number of channels that divides x's {x_NCHW.shape[1]}, got {shared}")
    wanted = (x_NCHW.shape[0], shared, window.taps, height * width)
    check_shape("weight", weight_NQTL, wanted, f"x is {tuple(x_NCHW.shape)}, kernel_size {window.kernel}")


def check_mapping(mapping: Mapping, inputs: int, taps: int, beta_NCHW: Tensor) -> None:
    """Refuse a mapping that does not take ``inputs`` rows to Cw*``taps`` outputs with Cw a divisor of beta's C."""
    hidden = mapping.weight1.flatten(1).shape[0]
    check_shape("mapping.weight1", mapping.weight1.flatten(1), (hidden, inputs), "hidden x relation channels")
    outputs = mapping.weight2.flatten(1).shape[0]
    check_shape("mapping.weight2", mapping.weight2.flatten(1), (outputs, hidden), "outputs x hidden")
    if outputs % taps or beta_NCHW.shape[1] % max(1, outputs // taps):
        raise ValueError(
            f"mapping.weight2: needs {taps} x a divisor of beta's {beta_NCHW.shape[1]} channels, got {outputs} outputs"
        )
    for name, size in (("1", inputs), ("2", hidden)):
        for part in ("scale", "shift", "running_mean", "running_var"):
            vector = getattr(mapping, part + name)
            if vector is not None:
                check_shape(f"mapping.{part}{name}", vector, (size,), "channels of that BatchNorm")
    if mapping.bias is not None:
        check_shape("mapping.bias", mapping.bias, (outputs,), "rows of weight2")
    allowed = {beta_NCHW.dtype, torch.float32} if beta_NCHW.dtype.itemsize == 2 else {beta_NCHW.dtype}
    for name, tensor in zip(FIELDS, mapping, strict=True):
        if not isinstance(tensor, Tensor):
            continue
        if tensor.device != beta_NCHW.device:
            raise ValueError(f"mapping.{name}: needs beta's device {beta_NCHW.device}, got {tensor.device}")
        if tensor.dtype not in allowed:
            raise ValueError(f"mapping.{name}: needs beta's dtype {beta_NCHW.dtype}, got {tensor.dtype}")
