"""The core of patchwise attention in plain torch: the mapping's first half, for the k*k neighbours of every pixel.

    h[m, o] = sum_{c,t} W1[m, c, t] relu(s[c,t] * v[c,t,o] + b[c,t])
    v = psi~[c, j(o,t)]  or  phi[c, centre(o)] - psi~[c, j(o,t)]

The r*k*k values of a pixel exist for a few samples, or a few taps of one sample, at a time.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from reproduce.kernels.cpu.relation import close_relu, multiply, tiles
from reproduce.kernels.cpu.scratch import take
from reproduce.kernels.cpu.shifts import Shifts
from reproduce.kernels.operands import Patch, PatchGradients
from reproduce.kernels.window import Window


def project(patch: Patch, window: Window) -> Tensor:
    """Return h, (N, M, Ho, Wo)."""
    shifts, rows = Shifts(window, *patch.psi.shape[-2:]), patch.weight1.shape[0]
    out = patch.psi.new_empty(patch.psi.shape[0], rows, shifts.out_height, shifts.out_width)
    weight_MTC = patch.weight1.transpose(1, 2).contiguous()
    for part, taps in tiles(shifts, len(out), patch.psi.shape[1] * shifts.outputs, out.element_size()):
        if taps.start == 0:
            centre, planes = _spread(patch, shifts, part)
            total = out.new_zeros(part.stop - part.start, rows, shifts.outputs)
        u = _relate(patch, shifts, centre, planes, taps)
        total += multiply(weight_MTC[:, taps.start : taps.stop].flatten(1), u.flatten(1, 2).flatten(2))
        if taps.stop == window.taps:
            out[part] = shifts.frame(total)
    return out


def project_backward(grad_h: Tensor, patch: Patch, window: Window) -> PatchGradients:
    """Return the gradients of `project` with respect to the fields of `Patch`, in order."""
    shifts = Shifts(window, *patch.psi.shape[-2:])
    weight_MTC = patch.weight1.transpose(1, 2).contiguous()
    grad_psi = torch.empty_like(patch.psi, memory_format=torch.contiguous_format)
    grad_phi = None if patch.phi is None else torch.zeros_like(patch.phi)
    grad_scale, grad_shift, grad_weight = (torch.zeros_like(t) for t in (patch.scale, patch.shift, weight_MTC))
    for part, taps in tiles(shifts, len(grad_h), 2 * patch.psi.shape[1] * shifts.outputs, grad_h.element_size()):
        if taps.start == 0:
            centre, planes = _spread(patch, shifts, part)
            back, g = shifts.empty_planes(patch.psi[part]), grad_h[part].flatten(2)
            sum_phi = None if centre is None else torch.zeros_like(centre)
        cut = slice(taps.start, taps.stop)
        u = _relate(patch, shifts, centre, planes, taps)
        flat = u.flatten(1, 2).flatten(2)
        grad_weight[:, cut] += torch.matmul(g, flat.mT).sum(0).view_as(grad_weight[:, cut])
        weight_nUM = weight_MTC[:, cut].flatten(1).T.expand(len(g), -1, -1)
        grad_u = torch.bmm(weight_nUM, g, out=take("product", flat.shape, flat))
        close_relu(grad_u, flat, grad_u)
        grad_u = grad_u.view_as(u)
        grad_shift[:, cut] += grad_u.flatten(3).sum((0, 3)).T
        for places, value in _values(shifts, centre, planes, taps):
            product = torch.mul(grad_u[:, places], value, out=u[:, places])
            grad_scale[:, cut][:, places] += product.flatten(3).sum((0, 3)).T
        for place, tap in enumerate(taps):
            mine, slope = grad_u[:, place], patch.scale[:, tap, None, None]
            shifts.view(back, tap).addcmul_(mine, slope, value=1 if centre is None else -1)
            if sum_phi is not None:
                sum_phi.addcmul_(mine, slope)
        if taps.stop == window.taps:
            grad_psi[part] = shifts.collect(back)
            if grad_phi is not None and sum_phi is not None:
                window.centres(grad_phi)[part] = sum_phi
    return PatchGradients(grad_psi, grad_phi, grad_scale, grad_shift, grad_weight.transpose(1, 2).contiguous())


def _spread(patch: Patch, shifts: Shifts, part: slice) -> tuple[Tensor | None, Tensor]:
    centre = None if patch.phi is None else shifts.window.centres(patch.phi[part])
    return centre, shifts.spread(patch.psi[part])


def _values(shifts: Shifts, centre: Tensor | None, planes: Tensor, taps: range) -> Iterator[tuple[slice, Tensor]]:
    """Yield (places in ``taps``, v (n, few, r, Ho, Wo))."""
    for places, view in shifts.blocks(planes, taps):
        value = view.transpose(1, 2)
        yield places, value if centre is None else centre.unsqueeze(1) - value


def _relate(patch: Patch, shifts: Shifts, centre: Tensor | None, planes: Tensor, taps: range) -> Tensor:
    """Return relu(s*v + b) for some taps, (n, len(taps), r, Ho, Wo), in scratch memory."""
    batch, width = planes.shape[1:3]
    u = take("wide", (batch, len(taps), width, shifts.out_height, shifts.out_width), planes)
    scale, shift = (t.T[taps.start : taps.stop, :, None, None] for t in (patch.scale, patch.shift))
    for places, value in _values(shifts, centre, planes, taps):
        torch.mul(value, scale[places], out=u[:, places])
    return u.add_(shift).relu_()
