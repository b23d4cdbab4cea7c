"""Pairwise attention on the CUDA kernels of pair*.cu and infer.cu: same functions, same results as `pair`.

Nothing here reads a value back to the host. Partial sums of blocks are added by torch in a fixed order.
"""

import os

import torch
from torch import Tensor

from reproduce.kernels.cuda import launcher, local
from reproduce.kernels.cuda.compile import Macros
from reproduce.kernels.cuda.tiling import (
    HEIGHTS,
    cdiv,
    count_strips,
    fused_macros,
    make_grid,
    make_outer_grid,
    split_columns,
    tile_width,
)
from reproduce.kernels.operands import Attended, Gradients, Pair
from reproduce.kernels.window import Window, fold_border

STRETCH = 1024  # columns that one block rewrites in pair_unnormalize, as in pair.cu
WEIGHTS = 8  # weight channels of a block, as in infer.cu
SHARE = 8  # channels of a thread, as in common.cuh
INFERENCES = ("auto", "one", "three")  # kernels for inference
REPEATS = 2  # times that one kernel may compute h


def attend(
    pair: Pair, mean2: Tensor | None, var2: Tensor | None, eps: float, window: Window, form: str, keep: bool = True
) -> Attended:
    """Return the outputs as `pair.attend` does."""
    launcher.check_map(pair.a.shape[-2:], window.pad)
    rows, columns = window.out_size(*pair.a.shape[-2:])
    if not keep and mean2 is not None and var2 is not None and fits_one_kernel(pair, form):
        y = _infer(pair, _fold(pair, mean2, var2, eps), window, form)
        return Attended(y, y.new_empty(0), y.new_empty(0), mean2.clone(), var2.clone())
    hidden, mean, var = _project(pair, window, form)
    if mean2 is not None and var2 is not None:
        mean, var = mean2.clone(), var2.clone()
    scale, shift = _fold(pair, mean, var, eps)
    (batch, outs), shared = hidden.shape[:2], pair.weight2.shape[0]
    alpha = hidden.new_empty(batch, shared, window.taps, rows * columns)
    macros = fused_macros(hidden, window, outs, FORM=int(form == "product"))
    launcher.run(
        "pair", "pair_attend", macros, (cdiv(batch * rows * columns, split_columns(window)), cdiv(shared, SHARE), 1),
        hidden, scale, shift, pair.weight2.contiguous(), alpha, batch, outs, shared, rows * columns,
    )  # fmt: skip
    y = local.aggregate(pair.beta, alpha, window)
    if not keep:
        return Attended(y, y.new_empty(0), y.new_empty(0), mean, var)
    return Attended(y, alpha, hidden, mean, var)


def fits_one_kernel(pair: Pair, form: str) -> bool:
    """Return whether inference takes the one kernel of infer.cu, not project, attend and aggregate one after another.

    The one kernel writes nothing wide, but every block computes h anew for eight weight channels and eight channels of
    each. So it is taken where h fits a tile (M <= 64) and is computed at most twice: then it saves two writes and three
    reads of h and alpha for at most one more product. This is a rule by counting, not a measurement. The environment
    variable ATTNREPRO_INFERENCE overrides it: ``one`` (wherever it can run), ``three`` or ``auto``.

    Raises:
        ValueError: another word in the variable.
    """
    wanted = os.environ.get("ATTNREPRO_INFERENCE", "auto")
    if wanted not in INFERENCES:
        raise ValueError(f"ATTNREPRO_INFERENCE: needs one of {', '.join(INFERENCES)}, got {wanted!r}")
    shared = len(pair.weight2)
    repeats = cdiv(shared, WEIGHTS) * cdiv(pair.beta.shape[1] // shared, SHARE)
    can = form != "hidden" and len(pair.weight1) <= max(HEIGHTS)
    return can and wanted != "three" and (wanted == "one" or repeats <= REPEATS)


def _infer(pair: Pair, affine: tuple[Tensor, Tensor], window: Window, form: str) -> Tensor:
    """Return y (N, C, Ho, Wo) from one kernel; nothing wide is stored."""
    (batch, channels, height, width), (rows, columns) = pair.beta.shape, window.out_size(*pair.beta.shape[-2:])
    (outs, depth), shared = pair.weight1.shape, len(pair.weight2)
    macros = fused_macros(pair.beta, window, outs, FORM=int(form == "product"))
    y = pair.beta.new_empty(batch, channels, rows, columns)
    sums = SHARE // 2 if pair.beta.dtype == torch.float64 else SHARE  # channels of a thread, as in infer.cu
    blocks = cdiv(batch * rows * columns, tile_width(macros))
    tensors = (pair.a, pair.b, pair.c, pair.weight1, pair.place, *affine, pair.weight2, pair.beta)
    launcher.run(
        "infer", "pair_infer", macros, (blocks, cdiv(shared, WEIGHTS), cdiv(channels // shared, sums)),
        *(None if tensor is None else tensor.contiguous() for tensor in tensors), y,
        batch, depth, outs, shared, channels, height, width, rows, columns,
    )  # fmt: skip
    return y


def _fold(pair: Pair, mean: Tensor, var: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    scale = pair.scale2 * torch.rsqrt(var + eps)
    return scale, pair.shift2 - mean * scale


def _project(pair: Pair, window: Window, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return h (N, M, T, L) with its mean and biased variance over the batch, (M,)."""
    if form == "hidden":
        hidden = local.subtract(pair.a, pair.b, window)
        if pair.place is not None:
            hidden += pair.place
        var, mean = torch.var_mean(hidden, (0, 2, 3), correction=0)
        return hidden, mean, var
    (batch, depth, height, width), outs = pair.a.shape, pair.weight1.shape[0]
    rows, columns = window.out_size(height, width)
    size = launcher.check_size(window.taps * rows * columns)
    macros, total = fused_macros(pair.a, window, outs, FORM=int(form == "product")), batch * size
    strips, place = count_strips(macros, outs, total), None if pair.place is None else pair.place.contiguous()
    grid = make_grid(macros, outs, total, strips)
    hidden = pair.a.new_empty(batch, outs, window.taps, rows * columns)
    sums, squares = pair.a.new_empty(2, outs, grid[0])
    launcher.run(
        "pair", "pair_project", macros, grid,
        pair.a.contiguous(), pair.b.contiguous(), pair.c.contiguous(), pair.weight1.contiguous(), place,
        hidden, sums, squares, batch, strips, depth, outs, height, width, rows, columns,
    )  # fmt: skip
    mean, var = _combine(sums.double(), squares.double(), total, strips * tile_width(macros))
    return hidden, mean.to(hidden.dtype), var.to(hidden.dtype)


def _combine(sums: Tensor, squares: Tensor, total: int, each: int) -> tuple[Tensor, Tensor]:
    """Return mean and variance from the sums and centred squares of blocks (Chan's formula): no cancellation.

    Every block has ``each`` of the ``total`` values of a row, the last one what is left.
    """
    counts = torch.full((sums.shape[1],), float(each), dtype=torch.float64, device=sums.device)
    counts[-1:].fill_(total - each * (len(counts) - 1))
    mean = sums.sum(1) / total
    apart = (counts * (sums / counts - mean.unsqueeze(1)).square()).sum(1)
    return mean, (squares.sum(1) + apart) / total


def attend_backward(
    grad_y: Tensor, grad_alpha: Tensor | None, pair: Pair, alpha: Tensor, hidden: Tensor, mean: Tensor, var: Tensor,
    batch_stats: bool, eps: float, window: Window, form: str,
) -> Gradients:  # fmt: skip
    """Return the gradients as `pair.attend_backward` does."""
    launcher.check_map(pair.a.shape[-2:], window.pad)
    (batch, channels, height, width), shared = pair.beta.shape, alpha.shape[1]
    rows, columns = window.out_size(height, width)
    alpha, hidden, grad_y = alpha.contiguous(), hidden.contiguous(), grad_y.contiguous()
    extra = None if grad_alpha is None else grad_alpha.contiguous()
    logits = torch.empty_like(alpha)
    macros = fused_macros(hidden, window, hidden.shape[1], FORM=int(form == "product"))
    launcher.run(
        "pair", "pair_unweigh", macros, (cdiv(batch * rows * columns, split_columns(window)), shared, 1),
        pair.beta.contiguous(), grad_y, extra, alpha, logits, batch, channels, shared, height, width, rows, columns,
    )  # fmt: skip
    grad_beta = local.aggregate_to_map(grad_y, alpha, window, height, width)
    scale, shift = _fold(pair, mean, var, eps)
    g, total, product = _unactivate(logits, pair, hidden, scale, shift, mean, macros)
    weight2 = _sum_weight2(logits, hidden, scale, shift, window, form)
    rstd = torch.rsqrt(var + eps)
    normed = product * rstd.double()
    size, outs = window.taps * rows * columns, hidden.shape[1]
    slope, offset = torch.zeros_like(mean), torch.zeros_like(mean)
    if batch_stats:
        count = max(1, batch * size)
        slope = -scale * rstd * (normed / count).to(mean.dtype)
        offset = -scale * (total / count).to(mean.dtype) - slope * mean
    launcher.run(
        "pair", "pair_unnormalize", macros, (batch * cdiv(size, STRETCH), outs, 1),
        g, hidden, scale.contiguous(), slope, offset, outs, size,
    )  # fmt: skip
    place = None if pair.place is None else g.sum(0)
    a, b, c, weight1 = _unrelate(pair, g, window, form)
    return Gradients(a, b, grad_beta, c, weight1, place, normed.to(mean.dtype), total.to(mean.dtype), weight2)


def _unactivate(
    logits: Tensor, pair: Pair, hidden: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, macros: Macros
) -> tuple[Tensor, Tensor, Tensor]:
    """Return g (N, M, T, L) and, in float64, its sums and its sums with h - mean, (M,)."""
    (batch, outs), shared, size = hidden.shape[:2], logits.shape[1], hidden.shape[2:].numel()
    strips = count_strips(macros, outs, batch * size)
    grid, g = make_grid(macros, outs, batch * size, strips), torch.empty_like(hidden)
    sums, products = hidden.new_empty(2, outs, grid[0])
    launcher.run(
        "pair", "pair_unactivate", macros, grid, logits, pair.weight2.contiguous(), hidden, scale, shift, mean,
        g, sums, products, batch, strips, outs, shared, size,
    )  # fmt: skip
    return g, sums.sum(1, dtype=torch.float64), products.sum(1, dtype=torch.float64)


def _sum_weight2(logits: Tensor, hidden: Tensor, scale: Tensor, shift: Tensor, window: Window, form: str) -> Tensor:
    (batch, outs), shared, size = hidden.shape[:2], logits.shape[1], hidden.shape[2:].numel()
    macros = fused_macros(hidden, window, shared, outs, FORM=int(form == "product"))
    chunk, grid = make_outer_grid(macros, shared, outs, batch * size)
    parts = hidden.new_empty(grid[0], shared, outs)
    tensors = logits, hidden, scale, shift, parts
    launcher.run("pair_weights", "pair_weight2", macros, grid, *tensors, batch, chunk, outs, shared, size)
    return parts.sum(0)


def _unrelate(pair: Pair, g: Tensor, window: Window, form: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of a, b, c and W1 from the gradient of h."""
    (batch, depth, height, width), outs = pair.a.shape, pair.weight1.shape[0]
    if form == "hidden":
        a, b = local.sum_centres(g, window, height, width), -local.scatter(g, window, height, width)
        return a, b, torch.zeros_like(pair.c), torch.zeros_like(pair.weight1)
    rows, columns = window.out_size(height, width)
    product, size = form == "product", window.taps * rows * columns
    maps = pair.a.contiguous(), pair.b.contiguous(), pair.c.contiguous()
    shapes = depth, outs, height, width, rows, columns
    macros = fused_macros(g, window, outs, depth, FORM=int(product))
    chunk, grid = make_outer_grid(macros, outs, depth, batch * size)
    parts = g.new_empty(grid[0], outs, depth)
    launcher.run("pair_weights", "pair_weight1", macros, grid, g, *maps, parts, batch, chunk, *shapes)
    macros, weight1 = fused_macros(g, window, depth, FORM=int(product)), pair.weight1.contiguous()
    centre, grid = g.new_empty(batch, depth, rows, columns), make_grid(macros, depth, batch * rows * columns)
    sums = g.new_empty(depth, grid[0]) if product else None
    launcher.run("pair_maps", "pair_to_centre", macros, grid, g, *maps, weight1, centre, sums, batch, *shapes)
    padded = g.new_empty(batch, depth, height + 2 * window.pad, width + 2 * window.pad)
    grid = make_grid(macros, depth, batch * padded.shape[2:].numel())
    launcher.run("pair_maps", "pair_to_neighbour", macros, grid, g, *maps, weight1, padded, batch, *shapes)
    grad_c = torch.zeros_like(pair.c) if sums is None else sums.sum(1)
    return window.spread_centres(centre, height, width), fold_border(padded, window), grad_c, parts.sum(0)
