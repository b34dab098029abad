"""The water cycle: vapour rises, clouds form, rain falls, a river flows. Local units: y up from the origin."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sgen_ray.world.motion import State
from sgen_ray.world.sdf import Brush, circle, ellipse, union
from sgen_ray.world.stamps import chance

_PUFFS = ((-0.80, 0.26, 0.30), (-0.40, 0.46, 0.40), (0.08, 0.58, 0.44), (0.52, 0.42, 0.40), (0.88, 0.24, 0.28))


def vapour(b: Brush, m: State) -> None:
    """Five wavy plumes with puffs that climb and grow faint."""
    for k in range(5):
        x0 = (k - 2) * 0.46
        sway = 0.07 * torch.sin(b.y * 8 - m.t * 2.2 + k * 1.9)
        plume = (b.x - x0 - sway).abs() - (0.045 + 0.06 * b.y)
        fade = (b.y * 6).clamp(0, 1) * (0.95 - b.y).clamp(0, 1)
        b.paint(plume, (1.0, 1.0, 1.0), fade * 0.75)
        for j in range(2):
            f = torch.frac(m.t * 0.22 + m.gait + k * 0.37 + j * 0.5)
            puff = circle(b.x, b.y, x0 + 0.07 * torch.sin(f * 8 - m.t * 2.2 + k * 1.9), f * 0.88, 0.08 + 0.07 * f)
            b.paint(puff, (1.0, 1.0, 1.0), (f * 6).clamp(0, 1) * (1 - f) * 0.95)


def _heap(b: Brush, grow: Tensor, y0: float, t: Tensor) -> Tensor:
    parts = [
        circle(b.x, b.y, x * (0.55 + 0.45 * grow), y0 + y * grow, r * grow * (1 + 0.05 * torch.sin(t * 1.4 + 9 * x)))
        for x, y, r in _PUFFS
    ]
    return torch.maximum(union(*parts), y0 - b.y)


def cloud(b: Brush, m: State) -> None:
    """Small puffs drift in from both sides while the heap in the middle swells, to its full size over the shot."""
    done = (m.t / m.seconds).clamp(0, 1)
    grow = 0.45 + 0.55 * done
    for k in range(6):
        f = torch.frac(m.t * 0.25 + chance(torch.tensor([k * 7 + 3])).item() + m.gait)
        side = -1.0 if k % 2 else 1.0
        puff = circle(b.x, b.y, side * (1.35 - 1.0 * f), 0.15 + 0.10 * (k % 3) + 0.1 * f, 0.10 + 0.05 * (k % 2))
        b.paint(puff, (0.96, 0.98, 1.0), torch.sin(f * math.pi) * 0.85)
    heap = _heap(b, grow, 0.05, m.t)
    b.paint(heap, (0.99, 0.99, 1.0))
    b.paint(torch.maximum(heap, b.y - 0.05 - 0.20 * grow), (0.80, 0.86, 0.95))


def rain(b: Brush, m: State) -> None:
    """A dark cloud with large drops under it."""
    for k in range(14):
        u, v = chance(torch.tensor([k * 5 + 11, k * 5 + 12])).tolist()
        f = torch.frac(m.t * (0.95 + 0.2 * v) + v * 3)
        x = -0.72 + 1.44 * (k + 0.3 * u) / 14 - 0.05 * f
        drop = ellipse(b.x, b.y, x, 0.62 - f * 0.62, 0.020, 0.075)
        b.paint(drop, (0.45, 0.72, 1.0), (8 * (1 - f)).clamp(0, 1))
    squeeze = Brush(b.image, b.x, (b.y - 0.60) / 0.62, b.sharp * 0.62, b.light)
    heap = _heap(squeeze, torch.ones_like(m.t), 0.0, m.t)
    b.paint(heap, (0.42, 0.46, 0.56))
    b.paint(torch.maximum(heap, squeeze.y - 0.22), (0.30, 0.33, 0.43))


def river(b: Brush, m: State) -> None:
    """A band that winds from the horizon, widens towards the viewer and ends in the sea; light bars flow down it."""
    depth = (1 - b.y).clamp(0, 1)  # 0 at the source, 1 at the sea
    bend = 0.34 * torch.sin(depth * 5.2 + 0.6) * (0.25 + depth)
    half = 0.07 + 0.5 * depth * depth + 1.4 * (depth - 0.82).clamp(min=0) * 3
    band = torch.maximum((b.x - bend).abs() - half, b.y - 0.92)
    b.paint(band - 0.05, (0.86, 0.80, 0.56))
    b.paint(band, (0.16, 0.52, 0.90))
    flow = torch.frac(torch.sqrt(depth + 0.02) * 3.4 - m.t * 0.55 + m.gait)
    bars = torch.maximum((flow - 0.5).abs() - 0.12, (b.x - bend).abs() - half * 0.62)
    b.paint(torch.maximum(bars * 0.3, band), (0.62, 0.86, 1.0), 0.85)
