"""Vehicles: wheels turn by the distance gone. Local units: origin at the middle of the ground line, facing +x."""

from __future__ import annotations

import torch
from torch import Tensor

from sgen_ray.world.motion import State, is_class
from sgen_ray.world.palette import RGB
from sgen_ray.world.sdf import Brush, box, capsule, circle, convex, ellipse, rotate, union

GLASS = (0.70, 0.90, 1.0)
TYRE = (0.14, 0.14, 0.17)


def _wheel(b: Brush, m: State, x: float, r: float) -> None:
    b.paint(circle(b.x, b.y, x, r, r), TYRE)
    b.paint(circle(b.x, b.y, x, r, r * 0.58), (0.86, 0.87, 0.90))
    angle = -m.travel / m.size / r
    px, py = rotate(b.x - x, b.y - r, angle)
    b.paint(box(px, py, 0, 0, r * 0.56, r * 0.16), (0.35, 0.36, 0.42))


def _lamps(b: Brush, m: State, x: float, y: float) -> None:
    night = is_class(m.time, "time", "night").float()
    beam = convex(b.x, b.y, (x, y - 0.05), (x + 0.34, y - 0.22), (x + 0.34, y + 0.08), (x, y + 0.05))
    b.paint(beam, (1.0, 0.95, 0.65), night * 0.55, glow=True)
    b.paint(circle(b.x, b.y, x - 0.02, y, 0.06), (1.0, 0.95, 0.60), glow=True)


def car(b: Brush, m: State) -> None:
    shake = torch.sin(m.t * 7) * 0.012 * m.moving
    b = Brush(b.image, b.x, b.y - shake, b.sharp, b.light)
    cabin = convex(b.x, b.y, (-0.62, 0.48), (0.52, 0.48), (0.24, 0.88), (-0.40, 0.88)) - 0.03
    b.paint(cabin, m.rgb)
    b.paint(convex(b.x, b.y, (-0.50, 0.52), (-0.09, 0.52), (-0.09, 0.82), (-0.36, 0.82)), GLASS)
    b.paint(convex(b.x, b.y, (0.00, 0.52), (0.42, 0.52), (0.20, 0.82), (0.00, 0.82)), GLASS)
    _lamps(b, m, 0.94, 0.38)
    b.paint(box(b.x, b.y, 0, 0.36, 0.95, 0.185, 0.12), m.rgb)
    b.paint(box(b.x, b.y, 0, 0.23, 0.93, 0.05, 0.03), m.rgb * 0.66)
    b.paint(circle(b.x, b.y, 0.92, 0.40, 0.055), (1.0, 0.96, 0.70), glow=True)
    b.paint(circle(b.x, b.y, -0.92, 0.42, 0.05), (0.75, 0.08, 0.10))
    for x in (-0.54, 0.54):
        _wheel(b, m, x, 0.20)


def bus(b: Brush, m: State) -> None:
    shake = torch.sin(m.t * 6) * 0.008 * m.moving
    b = Brush(b.image, b.x, b.y - shake, b.sharp, b.light)
    _lamps(b, m, 1.06, 0.28)
    b.paint(box(b.x, b.y, 0, 0.54, 1.08, 0.42, 0.10), m.rgb)
    b.paint(box(b.x, b.y, 0, 0.36, 1.08, 0.04), (0.97, 0.96, 0.92))
    for x in (-0.84, -0.46, -0.08, 0.30):
        b.paint(box(b.x, b.y, x, 0.68, 0.15, 0.14, 0.03), GLASS)
    b.paint(box(b.x, b.y, 0.66, 0.52, 0.13, 0.33, 0.02), m.rgb * 0.66)
    b.paint(box(b.x, b.y, 0.66, 0.60, 0.09, 0.21, 0.02), GLASS)
    b.paint(box(b.x, b.y, 0.98, 0.66, 0.10, 0.17, 0.03), GLASS)
    b.paint(circle(b.x, b.y, 1.03, 0.28, 0.05), (1.0, 0.96, 0.70), glow=True)
    for x in (-0.62, 0.62):
        _wheel(b, m, x, 0.17)


def boat(b: Brush, m: State) -> None:
    roll = torch.sin(m.t * 1.7 + m.gait * 6) * 0.07
    x, y = rotate(b.x, b.y - 0.1, roll)
    b = Brush(b.image, x, y + 0.1, b.sharp, b.light)
    b.paint(box(b.x, b.y, 0.02, 0.60, 0.022, 0.46), (0.45, 0.28, 0.16))
    b.paint(convex(b.x, b.y, (0.07, 0.28), (0.56, 0.28), (0.07, 1.02)), (0.98, 0.97, 0.93))
    b.paint(convex(b.x, b.y, (-0.44, 0.28), (-0.03, 0.28), (-0.03, 0.92)), m.rgb)
    hull = convex(b.x, b.y, (-0.42, -0.08), (0.40, -0.08), (0.68, 0.24), (-0.60, 0.24))
    b.paint(hull, m.rgb)
    b.paint(torch.maximum(hull, box(b.x, b.y, 0, 0.21, 1.0, 0.035)), (0.97, 0.96, 0.92))


def plane(b: Brush, m: State) -> None:
    pitch = 0.06 * torch.sin(m.t * 1.3 + m.gait * 6)
    x, y = rotate(b.x, b.y - 0.45, pitch)
    b = Brush(b.image, x, y + 0.45, b.sharp, b.light)
    b.paint(convex(b.x, b.y, (-1.02, 0.98), (-0.96, 0.46), (-0.52, 0.50), (-0.78, 0.98)), m.rgb * 0.8)
    b.paint(convex(b.x, b.y, (-0.22, 0.80), (-0.02, 0.52), (0.26, 0.52), (-0.04, 0.80)), m.rgb * 0.62)
    b.paint(capsule(b.x, b.y, (-0.86, 0.52), (0.82, 0.46), 0.13, 0.21), m.rgb)
    b.paint(capsule(b.x, b.y, (-0.80, 0.42), (0.84, 0.34), 0.03, 0.06), (0.96, 0.96, 0.97))
    for x0 in (-0.50, -0.24, 0.02, 0.28, 0.54):
        b.paint(circle(b.x, b.y, x0, 0.54 - 0.02 * x0, 0.062), GLASS)
    b.paint(convex(b.x, b.y, (0.80, 0.50), (1.00, 0.46), (0.94, 0.58), (0.80, 0.63)), (0.25, 0.40, 0.60))
    b.paint(convex(b.x, b.y, (-0.50, -0.02), (-0.22, -0.02), (0.34, 0.42), (-0.08, 0.42)), m.rgb * 0.72)
    b.paint(convex(b.x, b.y, (-1.12, 0.46), (-0.92, 0.46), (-0.66, 0.54), (-0.90, 0.56)), m.rgb * 0.62)
    b.paint(capsule(b.x, b.y, (-0.06, 0.15), (0.14, 0.15), 0.07, 0.08), (0.88, 0.89, 0.92))


def rocket(b: Brush, m: State) -> None:
    tilt = is_class(m.action, "action", "flying").float() * m.moving
    lit = (is_class(m.action, "action", "flying", "rising")).float()
    x, y = rotate(b.x, b.y - 0.45, -0.95 * tilt)
    b = Brush(b.image, x, y + 0.45, b.sharp, b.light)
    flick = 0.10 * torch.sin(m.t * 17 + m.gait * 6)
    for half, length, colour in ((0.13, 0.34, (1.0, 0.50, 0.08)), (0.075, 0.22, (1.0, 0.92, 0.35))):
        flame = _drop(b, half, length + flick * length * 2)
        b.paint(flame, colour, lit, glow=True)
    dark: Tensor | RGB = m.rgb * 0.70
    b.paint(convex(b.x, b.y, (-0.36, 0.0), (-0.14, 0.10), (-0.14, 0.40)), dark)
    b.paint(convex(b.x, b.y, (0.14, 0.10), (0.36, 0.0), (0.14, 0.40)), dark)
    b.paint(box(b.x, b.y, 0, 0.05, 0.11, 0.05), (0.35, 0.36, 0.42))
    hull = torch.maximum(ellipse(b.x, b.y, 0, 0.42, 0.215, 0.62), 0.08 - b.y)
    b.paint(hull, m.rgb)
    b.paint(torch.maximum(hull, 0.78 - b.y), (0.95, 0.95, 0.97))
    b.paint(torch.maximum(hull, (b.y - 0.20).abs() - 0.035), (0.95, 0.95, 0.97))
    b.paint(circle(b.x, b.y, 0, 0.56, 0.115), (0.95, 0.95, 0.97))
    b.paint(circle(b.x, b.y, 0, 0.56, 0.08), (0.20, 0.50, 0.80))


def _drop(b: Brush, half: float, length: Tensor) -> Tensor:
    return union(circle(b.x, b.y, 0, 0.0, half),
                 convex(b.x, b.y, (half, 0.0), (-half, 0.0), (torch.zeros_like(length), -length)))  # fmt: skip
