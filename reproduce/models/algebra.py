"""Exact algebra that makes attention cheap: separable and batch-shared products, merged weights, kept results.

Legend: B images, n side, N = n * n tokens, H heads, D width. Every function equals the naive form of
``y = sum_h A_h x U_h^T`` with U_h (D out, D in) the output weights of head h (Cordonnier et al. 2020, Eq. 4).
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

T = TypeVar("T")


class SeparableApply(torch.autograd.Function):
    """S1: y = sum_h R_h (C_h (x U_h^T)) for maps that are a row factor times a column factor.

    Two contractions over n tokens replace one over n^2: 2 H D n^3 multiply-accumulates in place of H D n^4.
    One head at a time, so that its (B, N, D) intermediate stays in cache.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, x_BND: Tensor, row_Hnn: Tensor, column_Hnn: Tensor, out_HDD: Tensor) -> Tensor:
        """Return y (B, N, D) for x (B, N, D), factors (H, n, n) and output weights (H, D, D)."""
        ctx.save_for_backward(x_BND, row_Hnn, column_Hnn, out_HDD)
        B, N, D = x_BND.shape
        H, n, _ = row_Hnn.shape
        flat_MD = x_BND.reshape(B * N, D)
        y = x_BND.new_zeros(B, n, n * out_HDD.shape[1])
        for h in range(H):
            z = (flat_MD @ out_HDD[h].T).view(B * n, n, -1)
            t = torch.bmm(column_Hnn[h].expand(B * n, n, n), z)
            torch.baddbmm(y, row_Hnn[h].expand(B, n, n), t.view(B, n, -1), out=y)
        return y.view(B, N, -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, dy_BND: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # type: ignore[override]
        """Return the gradients of x, the row factor, the column factor and the output weights."""
        x_BND, row_Hnn, column_Hnn, out_HDD = ctx.saved_tensors  # type: ignore[attr-defined]
        B, N, D = x_BND.shape
        H, n, _ = row_Hnn.shape
        flat_MD = x_BND.reshape(B * N, D)
        dy = dy_BND.reshape(B, n, -1)
        dx_MD = torch.zeros_like(flat_MD)
        drow, dcolumn, dout = torch.empty_like(row_Hnn), torch.empty_like(column_Hnn), torch.empty_like(out_HDD)
        for h in range(H):
            z = (flat_MD @ out_HDD[h].T).view(B * n, n, -1)
            t = torch.bmm(column_Hnn[h].expand(B * n, n, n), z).view(B, n, -1)
            drow[h] = torch.bmm(dy, t.transpose(1, 2)).sum(0)
            dt = torch.bmm(row_Hnn[h].T.expand(B, n, n), dy).view(B * n, n, -1)
            dcolumn[h] = torch.bmm(dt, z.transpose(1, 2)).sum(0)
            dz = torch.bmm(column_Hnn[h].T.expand(B * n, n, n), dt).view(B * N, -1)
            dout[h] = dz.T @ flat_MD
            dx_MD = torch.addmm(dx_MD, dz, out_HDD[h], out=dx_MD)
        return dx_MD.view(B, N, D), drow, dcolumn, dout


class SharedApply(torch.autograd.Function):
    """S2: y = sum_h A_h z_h for maps that all images of the batch share, as one product an image.

    The gradient of the map is summed over the batch without its (B, N, N H) summands ever being held together.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, map_HNN: Tensor, z_BNHD: Tensor) -> Tensor:
        """Return y (B, N, D) for maps (H, N, N) and values (B, N, H, D)."""
        B, N, H, D = z_BNHD.shape
        map_NM = map_HNN.permute(1, 2, 0).reshape(N, N * H)
        z_BMD = z_BNHD.reshape(B, N * H, D)
        ctx.save_for_backward(map_NM, z_BMD)
        ctx.heads = H  # type: ignore[attr-defined]
        return torch.bmm(map_NM.expand(B, N, N * H), z_BMD)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, dy_BND: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Return the gradients of the map (H, N, N) and of the values (B, N, H, D)."""
        map_NM, z_BMD = ctx.saved_tensors  # type: ignore[attr-defined]
        B, M, D = z_BMD.shape
        N, H = map_NM.shape[0], ctx.heads  # type: ignore[attr-defined]
        dz_BMD = torch.bmm(map_NM.T.expand(B, M, N), dy_BND)
        sum_products = sum_products_at_once if map_NM.is_cuda else sum_products_in_turn
        dmap_NM = sum_products(dy_BND, z_BMD).to(map_NM.dtype)
        return dmap_NM.view(N, N, H).permute(2, 0, 1), dz_BMD.view(B, N, H, D)


def sum_products_in_turn(dy_BND: Tensor, z_BMD: Tensor) -> Tensor:
    """Return sum_b dy_b z_b^T (N, M) image by image, summed in float32: what suits a CPU's caches."""
    (_, N, _), (_, M, _) = dy_BND.shape, z_BMD.shape
    total_NM = torch.zeros(N, M, dtype=torch.promote_types(dy_BND.dtype, torch.float32), device=dy_BND.device)
    for dy_ND, z_MD in zip(dy_BND, z_BMD, strict=True):
        total_NM += dy_ND @ z_MD.T
    return total_NM


def sum_products_at_once(dy_BND: Tensor, z_BMD: Tensor) -> Tensor:
    """Return sum_b dy_b z_b^T (N, M) as one product over images and widths: one launch in place of one an image.

    The operands are copied into that order, B N D and B M D values; the sum is in the product's own accumulator.
    """
    (B, N, D), (_, M, _) = dy_BND.shape, z_BMD.shape
    return dy_BND.transpose(0, 1).reshape(N, B * D) @ z_BMD.transpose(1, 2).reshape(B * D, M)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """Return the dtype that autocast asks for on ``device``, None where it is off."""
    if device.type == "meta" or not torch.is_autocast_enabled(device.type):
        return None
    return torch.get_autocast_dtype(device.type)


def apply_separable(x_BND: Tensor, row_Hnn: Tensor, column_Hnn: Tensor, out_HDD: Tensor) -> Tensor:
    """Return :class:`SeparableApply` in the dtype that autocast asks for."""
    return _apply(SeparableApply, x_BND, row_Hnn, column_Hnn, out_HDD)


def apply_shared(map_HNN: Tensor, z_BNHD: Tensor) -> Tensor:
    """Return :class:`SharedApply` in the dtype that autocast asks for."""
    return _apply(SharedApply, map_HNN, z_BNHD)


def _apply(function: type[torch.autograd.Function], *operands: Tensor) -> Tensor:
    dtype = autocast_dtype(operands[0].device)
    if dtype is None:
        return function.apply(*operands)  # type: ignore[no-any-return]
    with torch.autocast(operands[0].device.type, enabled=False):
        return function.apply(*(operand.to(dtype) for operand in operands))  # type: ignore[no-any-return]


def merge_query_key(query_HDE: Tensor, key_HDE: Tensor) -> Tensor:
    """S4: return M (H, D, D) with q_i . k_j = x_i M_h x_j, from W_q and W_k (H, d, D) of queries and keys."""
    return query_HDE.transpose(1, 2) @ key_HDE


def merge_value_output(value_HED: Tensor, out_HDE: Tensor) -> Tensor:
    """S5: return U (H, D, D), U_h = W_o W_v, from W_v (H, d, D) of values and W_o (H, D, d) of the output layer."""
    return out_HDE @ value_HED


class Kept:
    """Results that depend on weights only, kept between calls while no gradient is asked for.

    A result is rebuilt when any of its weights was written to, moved or cast, or when autocast changed.
    """

    def __init__(self) -> None:
        self._results: dict[str, tuple[tuple[object, ...], object]] = {}

    def get(self, name: str, weights: Iterable[Tensor], build: Callable[[], T]) -> T:
        """Return ``build()``, or the kept result of an earlier call from the same weights."""
        if torch.is_grad_enabled():
            return build()
        held = tuple(weights)
        key = (autocast_dtype(held[0].device), *((id(w), w.data_ptr(), w._version, w.dtype) for w in held))
        found = self._results.get(name)
        if found is None or found[0] != key:
            found = (key, build())
            self._results[name] = found
        return found[1]  # type: ignore[return-value]

    def results(self) -> list[object]:
        """Return what is kept now; who holds it may read it after it has been forgotten here."""
        return [result for _, result in self._results.values()]

    def clear(self) -> None:
        """Forget every result."""
        self._results.clear()


class KeepingModule(nn.Module):
    """A module that keeps results of its weights at inference and forgets them when training begins.

    Version counters alone would do for torch's own optimisers; a fused kernel need not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept = Kept()

    def train(self, mode: bool = True) -> "KeepingModule":
        """Switch the mode as usual."""
        if mode:
            self._kept.clear()
        super().train(mode)
        return self
