"""The landscapes: a sky, then layers from far to near, each scrolling at its own depth."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sgen_ray.world.layers import Canvas, cells, peaks, rolling
from sgen_ray.world.motion import State
from sgen_ray.world.sdf import Colour, box, capsule, length, union
from sgen_ray.world.sky import paint_sky, paint_sky_object
from sgen_ray.world.stamps import chance, dots

TAU = 2 * math.pi


def paint_place(image: Tensor, state: State, place: str) -> None:
    """Sky and landscape of frames that are all in `place`, onto image [B, 3, H, W]."""
    paint_sky(image, state)
    if place not in ("studio", "underwater"):
        paint_sky_object(image, state)
    PLACES[place](Canvas(image, state))


def paint_front(image: Tensor, state: State, place: str) -> None:
    """What stands before the subject: the nearest waves."""
    assert place == "ocean"
    c = Canvas(image, state)
    x, t = c.across(1.0), state.t[:, None]
    c.layer(0.83 + 0.018 * torch.sin(x * 9 + t * 2.0), (0.10, 0.44, 0.72), 1.0, 0.78)
    c.layer(0.92 + 0.016 * torch.sin(x * 7 - t * 1.6 + 2), (0.06, 0.34, 0.60), 1.0, 0.86)


def _mars(c: Canvas) -> None:
    x = c.across(0.12)
    u, r, _ = cells(x, 0.9, 3)
    mesa = ((0.42 - u.abs()) * 6).clamp(0, 1) * (0.06 + 0.15 * r)
    c.layer(0.60 - mesa, (0.78, 0.45, 0.33), 0.12, 0.36, 3.0)
    c.layer(0.63 - 0.05 * rolling(c.across(0.35), 2.6), (0.70, 0.33, 0.20), 0.35, 0.54)
    c.ground(0.71, (0.72, 0.30, 0.15), (0.85, 0.43, 0.24), 1.0, 0.70)
    _stones(c, (0.50, 0.19, 0.11))


def _moon(c: Canvas) -> None:
    c.layer(0.62 - 0.07 * rolling(c.across(0.15), 2.2), (0.55, 0.56, 0.62), 0.15, 0.52)
    c.ground(0.70, (0.70, 0.71, 0.76), (0.84, 0.85, 0.88), 1.0, 0.69)
    _stones(c, (0.52, 0.53, 0.60), flat=True)


def _stones(c: Canvas, colour: Colour, flat: bool = False) -> None:
    """Two rows of stones (or craters) on the ground: what shows its motion."""
    for row, (height, period, size) in enumerate(((0.76, 0.5, 0.02), (0.93, 0.75, 0.034))):
        depth = 0.85 if row == 0 else 1.0
        u, r, _ = cells(c.across(depth), period, 11 + row)
        wide = size * (1.6 if flat else 1.0) * (1 + r)
        dx = (u + (r - 0.5) * 0.4) * period
        tall = size * (0.5 if flat else 0.9)
        arc = (1 - (dx / wide).square()).clamp(min=0).sqrt()[:, None, :]
        dy = (c.y - c.down(height, depth)[:, None, None]).abs() / c.zoom(depth)[:, None, None]
        c.fill(((arc * tall - dy) * c.rows).clamp(0, 1)[:, None] * (arc[:, None] > 0), colour, top=height - 0.05)


def _city(c: Canvas) -> None:
    _buildings(c, 0.15, 0.46, 0.26, 0.36, (0.66, 0.74, 0.84), 5, False)
    _buildings(c, 0.4, 0.62, 0.22, 0.42, (0.42, 0.50, 0.66), 8, True)
    c.layer(0.69, (0.74, 0.74, 0.76), 1.0, 0.67)
    c.layer(0.765, (0.33, 0.34, 0.39), 1.0, 0.74)
    u, _, _ = cells(c.across(1.0), 0.6, 1)
    dash = ((0.24 - u.abs()) * 0.6 * c.rows + 0.5).clamp(0, 1)[:, None, None, :]
    line = c.below(0.915, 1.0) - c.below(0.945, 1.0)
    c.fill(line * dash, (0.95, 0.93, 0.80), top=0.88)


def _buildings(c: Canvas, depth: float, period: float, low: float, high: float, colour: Colour, salt: int,
               windows: bool) -> None:  # fmt: skip
    u, r, number = cells(c.across(depth), period, salt)
    walls = ((0.45 - u.abs()) * (period * c.rows) + 0.5).clamp(0, 1)[:, None, None, :]
    top = 0.69 - (low + (high - low) * r)
    c.fill(c.below(top, depth) * walls, colour, top=0.69 - high)
    if not windows:
        return
    column = (u + 0.45) / 0.9 * 3
    on = chance(number.long() * 5 + column.floor().long()) > 0.35
    wx = ((0.26 - (column.frac() - 0.5).abs()) * (period * 0.3 * c.rows) + 0.5).clamp(0, 1) * on
    row = (c.y - c.down(0.69, depth)[:, None, None]) / c.zoom(depth)[:, None, None] / 0.13
    wy = ((0.26 - (row - row.floor() - 0.5).abs()) * (0.13 * c.rows) + 0.5).clamp(0, 1)
    inside = c.below(top + 0.03, depth) * walls * (row < -0.3)[:, None]
    glass = c.light * c.light.new_tensor([0.72, 0.88, 0.97])
    lamp = torch.where(c.night(), c.light.new_tensor([1.0, 0.85, 0.40]), glass)
    c.fill(inside * (wx[:, None, :] * wy)[:, None], lamp, lit=False, top=0.69 - high)


def _forest(c: Canvas) -> None:
    x = c.across(0.12)
    c.layer(0.50 - 0.05 * torch.sin(x * 9).abs() - 0.04 * rolling(x, 2.0), (0.47, 0.70, 0.52), 0.12, 0.38)
    x = c.across(0.3)
    c.layer(0.66 - 0.04 - peaks(x + 0.13, 0.27, 0.22, 0.34, 4), (0.20, 0.50, 0.34), 0.3, 0.26, 2.2)
    x = c.across(0.55)
    u, r, _ = cells(x, 0.52, 9)
    trunk = ((0.035 - u.abs() * 0.52) * c.rows + 0.5).clamp(0, 1)[:, None, None, :]
    c.fill(c.below(0.5, 0.55) * trunk, (0.36, 0.22, 0.14), top=0.5)
    tall = 0.36 + 0.12 * r
    crown = 0.66 - tall * (1 - u.abs() * 2.5).clamp(min=0)
    foot = 1 - c.below(0.655, 0.55)
    c.fill(c.below(torch.where(u.abs() < 0.4, crown, 2.0), 0.55, 2.2) * foot, (0.07, 0.34, 0.20), top=0.15)
    c.ground(0.71, (0.20, 0.42, 0.16), (0.36, 0.58, 0.26), 1.0, 0.70)
    _tufts(c, (0.13, 0.32, 0.12))


def _tufts(c: Canvas, colour: Colour) -> None:
    """Grass in the foreground: three blades a tuft."""
    u, r, _ = cells(c.across(1.0), 0.55, 21)
    dx = (u + (r - 0.5) * 0.4) * 0.55
    blades = torch.maximum(0.05 - 3 * (dx - 0.03).abs(), 0.05 - 3 * (dx + 0.03).abs())
    blades = torch.maximum(blades, 0.07 - 4 * dx.abs()).clamp(min=0)[:, None, :]
    dy = (c.down(0.97, 1.0)[:, None, None] - c.y) / c.zoom(1.0)[:, None, None]
    up = ((blades - dy) * (c.rows / 3) + 0.5).clamp(0, 1) * (dy > 0)
    c.fill((up * (blades > 0))[:, None], colour, top=0.88)


def _ocean(c: Canvas) -> None:
    t = c.state.t[:, None]
    c.ground(0.55, (0.10, 0.45, 0.74), (0.28, 0.66, 0.86), 0.2, 0.54)
    for height, depth, frequency, speed, colour in (
        (0.62, 0.4, 13.0, 1.2, (0.22, 0.60, 0.84)), (0.72, 0.7, 10.0, -1.5, (0.15, 0.52, 0.79)),
    ):  # fmt: skip
        x = c.across(depth)
        c.layer(height + 0.012 * torch.sin(x * frequency + t * speed), colour, depth, height - 0.03)


def _underwater(c: Canvas) -> None:
    t = c.state.t
    slant = (c.across(0.1)[:, None, :] + 0.45 * c.y) / 0.55
    ray = ((slant - slant.floor() - 0.5).abs() * 4 - 1).clamp(0, 1) * (0.8 - c.y).clamp(min=0)
    c.fill(ray[:, None] * 0.28, (0.85, 1.0, 1.0))
    for depth, height, period, colour, salt in (
        (0.4, 0.48, 0.42, (0.10, 0.50, 0.42), 3), (0.8, 0.62, 0.7, (0.16, 0.62, 0.30), 6),
    ):  # fmt: skip
        sway = 0.03 * torch.sin(c.y * 14 + t[:, None, None] * 1.8)
        x = c.across(depth)[:, None, :] + sway
        u, r, _ = cells(x, period, salt)
        top = c.y - height + 0.10 * r
        cover = ((torch.minimum(0.05 - u.abs() * period, top * 0.25)) * c.rows + 0.5).clamp(0, 1)
        c.fill(cover[:, None], colour, top=height - 0.2)
    c.layer(0.87 - 0.02 * rolling(c.across(1.0), 3.0), (0.90, 0.80, 0.52), 1.0, 0.82)
    k = torch.arange(9, device=t.device)
    bx, by, s = chance(k * 3 + 1), chance(k * 3 + 2), 0.06 + 0.06 * chance(k * 3 + 3)
    wide = c.columns / c.rows + 0.2
    along = bx - c.state.camera[:, None] * 0.5 / wide
    x = (along - along.floor()) * wide - wide / 2
    y = 0.9 - torch.frac(by + t[:, None] * s * 1.4)
    c.fill(dots(c.image, x + 0.01 * torch.sin(t[:, None] * 3 + k), y, 0.022, 0.022, 0.7), (0.88, 0.98, 1.0), lit=False)


def _desert(c: Canvas) -> None:
    c.layer(0.63 - peaks(c.across(0.12), 1.15, 0.10, 0.30, 2), (0.90, 0.72, 0.46), 0.12, 0.32, 0.7)
    x = c.across(0.35)
    c.layer(0.64 - 0.06 * rolling(x, 2.2), (0.93, 0.70, 0.36), 0.35, 0.54)
    u, r, _ = cells(c.across(0.7), 0.95, 6)
    dx = (u + (r - 0.5) * 0.3) * 0.95
    low, steps = c.down(0.72, 0.7), c.zoom(0.7)[:, None, None]
    x, y = dx[:, None, :], (low[:, None, None] - c.y) / steps
    cactus = union(
        capsule(x, y, (0.0, 0.0), (0.0, 0.27), 0.034, 0.034),
        capsule(x, y, (-0.10, 0.13), (-0.10, 0.21), 0.024, 0.024), box(x, y, -0.05, 0.13, 0.06, 0.022),
        capsule(x, y, (0.10, 0.17), (0.10, 0.23), 0.024, 0.024), box(x, y, 0.05, 0.17, 0.06, 0.022),
    )  # fmt: skip
    c.fill((0.5 - cactus * c.rows).clamp(0, 1)[:, None], (0.22, 0.52, 0.26), top=0.36)
    c.ground(0.715, (0.88, 0.64, 0.30), (0.97, 0.82, 0.50), 1.0, 0.70)
    x = c.across(1.0)[:, None, :]
    ripple = ((x / 0.6 - c.y * 2.2).frac().abs() - 0.5).abs()
    c.fill(
        (((0.07 - (ripple - 0.25).abs()) * 12).clamp(0, 1) * (c.y > c.down(0.8, 1.0)[:, None, None]))[:, None] * 0.6,
        (0.82, 0.58, 0.27),
        top=0.78,
    )


def _snow(c: Canvas) -> None:
    c.layer(0.62 - peaks(c.across(0.1), 0.8, 0.16, 0.32, 7), (0.78, 0.86, 0.96), 0.1, 0.3, 0.8)
    x = c.across(0.45)
    pines = peaks(x, 0.42, 0.20, 0.34, 5)
    c.layer(0.67 - pines, (0.16, 0.36, 0.44), 0.45, 0.32, 1.6)
    _, r, _ = cells(x, 0.42, 5)
    tall = 0.20 + 0.14 * r
    cap = torch.where(pines > tall * 0.55, 0.67 - pines, 2.0)
    c.fill(c.below(cap, 0.45, 1.6) * (1 - c.below(0.67 - tall * 0.62, 0.45)), (0.96, 0.98, 1.0), top=0.32)
    c.ground(0.70 - 0.012 * rolling(c.across(1.0), 2.0), (0.86, 0.91, 0.98), (0.98, 0.99, 1.0), 1.0, 0.68)
    _stones(c, (0.74, 0.82, 0.93), flat=True)


def _meadow(c: Canvas) -> None:
    c.layer(0.58 - 0.09 * rolling(c.across(0.12), 2.0), (0.58, 0.80, 0.62), 0.12, 0.46)
    c.layer(0.64 - 0.05 * rolling(c.across(0.35), 2.7), (0.55, 0.82, 0.36), 0.35, 0.56)
    c.ground(0.71, (0.33, 0.66, 0.20), (0.62, 0.86, 0.34), 1.0, 0.70)
    for row, colour in enumerate(((1.0, 0.95, 0.98), (1.0, 0.55, 0.72))):
        depth = 0.9 if row == 0 else 1.0
        u, r, _ = cells(c.across(depth), 0.45, 31 + row)
        dx = (u + (r - 0.5) * 0.5) * 0.45
        dy = (c.y - c.down(0.77 + 0.18 * row, depth)[:, None, None]) / c.zoom(depth)[:, None, None]
        d = length(dx[:, None, :], dy) - (0.022 + 0.012 * row)
        c.fill((0.5 - d * c.rows).clamp(0, 1)[:, None], colour, top=0.7 + 0.2 * row)


def _mountains(c: Canvas) -> None:
    for depth, period, low, high, rock, salt in (
        (0.08, 0.95, 0.22, 0.36, (0.58, 0.64, 0.78), 12), (0.2, 1.25, 0.28, 0.44, (0.42, 0.46, 0.60), 13),
    ):  # fmt: skip
        x = c.across(depth)
        rise = peaks(x, period, low, high, salt)
        slope = 2 * (low + high) / 2 / period
        edge = 0.70 - rise
        c.layer(edge, rock, depth, 0.70 - high, slope)
        _, r, _ = cells(x, period, salt)
        tall = low + (high - low) * r
        snowline = 0.70 - tall * 0.62 + 0.02 * torch.sin(x * 40)
        c.fill(c.below(edge, depth, slope) * (1 - c.below(snowline, depth)), (0.97, 0.98, 1.0), top=0.70 - high)
    c.layer(0.68 - 0.03 * rolling(c.across(0.5), 2.4), (0.30, 0.50, 0.38), 0.5, 0.62)
    c.ground(0.73, (0.36, 0.52, 0.26), (0.50, 0.66, 0.36), 1.0, 0.72)
    _stones(c, (0.40, 0.44, 0.44))


def _studio(c: Canvas) -> None:
    c.ground(0.68, (0.56, 0.58, 0.66), (0.78, 0.80, 0.86), 1.0, 0.67)
    spot = length((c.across(1.0) - c.state.hills[:, None])[:, None, :] / 0.85, (c.y - 0.88) / 0.17)
    c.fill((1.0 - spot).clamp(0, 1)[:, None] * 0.8, (0.98, 0.96, 0.92), top=0.6)


PLACES: dict[str, Callable[[Canvas], None]] = {
    "mars": _mars, "moon": _moon, "city": _city, "forest": _forest, "ocean": _ocean, "underwater": _underwater,
    "desert": _desert, "snow": _snow, "meadow": _meadow, "mountains": _mountains, "studio": _studio,
}  # fmt: skip
