"""The first half of the patchwise mapping on the CUDA kernels of patch*.cu: same functions, same results as `patch`.

Nothing here reads a value back to the host. Partial sums of blocks are added by torch in a fixed order.
"""

from torch import Tensor

from reproduce.kernels.cuda import launcher
from reproduce.kernels.cuda.tiling import count_strips, fused_macros, make_grid, make_outer_grid
from reproduce.kernels.operands import Patch, PatchGradients
from reproduce.kernels.window import Window, fold_border


def project(patch: Patch, window: Window) -> Tensor:
    """Return h (N, M, Ho, Wo) as `patch.project` does."""
    launcher.check_map(patch.psi.shape[-2:], window.pad)
    (batch, depth, height, width), outs = patch.psi.shape, patch.weight1.shape[0]
    rows, columns = window.out_size(height, width)
    macros = fused_macros(patch.psi, window, outs, CENTRE=int(patch.phi is not None))
    out = patch.psi.new_empty(batch, outs, rows, columns)
    launcher.run(
        "patch", "patch_project", macros, make_grid(macros, outs, batch * rows * columns),
        *_dense(patch), patch.weight1.contiguous(), out, batch, depth, outs, height, width, rows, columns,
    )  # fmt: skip
    return out


def project_backward(grad_h: Tensor, patch: Patch, window: Window) -> PatchGradients:
    """Return the gradients as `patch.project_backward` does."""
    launcher.check_map(patch.psi.shape[-2:], window.pad)
    (batch, depth, height, width), outs = patch.psi.shape, patch.weight1.shape[0]
    rows, columns = window.out_size(height, width)
    total, centre = batch * rows * columns, int(patch.phi is not None)
    g, maps, weight = grad_h.contiguous(), _dense(patch), patch.weight1.contiguous()
    shapes = depth, outs, height, width, rows, columns
    macros = fused_macros(g, window, outs, depth, CENTRE=centre)
    chunk, grid = make_outer_grid(macros, outs, depth, total, window.taps)
    parts = g.new_empty(grid[0], outs, depth, window.taps)
    launcher.run("patch_weight", "patch_weight", macros, grid, g, *maps, parts, batch, chunk, *shapes)
    macros = fused_macros(g, window, depth, CENTRE=centre)
    strips = count_strips(macros, depth, total, window.taps)
    grid = make_grid(macros, depth, total, strips, window.taps)
    affine = g.new_empty(2, grid[0], depth, window.taps)
    launcher.run("patch", "patch_rows", macros, grid, g, *maps, weight, *affine, batch, strips, *shapes)
    padded = g.new_empty(batch, depth, height + 2 * window.pad, width + 2 * window.pad)
    grid = make_grid(macros, depth, batch * padded.shape[2:].numel())
    launcher.run("patch", "patch_to_map", macros, grid, g, *maps, weight, padded, 0, batch, *shapes)
    phi = None
    if patch.phi is not None:
        centres = g.new_empty(batch, depth, rows, columns)
        grid = make_grid(macros, depth, total)
        launcher.run("patch", "patch_to_map", macros, grid, g, *maps, weight, centres, 1, batch, *shapes)
        phi = window.spread_centres(centres, height, width)
    scale, shift = (part.sum(0) for part in affine)  # two tensors, not two views of one: operators may not alias
    return PatchGradients(fold_border(padded, window), phi, scale, shift, parts.sum(0))


def _dense(patch: Patch) -> tuple[Tensor | None, ...]:
    maps = patch.psi, patch.phi, patch.scale, patch.shift
    return tuple(None if tensor is None else tensor.contiguous() for tensor in maps)
