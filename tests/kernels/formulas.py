"""The operators as nested loops over the printed formulas, in float64: slow, and hard to get wrong."""

import numpy as np


def neighbour(index, size, reflect):
    """Coordinate after the border rule, or None for a zero."""
    if 0 <= index < size:
        return index
    if not reflect:
        return None
    return -index if index < 0 else 2 * (size - 1) - index


def read(x_NCHW, window, oy, ox, tap):
    """(N, C): the neighbour of output (oy, ox) under ``tap``."""
    height, width = x_NCHW.shape[-2:]
    pad = window.dilation * (window.kernel - 1) // 2
    ky, kx = divmod(tap, window.kernel)
    y = neighbour(-pad + window.stride * oy + window.dilation * ky, height, window.reflect)
    x = neighbour(-pad + window.stride * ox + window.dilation * kx, width, window.reflect)
    return np.zeros(x_NCHW.shape[:2]) if y is None or x is None else x_NCHW[:, :, y, x]


def outputs(x_NCHW, window):
    """Every (o, oy, ox)."""
    height, width = x_NCHW.shape[-2:]
    rows, columns = -(-height // window.stride), -(-width // window.stride)
    return [(oy * columns + ox, oy, ox) for oy in range(rows) for ox in range(columns)], rows, columns


def subtraction2(a, b, window):
    places, rows, columns = outputs(a, window)
    y = np.zeros((*a.shape[:2], window.kernel**2, rows * columns))
    for o, oy, ox in places:
        for t in range(window.kernel**2):
            y[:, :, t, o] = a[:, :, oy * window.stride, ox * window.stride] - read(b, window, oy, ox, t)
    return y


def aggregation(x, weight, window):
    places, rows, columns = outputs(x, window)
    y = np.zeros((*x.shape[:2], rows, columns))
    channel = np.arange(x.shape[1]) % weight.shape[1]
    for o, oy, ox in places:
        for t in range(window.kernel**2):
            y[:, :, oy, ox] += weight[:, channel, t, o] * read(x, window, oy, ox, t)
    return y


def batch_norm(z_NDX, scale, shift, eps):
    mean, var = z_NDX.mean((0, 2), keepdims=True), z_NDX.var((0, 2), keepdims=True)
    return (z_NDX - mean) / np.sqrt(var + eps) * scale[None, :, None] + shift[None, :, None]


def gamma(z_NDX, m):
    """The mapping with batch statistics; ``m`` maps names to arrays."""
    hidden = np.maximum(batch_norm(z_NDX, m["scale1"], m["shift1"], m["eps"]), 0)
    hidden = np.einsum("md,ndx->nmx", m["weight1"], hidden)
    hidden = np.maximum(batch_norm(hidden, m["scale2"], m["shift2"], m["eps"]), 0)
    return np.einsum("om,nmx->nox", m["weight2"], hidden) + m["bias"][None, :, None]


def pairwise(phi, psi, beta, m, window, position, relation):
    places, rows, columns = outputs(phi, window)
    taps = window.kernel**2
    rows_of = []
    for t in range(taps):
        for _, oy, ox in places:
            centre, near = phi[:, :, oy * window.stride, ox * window.stride], read(psi, window, oy, ox, t)
            delta = {
                "subtraction": lambda c=centre, n=near: c - n,
                "summation": lambda c=centre, n=near: c + n,
                "concatenation": lambda c=centre, n=near: np.concatenate([c, n], 1),
                "hadamard": lambda c=centre, n=near: c * n,
                "dot": lambda c=centre, n=near: (c * n).sum(1, keepdims=True),
            }[relation]()
            if position is not None:
                here = position[:, :, oy * window.stride, ox * window.stride] - read(position, window, oy, ox, t)
                delta = np.concatenate([delta, np.repeat(here, len(delta), 0)], 1)
            rows_of.append(delta)
    logits = gamma(np.stack(rows_of, 2), m).reshape(len(phi), -1, taps, rows * columns)
    weight = np.exp(logits - logits.max(2, keepdims=True))
    weight /= weight.sum(2, keepdims=True)
    return aggregation(beta, weight, window), weight


def patchwise(phi, psi, beta, m, window, relation):
    places, rows, columns = outputs(phi, window)
    taps = window.kernel**2
    columns_of = []
    for _, oy, ox in places:
        centre = phi[:, :, oy * window.stride, ox * window.stride]
        near = np.stack([read(psi, window, oy, ox, t) for t in range(taps)], 2)
        mine = np.stack([read(phi, window, oy, ox, t) for t in range(taps)], 2)
        delta = {
            "concatenation": lambda c=centre, n=near: np.concatenate([c, n.reshape(len(n), -1)], 1),
            "subtraction": lambda c=centre, n=near: (c[:, :, None] - n).reshape(len(n), -1),
            "star": lambda c=centre, n=near: (c[:, :, None] * n).sum(1),
            "clique": lambda m=mine, n=near: np.einsum("nrj,nrk->njk", m, n).reshape(len(n), -1),
        }[relation]()
        columns_of.append(delta)
    weight = gamma(np.stack(columns_of, 2), m).reshape(len(phi), -1, taps, rows * columns)
    return aggregation(beta, weight, window), weight
