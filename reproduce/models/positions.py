"""Relative positions as attention scores: the quadratic (Gaussian) encoding and the learned tables.

Legend: H heads, n side of the token map, N = n * n tokens, T = 2n - 1 shifts along an axis, D width.
A shift is key minus query; axis 0 is the row. ``axis_scores`` gives the two factors of a separable map,
``scores`` the whole of any map: score[h, (i, j), (k, l)].
"""

import torch
from torch import Tensor, nn

from reproduce.models.algebra import autocast_dtype


def spread_shifts(score_HT: Tensor, side: int) -> Tensor:
    """Lay scores by shift out as scores by query and key along one axis: (H, T) -> (H, n, n), T = 2n - 1."""
    # Window i of the shift axis holds keys 0..n-1 as seen from query n-1-i.
    return score_HT.unfold(1, side, 1).flip(1)


def list_shifts(side: int, like: Tensor) -> Tensor:
    """Return the shifts -(n-1)..n-1 (T), made where ``like`` lies: from the host a GPU would have to wait for them."""
    return torch.arange(1 - side, side, dtype=like.dtype, device=like.device)


class GaussianPositions(nn.Module):
    """Quadratic encoding: score = -1/2 (d - mu)^T Sigma^-1 (d - mu) up to a constant ([Re] section 3.2.1).

    ``isotropic``: Sigma^-1 = s^2 I, one spread s a head, and the map is separable; otherwise Sigma^-1 = S S^T
    with a free 2x2 S. Centres start as N(0, 2^2), spreads as 1 (or I) plus N(0, 0.01^2).
    ``add_centre`` is slip B3: the linear column term uses c + mu_2 in place of c * mu_2.
    """

    def __init__(self, heads: int, isotropic: bool, add_centre: bool = False) -> None:
        super().__init__()
        self.isotropic = isotropic
        self.add_centre = add_centre
        self.centres = nn.Parameter(2.0 * torch.randn(heads, 2))
        start = torch.ones(heads) if isotropic else torch.eye(2).repeat(heads, 1, 1)
        self.spreads = nn.Parameter(start + 0.01 * torch.randn_like(start))

    @property
    def separable(self) -> bool:
        """Whether the map is a product of a row factor and a column factor (S1)."""
        return self.isotropic

    def precision(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return a, b, c of Sigma^-1 = [[a, b], [b, c]], each (H)."""
        if self.isotropic:
            square_H = self.spreads**2
            return square_H, torch.zeros_like(square_H), square_H
        inverse_H22 = self.spreads @ self.spreads.transpose(1, 2)
        return inverse_H22[:, 0, 0], inverse_H22[:, 0, 1], inverse_H22[:, 1, 1]

    def _linear(self) -> tuple[Tensor, Tensor]:
        a_H, b_H, c_H = self.precision()
        mu1_H, mu2_H = self.centres.unbind(1)
        along_column_H = (c_H + mu2_H if self.add_centre else c_H * mu2_H) + b_H * mu1_H
        return a_H * mu1_H + b_H * mu2_H, along_column_H

    def axis_scores(self, side: int) -> tuple[Tensor, Tensor]:
        """Return the row and column scores (H, n, n) whose sum is the score of an isotropic map."""
        a_H, _, c_H = self.precision()
        row_H, column_H = self._linear()
        shift_T = list_shifts(side, self.centres)
        row_HT = torch.outer(row_H, shift_T) - 0.5 * torch.outer(a_H, shift_T**2)
        column_HT = torch.outer(column_H, shift_T) - 0.5 * torch.outer(c_H, shift_T**2)
        return spread_shifts(row_HT, side), spread_shifts(column_HT, side)

    def scores(self, side: int) -> Tensor:
        """Return the scores (H, N, N) of any map, built from its (2n-1)^2 shifts."""
        _, b_H, _ = self.precision()
        row_Hnn, column_Hnn = self.axis_scores(side)
        score_Hijkl = row_Hnn[:, :, None, :, None] + column_Hnn[:, None, :, None, :]
        if not self.isotropic:
            shift_nn = spread_shifts(list_shifts(side, self.centres)[None], side)[0]
            cross_ijkl = shift_nn[:, None, :, None] * shift_nn[None, :, None, :]
            score_Hijkl = score_Hijkl - b_H[:, None, None, None, None] * cross_ijkl
        return score_Hijkl.flatten(3, 4).flatten(1, 2)


class LearnedPositions(nn.Module):
    """Learned row and column tables, scored by one linear layer each: the "w/o content" embedding.

    The bias (slip-free and without effect: the softmax cancels it) is the report's; the original has none.
    """

    separable = True

    def __init__(self, heads: int, width: int, side: int, bias: bool) -> None:
        super().__init__()
        self.side = side
        self.row_table = nn.Embedding(2 * side - 1, width)
        self.column_table = nn.Embedding(2 * side - 1, width)
        self.row_score = nn.Linear(width, heads, bias=bias)
        self.column_score = nn.Linear(width, heads, bias=bias)

    def axis_scores(self, side: int) -> tuple[Tensor, Tensor]:
        """Return the row and column scores, each (H, n, n), in the tables' own precision whatever autocast says."""
        device = self.row_table.weight.device
        if autocast_dtype(device) is None:
            return self._axis_scores(side)
        with torch.autocast(device.type, enabled=False):
            return self._axis_scores(side)

    def _axis_scores(self, side: int) -> tuple[Tensor, Tensor]:
        row_HT = self.row_score(self.row_table.weight).T
        column_HT = self.column_score(self.column_table.weight).T
        return spread_shifts(row_HT, side), spread_shifts(column_HT, side)

    def scores(self, side: int) -> Tensor:
        """Return the scores (H, N, N)."""
        row_Hnn, column_Hnn = self.axis_scores(side)
        return (row_Hnn[:, :, None, :, None] + column_Hnn[:, None, :, None, :]).flatten(3, 4).flatten(1, 2)
