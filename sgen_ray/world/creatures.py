"""Animals: four-legged walkers, a bird, a fish, a whale. Local units as in `people`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sgen_ray.world.motion import State, is_class
from sgen_ray.world.people import foot, limb, running
from sgen_ray.world.sdf import Brush, Colour, box, capsule, circle, convex, ellipse, rotate, union

TAU = 2 * math.pi
DARK = (0.10, 0.08, 0.10)


def _legs(b: Brush, m: State, hips: tuple[float, float], hip_y: Tensor, length: float, r: tuple[float, float],
          stride: Tensor, near: Colour, far: Colour, paws: Colour, body: Tensor) -> None:  # fmt: skip
    """Four legs around a body: the far pair, the body, the near pair. Diagonal pairs step together."""
    lift = 0.07 + 0.08 * running(m)
    for side, colour in ((0.5, far), (0.0, near)):
        if side == 0.0:
            b.paint(body, near)
        for hip, offset, bend in ((hips[0], 0.0, -1.0), (hips[1], 0.5, 1.0)):
            shift = 0.05 if side else -0.02
            x, y = foot(m, stride, lift, side + offset, 0.0)
            x = x + hip + shift
            y = y + r[1]
            b.paint(limb(b, (hip + shift, hip_y), (x, y), length, r[0], r[1], bend), colour)
            b.paint(capsule(b.x, b.y, (x, y), (x + 0.04, y), r[1], r[1]), paws)


def _stride(m: State) -> tuple[Tensor, Tensor]:
    """Stride of a four-legged walker and the bob of its body."""
    run = running(m)
    stride = 0.34 + 0.40 * run
    bob = torch.sin((m.travel / m.size / (2 * stride) + m.gait) * TAU * 2) * (0.012 + 0.03 * run) * m.moving
    return stride, bob


def dog(b: Brush, m: State) -> None:
    stride, bob = _stride(m)
    shade = m.rgb * 0.68
    wag = torch.sin(m.t * 9) * 0.10
    b.paint(capsule(b.x, b.y, (-0.44, 0.60 + bob), (-0.66 + wag * 0.3, 0.86 + wag + bob), 0.065, 0.04), m.rgb)
    body = union(
        capsule(b.x, b.y, (-0.36, 0.52 + bob), (0.26, 0.54 + bob), 0.185, 0.20),
        capsule(b.x, b.y, (0.28, 0.58 + bob), (0.42, 0.78 + bob), 0.15, 0.13),
    )
    _legs(b, m, (-0.40, 0.30), 0.46 + bob, 0.43, (0.095, 0.06), stride, m.rgb, shade, shade, body)
    b.paint(circle(b.x, b.y, 0.45, 0.82 + bob, 0.175), m.rgb)
    b.paint(capsule(b.x, b.y, (0.50, 0.77 + bob), (0.70, 0.74 + bob), 0.105, 0.085), m.rgb * 0.88)
    b.paint(circle(b.x, b.y, 0.765, 0.775 + bob, 0.05), DARK)
    b.paint(circle(b.x, b.y, 0.54, 0.88 + bob, 0.036), DARK)
    b.paint(capsule(b.x, b.y, (0.36, 0.92 + bob), (0.29, 0.68 + bob), 0.06, 0.085), shade)
    b.paint(capsule(b.x, b.y, (0.29, 0.63 + bob), (0.48, 0.57 + bob), 0.035, 0.035), (0.92, 0.25, 0.45))


def cat(b: Brush, m: State) -> None:
    stride, bob = _stride(m)
    shade = m.rgb * 0.70
    curl = torch.sin(m.t * 2.6 + m.gait * 6) * 0.10
    for a, c, ra, rc in (
        ((-0.42, 0.50), (-0.66, 0.64), 0.06, 0.055), ((-0.66, 0.64), (-0.62, 0.90), 0.055, 0.05),
    ):  # fmt: skip
        tip = curl if c[1] > 0.8 else 0.0
        b.paint(capsule(b.x, b.y, (a[0], a[1] + bob), (c[0] + tip, c[1] + bob), ra, rc), m.rgb)
    b.paint(capsule(b.x, b.y, (-0.62 + curl, 0.90 + bob), (-0.48 + curl * 1.6, 1.02 + bob), 0.05, 0.045), m.rgb)
    body = capsule(b.x, b.y, (-0.34, 0.44 + bob), (0.26, 0.44 + bob), 0.16, 0.155)
    _legs(b, m, (-0.36, 0.28), 0.38 + bob, 0.37, (0.075, 0.052), stride, m.rgb, shade, (0.96, 0.94, 0.92), body)
    for x in (0.34, 0.60):
        b.paint(convex(b.x, b.y, (x - 0.10, 0.78 + bob), (x + 0.10, 0.78 + bob), (x, 1.06 + bob)), m.rgb)
        b.paint(convex(b.x, b.y, (x - 0.05, 0.82 + bob), (x + 0.05, 0.82 + bob), (x, 0.98 + bob)), (1.0, 0.62, 0.66))
    b.paint(ellipse(b.x, b.y, 0.47, 0.70 + bob, 0.27, 0.215), m.rgb)
    b.paint(ellipse(b.x, b.y, 0.50, 0.62 + bob, 0.13, 0.09), (0.97, 0.95, 0.93))
    for x in (0.38, 0.60):
        b.paint(ellipse(b.x, b.y, x, 0.74 + bob, 0.055, 0.062), (0.62, 0.95, 0.35))
        b.paint(ellipse(b.x, b.y, x + 0.01, 0.74 + bob, 0.024, 0.055), DARK)
    b.paint(circle(b.x, b.y, 0.51, 0.655 + bob, 0.035), (0.95, 0.45, 0.50))


def horse(b: Brush, m: State) -> None:
    stride, bob = _stride(m)
    shade = m.rgb * 0.68
    mane = (0.30, 0.18, 0.12)
    flow = torch.sin(m.t * 4 + m.gait * 6) * 0.05
    b.paint(capsule(b.x, b.y, (-0.46, 0.66 + bob), (-0.66 + flow, 0.36 + bob), 0.055, 0.085), mane)
    body = union(
        capsule(b.x, b.y, (-0.34, 0.58 + bob), (0.22, 0.57 + bob), 0.165, 0.16),
        capsule(b.x, b.y, (0.26, 0.62 + bob), (0.46, 0.92 + bob), 0.14, 0.085),
    )
    _legs(b, m, (-0.38, 0.28), 0.52 + bob, 0.51, (0.085, 0.045), stride * 1.1, m.rgb, shade, mane, body)
    b.paint(convex(b.x, b.y, (0.36, 0.98 + bob), (0.46, 0.96 + bob), (0.44, 1.09 + bob)), m.rgb)
    b.paint(capsule(b.x, b.y, (0.46, 0.93 + bob), (0.68, 0.78 + bob), 0.085, 0.065), m.rgb)
    b.paint(circle(b.x, b.y, 0.70, 0.775 + bob, 0.055), shade)
    b.paint(circle(b.x, b.y, 0.51, 0.93 + bob, 0.026), DARK)
    b.paint(capsule(b.x, b.y, (0.37, 1.00 + bob), (0.13, 0.72 + bob), 0.05, 0.065), mane)


def bird(b: Brush, m: State) -> None:
    beat = torch.sin((m.t * 1.6 + m.gait) * TAU)
    shade = m.rgb * 0.68
    y = 0.45 - 0.03 * beat
    b.paint(_wing(b, 0.10, y + 0.08, beat, 0.40), shade)
    b.paint(convex(b.x, b.y, (-0.80, y + 0.16), (-0.76, y - 0.10), (-0.36, y - 0.08), (-0.36, y + 0.08)), shade)
    b.paint(ellipse(b.x, b.y, -0.04, y, 0.44, 0.185, 0.08), m.rgb)
    b.paint(ellipse(b.x, b.y, 0.02, y - 0.07, 0.30, 0.10, 0.08), (1.0, 0.96, 0.88))
    b.paint(convex(b.x, b.y, (0.58, y + 0.05), (0.82, y + 0.12), (0.58, y + 0.21)), (1.0, 0.62, 0.08))
    b.paint(circle(b.x, b.y, 0.46, y + 0.14, 0.17), m.rgb)
    b.paint(circle(b.x, b.y, 0.52, y + 0.18, 0.055), (1.0, 1.0, 1.0))
    b.paint(circle(b.x, b.y, 0.535, y + 0.18, 0.032), DARK)
    b.paint(_wing(b, -0.02, y + 0.04, beat, 0.46), m.rgb * 0.84)


def _wing(b: Brush, x: float, y: Tensor, beat: Tensor, length: float) -> Tensor:
    """A wing hinged at x, y: up at beat 1, down at -1."""
    tip = (x - 0.24, y + beat * length + 0.02)
    return capsule(b.x, b.y, (torch.full_like(y, x), y), tip, 0.15, 0.05)


def fish(b: Brush, m: State) -> None:
    leap = _leap(m)
    x, y = rotate(b.x, b.y - 0.5, leap)
    b = Brush(b.image, x, y, b.sharp, b.light)
    wave = torch.sin((m.t * 1.7 + m.gait) * TAU)
    sway = wave * 0.10
    shade = m.rgb * 0.72
    b.paint(convex(b.x, b.y, (-0.88, 0.32 + sway), (-0.80, sway), (-0.40, -0.04), (-0.40, 0.04)), shade)
    b.paint(convex(b.x, b.y, (-0.88, -0.32 + sway), (-0.40, -0.04), (-0.40, 0.04), (-0.80, sway)), shade)
    b.paint(convex(b.x, b.y, (-0.30, 0.20), (0.25, 0.24), (-0.26, 0.50)), shade)
    b.paint(ellipse(b.x, b.y, 0.10, 0, 0.62, 0.34), m.rgb)
    bands = union(box(b.x, b.y, 0.14, 0, 0.06, 0.4), box(b.x, b.y, -0.20, 0, 0.05, 0.4))
    b.paint(torch.maximum(bands, ellipse(b.x, b.y, 0.10, 0, 0.62, 0.34)), (1.0, 0.97, 0.90))
    b.paint(convex(b.x, b.y, (-0.16, -0.22 + sway), (0.06, -0.10), (0.02, 0.02)), shade)
    b.paint(circle(b.x, b.y, 0.48, 0.07, 0.10), (1.0, 1.0, 1.0))
    b.paint(circle(b.x, b.y, 0.51, 0.07, 0.055), DARK)


def whale(b: Brush, m: State) -> None:
    leap = _leap(m)
    wet = is_class(m.place, "place", "underwater").float()
    spout = (1 - wet) * is_class(m.action, "action", "swimming", "standing").float()
    pulse = 0.06 * torch.sin(m.t * 3 + m.gait * 6)
    for side in (-1.0, 1.0):
        jet = capsule(b.x, b.y, (0.30, 0.78), (0.30 + side * 0.14, 1.02 + pulse), 0.03, 0.06)
        b.paint(jet, (0.80, 0.93, 1.0), spout)
    x, y = rotate(b.x, b.y - 0.45, leap)
    b = Brush(b.image, x, y + 0.45, b.sharp, b.light)
    wave = torch.sin((m.t * 0.9 + m.gait) * TAU)
    lift = wave * 0.10
    for dx, dy in ((-0.14, 0.22), (-0.20, -0.02)):
        b.paint(capsule(b.x, b.y, (-0.78, 0.62 + lift), (-0.82 + dx, 0.66 + dy + lift), 0.07, 0.05), m.rgb * 0.8)
    b.paint(capsule(b.x, b.y, (-0.25, 0.46), (-0.78, 0.62 + lift), 0.24, 0.06), m.rgb)
    body = ellipse(b.x, b.y, 0.24, 0.44, 0.66, 0.36)
    b.paint(body, m.rgb)
    belly = torch.maximum(ellipse(b.x, b.y, 0.40, 0.16, 0.62, 0.24), body)
    b.paint(belly, (0.88, 0.92, 0.96))
    b.paint(capsule(b.x, b.y, (0.20, 0.26), (-0.02, 0.06 + lift * 0.6), 0.09, 0.05), m.rgb * 0.72)
    b.paint(circle(b.x, b.y, 0.64, 0.47, 0.06), (1.0, 1.0, 1.0))
    b.paint(circle(b.x, b.y, 0.65, 0.47, 0.036), DARK)


def _leap(m: State) -> Tensor:
    """Tilt in radians of a jumping swimmer: nose up on the way up, down on the way down."""
    f = torch.frac((m.t + m.gait * 3) / 2.4)
    return (0.8 - 1.6 * f) * is_class(m.action, "action", "jumping").float()
