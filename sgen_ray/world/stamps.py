"""Small pictures inside large ones: patches around a subject, and many soft dots at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sgen_ray.world.sdf import length


class Patch:
    """A rectangle of the same pixel size in some pictures, at its own place in each, inside the picture.

    Attributes:
        image: [K, 3, h, w], a copy; `put` writes it back.
        x, y: [K, 1, w] and [K, h, 1] coordinates in frame heights, x from the middle, y down.
    """

    def __init__(self, pictures: Tensor, which: Tensor, left: Tensor, top: Tensor, width: float, height: float) -> None:
        """pictures: [B, 3, H, W] contiguous; which: [K] of them; left, top: [K] and width, height in frame heights."""
        _, _, rows, columns = pictures.shape
        device = pictures.device
        w = min(columns, math.ceil(width * rows) + 3)
        h = min(rows, math.ceil(height * rows) + 3)
        x0 = ((left * rows + columns / 2).floor() - 1).clamp(0, columns - w).long()
        y0 = ((top * rows).floor() - 1).clamp(0, rows - h).long()
        across, down = torch.arange(w, device=device), torch.arange(h, device=device)
        pixel = ((y0[:, None] + down) * columns)[:, :, None] + (x0[:, None] + across)[:, None, :]
        plane = (which[:, None] * 3 + torch.arange(3, device=device))[:, :, None, None] * (rows * columns)
        self._index = plane + pixel[:, None]
        self._pictures = pictures
        self.image = pictures.view(-1).take(self._index)
        self.x = (((x0[:, None] + across) + 0.5 - columns / 2) / rows)[:, None, :]
        self.y = (((y0[:, None] + down) + 0.5) / rows)[:, :, None]

    def put(self) -> None:
        self._pictures.view(-1)[self._index] = self.image


def dots(pictures: Tensor, x: Tensor, y: Tensor, rx: float, ry: float, strength: Tensor | float = 1.0) -> Tensor:
    """Coverage [B, 1, H, W] of soft dots at x, y: [B, K] (frame heights; x from the middle), half axes rx, ry.

    Where dots overlap the largest counts, so that the sum has no order.
    """
    b, _, rows, columns = pictures.shape
    px, py = x * rows + columns / 2 - 0.5, y * rows - 0.5
    ax, ay = max(rx * rows, 0.6), max(ry * rows, 0.6)
    nx, ny = math.ceil(ax + 0.5), math.ceil(ay + 0.5)
    ox = torch.arange(-nx, nx + 1, device=x.device)
    oy = torch.arange(-ny, ny + 1, device=x.device)
    ix, iy = px.round().long()[..., None] + ox, py.round().long()[..., None] + oy
    dx, dy = (ix - px[..., None]) / ax, (iy - py[..., None]) / ay
    inside = (ix >= 0) & (ix < columns)
    d = length(dx[:, :, None, :], dy[:, :, :, None])
    cover = ((1 - d) * min(ax, ay) + 0.5).clamp(0, 1)
    cover = cover * (inside[:, :, None, :] & ((iy >= 0) & (iy < rows))[:, :, :, None]) * _last2(strength)
    index = iy.clamp(0, rows - 1)[:, :, :, None] * columns + ix.clamp(0, columns - 1)[:, :, None, :]
    field = torch.zeros(b, rows * columns, device=x.device)
    field.scatter_reduce_(1, index.flatten(1), cover.flatten(1), "amax")
    return field.view(b, 1, rows, columns)


def scatter(state_hills: Tensor, count: int, salt: int) -> tuple[Tensor, Tensor, Tensor]:
    """Three [B, count] sets of numbers in 0..1, fixed by the shot: where dots begin."""
    k = torch.arange(count, device=state_hills.device)
    seed = (state_hills * 65536).round().long()[:, None] * 131 + salt
    return chance(k + seed * 64), chance(k + seed * 64 + 7919), chance(k + seed * 64 + 104729)


def chance(i: Tensor) -> Tensor:
    """A hash of whole numbers to 0..1, the same on every device."""
    h = (i.long() * 73856093) & 0x7FFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0x7FFFFFFF
    h = ((h ^ (h >> 15)) * 97) & 0xFFFFFF
    return h.float() / float(1 << 24)


def _last2(value: Tensor | float) -> Tensor | float:
    return value[..., None, None] if isinstance(value, Tensor) else value
