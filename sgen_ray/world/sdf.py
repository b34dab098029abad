"""Signed distances (negative inside) of plain shapes, and the brush that paints them with antialiased edges.

Coordinates x, y are [B, h, w] or broadcast to it; every other argument is a float or broadcasts likewise.
Formulas after Inigo Quilez, https://iquilezles.org/articles/distfunctions2d/ ; the ellipse's is approximate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Number = float | Tensor
Colour = Sequence[float] | Tensor


def length(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean length; three times faster on a CPU than torch.hypot, whose care with overflow is not needed."""
    return torch.addcmul(x * x, y, y).sqrt_()


def circle(x: Tensor, y: Tensor, cx: Number, cy: Number, r: Number) -> Tensor:
    return length(x - cx, y - cy) - r


def ellipse(x: Tensor, y: Tensor, cx: Number, cy: Number, rx: float, ry: float, angle: Number = 0.0) -> Tensor:
    """Distance to an ellipse with half axes rx, ry, turned by `angle` radians; to first order exact at its edge."""
    dx, dy = rotate(x - cx, y - cy, angle)
    dx, dy = dx * (1 / rx), dy * (1 / ry)
    k = length(dx, dy)
    slope = length(dx * (1 / rx), dy * (1 / ry))
    return (k - 1) * (k + 1e-6) / (slope + 1e-6 / min(rx, ry))


def box(x: Tensor, y: Tensor, cx: Number, cy: Number, hx: Number, hy: Number, r: float = 0.0) -> Tensor:
    """A rectangle with half sides hx, hy and corners rounded by r. Inside it the distance is to the nearer side."""
    dx, dy = (x - cx).abs() - (hx - r), (y - cy).abs() - (hy - r)
    if r == 0:
        return torch.maximum(dx, dy)
    return length(dx.clamp(min=0), dy.clamp(min=0)) + torch.maximum(dx, dy).clamp(max=0) - r


def capsule(x: Tensor, y: Tensor, a: tuple[Number, Number], b: tuple[Number, Number], ra: Number, rb: Number) -> Tensor:
    """A stroke from a to b whose radius goes from ra to rb."""
    bx, by = b[0] - a[0], b[1] - a[1]
    along = bx * bx + by * by + 1e-9
    dx, dy = x - a[0], y - a[1]
    h = (dx * (bx / along) + dy * (by / along)).clamp(0, 1)
    d = length(dx - h * bx, dy - h * by)
    return d - ra if ra is rb else d - ra - h * (rb - ra)


def convex(x: Tensor, y: Tensor, *points: tuple[Number, Number]) -> Tensor:
    """A convex polygon, corners counter-clockwise with y up: the largest distance to its sides."""
    d: Tensor | None = None
    for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True):
        ex, ey = bx - ax, by - ay
        n: Number = (ex * ex + ey * ey) ** 0.5 + 1e-6
        side: Tensor = (x - ax) * (ey / n) - (y - ay) * (ex / n)
        d = side if d is None else torch.maximum(d, side)
    assert d is not None
    return d


def rotate(x: Tensor, y: Tensor, angle: Number) -> tuple[Tensor, Tensor]:
    """Coordinates in a frame turned counter-clockwise by `angle` radians (y up)."""
    c: Number
    s: Number
    if isinstance(angle, Tensor):
        c, s = angle.cos(), angle.sin()
    elif angle == 0:
        return x, y
    else:
        c, s = math.cos(angle), math.sin(angle)
    return c * x + s * y, c * y - s * x


def union(*distances: Tensor) -> Tensor:
    d = distances[0]
    for other in distances[1:]:
        d = torch.minimum(d, other)
    return d


class Brush:
    """Paints onto a picture in place.

    Attributes:
        image: [B, 3, h, w], changed in place.
        x, y: local coordinates [B, h, w], y up; sharp: pixels in a local unit [B, 1, 1].
        light: [B, 3], what every colour is multiplied with unless it glows.
    """

    def __init__(self, image: Tensor, x: Tensor, y: Tensor, sharp: Tensor, light: Tensor) -> None:
        self.image, self.x, self.y, self.sharp, self.light = image, x, y, sharp, light

    def paint(self, distance: Tensor, colour: Colour, alpha: Number = 1.0, glow: bool = False) -> None:
        """Fill where `distance` is negative; the edge is one pixel wide. colour: three numbers or [B, 3]."""
        cover = (0.5 - distance * self.sharp).clamp(0, 1)
        if not (isinstance(alpha, float) and alpha == 1.0):
            cover = cover * alpha
        self.image.lerp_(self.tint(colour, glow), cover.unsqueeze(1))

    def tint(self, colour: Colour, glow: bool = False) -> Tensor:
        rgb = colour if isinstance(colour, Tensor) else self.light.new_tensor(list(colour)).expand_as(self.light)
        return (rgb if glow else rgb * self.light)[:, :, None, None]
