"""The fused cores on the CUDA kernels of pair.cu and patch.cu: same functions, same results as `pair` and `patch`.

Nothing here reads a value back to the host. Partial sums of blocks are added by torch in a fixed order.
"""

import torch
from torch import Tensor

from . import launch, load
from .load import THREADS, Macros
from .pair import Gradients, Pair
from .patch import Patch
from .window import Window, fold_border

COLUMNS = 64  # columns of a matrix tile, as in tile.cuh
CHUNK = 4096  # columns that one block sums for a weight gradient
STRETCH = 1024  # columns that one block rewrites in pair_unnormalize, as in pair.cu
WEIGHTS = 8  # weight channels of a block, as in infer.cu
SHARE = 8  # channels of a thread, as in common.cuh
SPLITS = 128  # blocks that share the batch in the patchwise weight gradient


def cdiv(a: int, b: int) -> int:
    """Return a / b rounded up."""
    return -(-a // b)


def fused_macros(like: Tensor, window: Window, rows: int, **more: int) -> Macros:
    """Return the macro set of pair.cu and infer.cu (FORM) or patch.cu (CENTRE) for matrices of so many rows.

    The fewest tiles of at most 64 rows, and these no higher than they need be: rows beyond the matrix cost like others.
    """
    height = 16 * max(1, cdiv(rows, 16 * max(1, cdiv(rows, 64))))
    return (*launch.local_macros(like, window), *more.items(), ("ROWS", height))


def tile_height(macros: Macros) -> int:
    """Return the rows of a tile."""
    return dict(macros)["ROWS"]


def attend(
    pair: Pair, mean2: Tensor | None, var2: Tensor | None, eps: float, window: Window, form: str, keep: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return (y, alpha, h, mean, var) as `pair.attend` does."""
    load.check_map(pair.a.shape[-2:], window.pad)
    rows, columns = window.out_size(*pair.a.shape[-2:])
    if not keep and mean2 is not None and var2 is not None and fits_one_kernel(pair, form):
        y = _infer(pair, _fold(pair, mean2, var2, eps), window, form)
        return y, y.new_empty(0), y.new_empty(0), mean2.clone(), var2.clone()
    hidden, mean, var = _project(pair, window, form)
    if mean2 is not None and var2 is not None:
        mean, var = mean2.clone(), var2.clone()
    scale, shift = _fold(pair, mean, var, eps)
    (batch, outs), shared = hidden.shape[:2], pair.weight2.shape[0]
    alpha = hidden.new_empty(batch, shared, window.taps, rows * columns)
    macros = fused_macros(hidden, window, outs, FORM=int(form == "product"))
    load.run(
        "pair", "pair_attend", macros, (cdiv(batch * rows * columns, THREADS), cdiv(shared, SHARE), 1),
        hidden, scale, shift, pair.weight2.contiguous(), alpha, batch, outs, shared, rows * columns,
    )  # fmt: skip
    y = launch.aggregate(pair.beta, alpha, window)
    if not keep:
        return y, y.new_empty(0), y.new_empty(0), mean, var
    return y, alpha, hidden, mean, var


def fits_one_kernel(pair: Pair, form: str) -> bool:
    """Return whether infer.cu is the better way: h fits a tile and is computed at most twice."""
    shared = len(pair.weight2)
    repeats = cdiv(shared, WEIGHTS) * cdiv(pair.beta.shape[1] // shared, SHARE)
    return form != "hidden" and len(pair.weight1) <= 64 and repeats <= 2


def _infer(pair: Pair, affine: tuple[Tensor, Tensor], window: Window, form: str) -> Tensor:
    """Return y (N, C, Ho, Wo) from one kernel; nothing wide is stored."""
    (batch, channels, height, width), (rows, columns) = pair.beta.shape, window.out_size(*pair.beta.shape[-2:])
    (outs, depth), shared = pair.weight1.shape, len(pair.weight2)
    macros = fused_macros(pair.beta, window, outs, FORM=int(form == "product"))
    y = pair.beta.new_empty(batch, channels, rows, columns)
    grid = batch * cdiv(rows * columns, COLUMNS), cdiv(shared, WEIGHTS), cdiv(channels // shared, SHARE)
    tensors = (pair.a, pair.b, pair.c, pair.weight1, pair.place, *affine, pair.weight2, pair.beta)
    load.run(
        "infer", "pair_infer", macros, grid,
        *(None if tensor is None else tensor.contiguous() for tensor in tensors), y,
        depth, outs, shared, channels, height, width, rows, columns,
    )  # fmt: skip
    return y


def _fold(pair: Pair, mean: Tensor, var: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    scale = pair.scale2 * torch.rsqrt(var + eps)
    return scale, pair.shift2 - mean * scale


def _project(pair: Pair, window: Window, form: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return h (N, M, T, L) with its mean and biased variance over the batch, (M,)."""
    if form == "hidden":
        hidden = launch.subtract(pair.a, pair.b, window)
        if pair.place is not None:
            hidden += pair.place
        var, mean = torch.var_mean(hidden, (0, 2, 3), correction=0)
        return hidden, mean, var
    (batch, depth, height, width), outs = pair.a.shape, pair.weight1.shape[0]
    rows, columns = window.out_size(height, width)
    size = load.check_size(window.taps * rows * columns)
    macros = fused_macros(pair.a, window, outs, FORM=int(form == "product"))
    tiles, place = cdiv(size, COLUMNS), None if pair.place is None else pair.place.contiguous()
    hidden = pair.a.new_empty(batch, outs, window.taps, rows * columns)
    sums, squares = pair.a.new_empty(2, outs, batch * tiles)
    load.run(
        "pair", "pair_project", macros, (batch * tiles, cdiv(outs, tile_height(macros)), 1),
        pair.a.contiguous(), pair.b.contiguous(), pair.c.contiguous(), pair.weight1.contiguous(), place,
        hidden, sums, squares, depth, outs, height, width, rows, columns,
    )  # fmt: skip
    return hidden, *_combine(sums.double(), squares.double(), size, tiles, batch, hidden.dtype)


def _combine(
    sums: Tensor, squares: Tensor, size: int, tiles: int, batch: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return mean and variance from sums and centred squares of tiles (Chan's formula): no cancellation."""
    counts = torch.full((tiles,), float(COLUMNS), dtype=torch.float64, device=sums.device)
    counts[-1:].fill_(size - COLUMNS * (tiles - 1))
    counts = counts.repeat(batch)
    mean = sums.sum(1) / (batch * size)
    apart = (counts * (sums / counts - mean.unsqueeze(1)).square()).sum(1)
    return mean.to(dtype), ((squares.sum(1) + apart) / (batch * size)).to(dtype)


def attend_backward(
    grad_y: Tensor, grad_alpha: Tensor | None, pair: Pair, alpha: Tensor, hidden: Tensor, mean: Tensor, var: Tensor,
    batch_stats: bool, eps: float, window: Window, form: str,
) -> Gradients:  # fmt: skip
    """Return the gradients as `pair.attend_backward` does."""
    load.check_map(pair.a.shape[-2:], window.pad)
    (batch, channels, height, width), shared = pair.beta.shape, alpha.shape[1]
    rows, columns = window.out_size(height, width)
    alpha, hidden, grad_y = alpha.contiguous(), hidden.contiguous(), grad_y.contiguous()
    extra = None if grad_alpha is None else grad_alpha.contiguous()
    logits = torch.empty_like(alpha)
    macros = fused_macros(hidden, window, hidden.shape[1], FORM=int(form == "product"))
    load.run(
        "pair", "pair_unweigh", macros, (cdiv(batch * shared * rows * columns, THREADS), 1, 1),
        pair.beta.contiguous(), grad_y, extra, alpha, logits, batch, channels, shared, height, width, rows, columns,
    )  # fmt: skip
    grad_beta = launch.aggregate_to_map(grad_y, alpha, window, height, width)
    scale, shift = _fold(pair, mean, var, eps)
    g, total, product = _unactivate(logits, pair, hidden, scale, shift, mean, macros)
    weight2 = _sum_weight2(logits, hidden, scale, shift, macros)
    rstd = torch.rsqrt(var + eps)
    normed = product * rstd.double()
    size, outs = window.taps * rows * columns, hidden.shape[1]
    slope, offset = torch.zeros_like(mean), torch.zeros_like(mean)
    if batch_stats:
        count = max(1, batch * size)
        slope = -scale * rstd * (normed / count).to(mean.dtype)
        offset = -scale * (total / count).to(mean.dtype) - slope * mean
    load.run(
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
    batch, outs = hidden.shape[:2]
    size, shared = hidden[0, 0].numel(), logits.shape[1]
    tiles, g = cdiv(size, COLUMNS), torch.empty_like(hidden)
    sums, products = hidden.new_empty(2, outs, batch * tiles)
    load.run(
        "pair", "pair_unactivate", macros, (batch * tiles, cdiv(outs, tile_height(macros)), 1),
        logits, pair.weight2.contiguous(), hidden, scale, shift, mean, g, sums, products, outs, shared, size,
    )  # fmt: skip
    return g, sums.sum(1, dtype=torch.float64), products.sum(1, dtype=torch.float64)


def _sum_weight2(logits: Tensor, hidden: Tensor, scale: Tensor, shift: Tensor, macros: Macros) -> Tensor:
    batch, outs = hidden.shape[:2]
    size, shared = hidden[0, 0].numel(), logits.shape[1]
    blocks = batch * cdiv(size, CHUNK)
    parts = hidden.new_empty(blocks, shared, outs)
    grid = (blocks, cdiv(shared, tile_height(macros)), cdiv(outs, COLUMNS))
    load.run("pair", "pair_weight2", macros, grid, logits, hidden, scale, shift, parts, outs, shared, size, CHUNK)
    return parts.sum(0)


def _unrelate(pair: Pair, g: Tensor, window: Window, form: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the gradients of a, b, c and W1 from the gradient of h."""
    (batch, depth, height, width), outs = pair.a.shape, pair.weight1.shape[0]
    if form == "hidden":
        a, b = launch.sum_centres(g, window, height, width), -launch.scatter(g, window, height, width)
        return a, b, torch.zeros_like(pair.c), torch.zeros_like(pair.weight1)
    rows, columns = window.out_size(height, width)
    product, size = form == "product", window.taps * rows * columns
    maps = pair.a.contiguous(), pair.b.contiguous(), pair.c.contiguous()
    shapes = depth, outs, height, width, rows, columns
    macros, blocks = fused_macros(g, window, outs, FORM=int(product)), batch * cdiv(size, CHUNK)
    parts = g.new_empty(blocks, outs, depth)
    grid = (blocks, cdiv(outs, tile_height(macros)), cdiv(depth, COLUMNS))
    load.run("pair", "pair_weight1", macros, grid, g, *maps, parts, *shapes, CHUNK)
    macros, weight1 = fused_macros(g, window, depth, FORM=int(product)), pair.weight1.contiguous()
    high = cdiv(depth, tile_height(macros))
    centre = g.new_empty(batch, depth, rows, columns)
    plain = torch.empty_like(centre) if product else None
    grid = (batch * cdiv(rows * columns, COLUMNS), high, 1)
    load.run("pair", "pair_to_centre", macros, grid, g, *maps, weight1, centre, plain, *shapes)
    padded = g.new_empty(batch, depth, height + 2 * window.pad, width + 2 * window.pad)
    grid = (batch * cdiv(padded[0, 0].numel(), COLUMNS), high, 1) if batch else (0, 1, 1)
    load.run("pair", "pair_to_neighbour", macros, grid, g, *maps, weight1, padded, *shapes)
    grad_c = torch.zeros_like(pair.c) if plain is None else plain.sum((0, 2, 3))
    return spread_centres(centre, window, height, width), fold_border(padded, window), grad_c, parts.sum(0)


def spread_centres(centre: Tensor, window: Window, height: int, width: int) -> Tensor:
    """Return (N, C, H, W) with ``centre`` (N, C, Ho, Wo) on the stride grid and zeros elsewhere."""
    if window.stride == 1:
        return centre
    out = centre.new_zeros(*centre.shape[:2], height, width)
    window.centres(out).copy_(centre)
    return out


def project(patch: Patch, window: Window) -> Tensor:
    """Return h (N, M, Ho, Wo) as `patch.project` does."""
    load.check_map(patch.psi.shape[-2:], window.pad)
    (batch, depth, height, width), outs = patch.psi.shape, patch.weight1.shape[0]
    rows, columns = window.out_size(height, width)
    macros = fused_macros(patch.psi, window, outs, CENTRE=int(patch.phi is not None))
    out = patch.psi.new_empty(batch, outs, rows, columns)
    load.run(
        "patch", "patch_project", macros,
        (batch * cdiv(rows * columns, COLUMNS), cdiv(outs, tile_height(macros)), 1),
        *_dense(patch), patch.weight1.contiguous(), out, depth, outs, height, width, rows, columns,
    )  # fmt: skip
    return out


def _dense(patch: Patch) -> tuple[Tensor | None, ...]:
    return tuple(None if tensor is None else tensor.contiguous() for tensor in patch[:4])


def project_backward(grad_h: Tensor, patch: Patch, window: Window) -> tuple[Tensor | None, ...]:
    """Return the gradients as `patch.project_backward` does."""
    load.check_map(patch.psi.shape[-2:], window.pad)
    (batch, depth, height, width), outs = patch.psi.shape, patch.weight1.shape[0]
    rows, columns = window.out_size(height, width)
    inputs, g, maps, weight = depth * window.taps, grad_h.contiguous(), _dense(patch), patch.weight1.contiguous()
    shapes, centred = (depth, outs, height, width, rows, columns), patch.phi is not None
    samples = max(1, cdiv(batch, SPLITS))
    blocks = cdiv(batch, samples)
    macros = fused_macros(g, window, outs, CENTRE=int(centred))
    parts = g.new_empty(blocks, outs, depth, window.taps)
    grid = (blocks, cdiv(outs, tile_height(macros)), cdiv(inputs, COLUMNS))
    load.run("patch", "patch_weight", macros, grid, g, *maps, parts, batch, samples, *shapes)
    macros = fused_macros(g, window, inputs, CENTRE=int(centred))
    affine = g.new_empty(2, blocks, depth, window.taps)
    grid = (blocks, cdiv(inputs, tile_height(macros)), 1)
    load.run("patch", "patch_rows", macros, grid, g, *maps, weight, *affine, batch, samples, *shapes)
    macros = fused_macros(g, window, depth, CENTRE=int(centred))
    high = cdiv(depth, tile_height(macros))
    padded = g.new_empty(batch, depth, height + 2 * window.pad, width + 2 * window.pad)
    tiles = cdiv((height + 2 * window.pad) * (width + 2 * window.pad), COLUMNS)
    load.run("patch", "patch_to_map", macros, (batch * tiles, high, 1), g, *maps, weight, padded, 0, *shapes)
    phi = None
    if centred:
        centre = g.new_empty(batch, depth, rows, columns)
        grid = (batch * cdiv(rows * columns, COLUMNS), high, 1)
        load.run("patch", "patch_to_map", macros, grid, g, *maps, weight, centre, 1, *shapes)
        phi = spread_centres(centre, window, height, width)
    scale, shift = (part.sum(0) for part in affine)  # two tensors, not two views of one: operators may not alias
    return fold_border(padded, window), phi, scale, shift, parts.sum(0)
