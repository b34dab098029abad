"""A ball, and three products that turn on a stand about their vertical axis. Local units as in `people`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sgen_ray.world.motion import State, is_class
from sgen_ray.world.sdf import Brush, box, capsule, circle, convex, ellipse, rotate, union

TURN_SECONDS = 5.0


def _angle(m: State) -> Tensor:
    """How far a product has turned, in radians; one that stands still shows its front."""
    turning = is_class(m.action, "action", "turning").float()
    return (m.t / TURN_SECONDS + m.gait) * (2 * math.pi) * turning


def ball(b: Brush, m: State) -> None:
    bouncing = is_class(m.action, "action", "bouncing").float()
    squash = (0.10 - m.lift).clamp(min=0) * 2.4 * bouncing
    x, y = b.x / (1 + squash), b.y / (1 - squash)
    turn = -(m.travel / m.size / 0.5 + 0.8 * m.t * bouncing * (1 - m.moving))
    disc = circle(x, y, 0, 0.5, 0.5)
    b.paint(disc, m.rgb)
    px, py = rotate(x, y - 0.5, turn)
    b.paint(torch.maximum(px.abs() - 0.10, disc), (0.98, 0.97, 0.93))
    b.paint(torch.maximum(union(circle(px, py, 0.5, 0, 0.20), circle(px, py, -0.5, 0, 0.20)), disc), m.rgb * 0.62)
    b.paint(ellipse(x, y, -0.16, 0.74, 0.11, 0.07, 0.5), (1.0, 1.0, 1.0), 0.75)


def shoe(b: Brush, m: State) -> None:
    a = _angle(m)
    c = a.cos()
    side = torch.where(c < 0, -1.0, 1.0)
    # Seen from its end a shoe is about a third as wide as from its side.
    squeeze = torch.sqrt(c * c + 0.13 * a.sin().square())
    x, y = b.x * side / squeeze, b.y
    wide = Brush(b.image, x, y, b.sharp * squeeze, b.light)
    upper = union(
        convex(x, y, (-0.80, 0.20), (0.10, 0.20), (-0.06, 0.66), (-0.36, 0.90), (-0.76, 0.92)),
        convex(x, y, (-0.10, 0.20), (0.86, 0.20), (0.78, 0.36), (0.46, 0.46), (-0.10, 0.68)),
    )
    wide.paint(upper - 0.05, m.rgb)
    wide.paint(convex(x, y, (-0.80, 0.86), (-0.34, 0.84), (-0.36, 0.95), (-0.80, 0.97)), m.rgb * 0.55)
    wide.paint(torch.maximum(upper - 0.05, circle(x, y, 0.84, 0.22, 0.24)), m.rgb * 0.66)
    for lx, ly in ((-0.02, 0.60), (0.15, 0.53), (0.32, 0.46)):
        wide.paint(capsule(x, y, (lx - 0.09, ly - 0.12), (lx + 0.02, ly + 0.03), 0.034, 0.034), (0.98, 0.98, 0.98))
    wide.paint(capsule(x, y, (-0.60, 0.34), (-0.16, 0.50), 0.05, 0.07), (0.98, 0.98, 0.98))
    wide.paint(box(x, y, 0.02, 0.10, 0.92, 0.10, 0.07), (0.98, 0.97, 0.94))
    wide.paint(box(x, y, 0.02, 0.035, 0.90, 0.035, 0.03), (0.55, 0.56, 0.62))


def bottle(b: Brush, m: State) -> None:
    a = _angle(m)
    glass = union(box(b.x, b.y, 0, 0.33, 0.235, 0.33, 0.07),
                  convex(b.x, b.y, (-0.22, 0.60), (0.22, 0.60), (0.085, 0.80), (-0.085, 0.80)),
                  box(b.x, b.y, 0, 0.82, 0.085, 0.10))  # fmt: skip
    b.paint(glass, m.rgb)
    b.paint(torch.maximum(glass, 0.13 - b.x), m.rgb * 0.74)
    b.paint(box(b.x, b.y, 0, 0.95, 0.105, 0.055, 0.02), (0.80, 0.66, 0.28))
    _label(b, a, glass)
    b.paint(capsule(b.x, b.y, (-0.165, 0.12), (-0.165, 0.52), 0.022, 0.022), (1.0, 1.0, 1.0), 0.55)


def _label(b: Brush, a: Tensor, glass: Tensor) -> None:
    """A label on the bottle's side: it passes across the front and is hidden at the back."""
    front = (a.cos() > -0.2).float()
    middle, half = 0.235 * a.sin(), 0.17 * a.cos().clamp(min=0.12)
    panel = torch.maximum(box(b.x, b.y, middle, 0.34, half, 0.18), glass)
    b.paint(panel, (0.98, 0.96, 0.90), front)
    mark = ellipse((b.x - middle) / a.cos().clamp(min=0.12), b.y, 0, 0.34, 0.085, 0.10)
    b.paint(torch.maximum(mark, glass), (0.95, 0.35, 0.25), front)


def watch(b: Brush, m: State) -> None:
    a = _angle(m)
    c = a.cos()
    squeeze = torch.sqrt(c * c + 0.14 * a.sin().square())
    x, y = b.x / squeeze, b.y - 0.5
    d = Brush(b.image, x, y, b.sharp * squeeze, b.light)
    strap = convex(x, y, (-0.15, -0.50), (0.15, -0.50), (0.21, 0.0), (0.15, 0.50), (-0.15, 0.50), (-0.21, 0.0))
    d.paint(strap, m.rgb)
    for sy in (-0.40, 0.40):
        d.paint(box(x, y, 0, sy, 0.15, 0.018), m.rgb * 0.65)
    d.paint(box(x, y, 0.34, 0.0, 0.05, 0.05), (0.72, 0.62, 0.34))
    d.paint(circle(x, y, 0, 0, 0.33), (0.86, 0.74, 0.38))
    face = (c > 0).float()
    d.paint(circle(x, y, 0, 0, 0.27), (0.62, 0.62, 0.66))
    d.paint(circle(x, y, 0, 0, 0.27), (0.98, 0.98, 0.96), face)
    for k in range(4):
        px, py = math.sin(k * math.pi / 2) * 0.21, math.cos(k * math.pi / 2) * 0.21
        d.paint(circle(x, y, px, py, 0.032), (0.15, 0.15, 0.20), face)
    minute = m.t * 0.8 + m.gait * 6
    tip = (torch.sin(minute) * 0.19, torch.cos(minute) * 0.19)
    d.paint(capsule(x, y, (0.0, 0.0), tip, 0.026, 0.022), (0.12, 0.12, 0.16), face)
    d.paint(capsule(x, y, (0.0, 0.0), (-0.10, 0.08), 0.032, 0.03), (0.85, 0.15, 0.15), face)
