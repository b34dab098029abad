"""Upright walkers, and the two-joint limb that every walker uses.

Local units: about one unit tall, feet at y = 0, facing +x.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sgen_ray.world.motion import State, is_class
from sgen_ray.world.sdf import Brush, Number, box, capsule, circle, ellipse, union

SKIN = (0.96, 0.76, 0.60)


def running(m: State) -> Tensor:
    return is_class(m.action, "action", "running").float()


def foot(m: State, stride: Number, lift: Number, offset: float, rest: float) -> tuple[Tensor, Tensor]:
    """A foot's place relative to its hip, x and height.

    On the ground for the first half of a cycle, when it moves back exactly as fast as the body moves on (2 * stride a
    cycle); swung forward in the second half. `rest` is where it stands when the subject does not travel.
    """
    f = torch.frac(m.travel / m.size / (2 * stride) + offset + m.gait)
    swing = (f * 2 - 1).clamp(min=0)
    x = torch.where(f < 0.5, stride * (0.5 - 2 * f), stride * (swing * swing * (3 - 2 * swing) - 0.5))
    y = torch.sin(swing * math.pi) * lift
    return x * m.moving + rest * (1 - m.moving), y * m.moving


def limb(b: Brush, hip: tuple[Number, Number], end: tuple[Tensor, Tensor], length: float, r0: float, r1: float,
         bend: float = 1.0) -> Tensor:  # fmt: skip
    """Distance to a leg from hip to `end` with a joint half way that points forward (bend > 0) or back."""
    dx, dy = end[0] - hip[0], end[1] - hip[1]
    far = torch.sqrt(dx * dx + dy * dy)
    out = bend * torch.sqrt((length * length - far * far).clamp(min=0)) / 2 / far.clamp(min=1e-3)
    joint = (hip[0] + dx / 2 - dy * out, hip[1] + dy / 2 + dx * out)
    mid = (r0 + r1) / 2
    return union(capsule(b.x, b.y, hip, joint, r0, mid), capsule(b.x, b.y, joint, end, mid, r1))


def swing_arm(b: Brush, m: State, shoulder: tuple[Number, Number], offset: float, length: float, r: float,
              rest: float) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # fmt: skip
    """Distance to an arm that swings against its leg, and where its hand is."""
    run = running(m)
    stride = 0.32 + 0.26 * run
    beat = torch.cos((m.travel / m.size / (2 * stride) + offset + m.gait) * 2 * math.pi) * m.moving
    angle = beat * (0.55 + 0.3 * run) + rest * (1 - m.moving)
    elbow = (shoulder[0] + torch.sin(angle) * length / 2, shoulder[1] - torch.cos(angle) * length / 2)
    lower = angle + 0.35 + 0.9 * run
    hand = (elbow[0] + torch.sin(lower) * length / 2, elbow[1] - torch.cos(lower) * length / 2)
    d = union(capsule(b.x, b.y, shoulder, elbow, r, r), capsule(b.x, b.y, elbow, hand, r, r))
    return d, hand


def gait(m: State) -> tuple[Tensor, Tensor, Tensor]:
    """Stride, foot lift and the body's bob of an upright walker."""
    run = running(m)
    stride = 0.32 + 0.26 * run
    bob = torch.cos((m.travel / m.size / (2 * stride) + m.gait) * 4 * math.pi) * (0.012 + 0.02 * run) * m.moving
    return stride, 0.08 + 0.10 * run, bob


def astronaut(b: Brush, m: State) -> None:
    stride, lift, bob = gait(m)
    suit, shade = m.rgb, m.rgb * 0.72
    hip = 0.40 + bob
    rear, front = foot(m, stride, lift, 0.5, -0.09), foot(m, stride, lift, 0.0, 0.09)
    arm, hand = swing_arm(b, m, (-0.02, 0.66 + bob), 0.0, 0.33, 0.062, -0.35)
    b.paint(arm, shade)
    b.paint(limb(b, (-0.02, hip), (rear[0] - 0.02, rear[1] + 0.07), 0.37, 0.10, 0.075), shade)
    b.paint(capsule(b.x, b.y, (rear[0] - 0.03, rear[1] + 0.045), (rear[0] + 0.05, rear[1] + 0.045), 0.045, 0.045),
            (0.30, 0.32, 0.38))  # fmt: skip
    b.paint(box(b.x, b.y, -0.20, 0.60 + bob, 0.10, 0.17, 0.05), (0.42, 0.45, 0.52))
    b.paint(limb(b, (0.02, hip), (front[0] + 0.02, front[1] + 0.07), 0.37, 0.10, 0.075), suit)
    b.paint(capsule(b.x, b.y, (front[0], front[1] + 0.045), (front[0] + 0.09, front[1] + 0.045), 0.045, 0.045),
            (0.40, 0.42, 0.48))  # fmt: skip
    b.paint(box(b.x, b.y, 0.0, 0.55 + bob, 0.165, 0.19, 0.11), suit)
    b.paint(circle(b.x, b.y, 0.01, 0.83 + bob, 0.185), (0.90, 0.92, 0.95))
    b.paint(ellipse(b.x, b.y, 0.075, 0.83 + bob, 0.115, 0.105), (0.10, 0.14, 0.30))
    b.paint(ellipse(b.x, b.y, 0.11, 0.875 + bob, 0.04, 0.025, -0.5), (0.65, 0.85, 1.0))
    b.paint(box(b.x, b.y, 0.07, 0.56 + bob, 0.05, 0.035), (0.25, 0.60, 0.95))
    arm, hand = swing_arm(b, m, (-0.02, 0.66 + bob), 0.5, 0.33, 0.065, 0.15)
    b.paint(arm, m.rgb * 0.86)
    b.paint(circle(b.x, b.y, hand[0], hand[1], 0.07), (0.40, 0.42, 0.48))


def person(b: Brush, m: State) -> None:
    stride, lift, bob = gait(m)
    trousers, shoes = (0.20, 0.24, 0.42), (0.35, 0.20, 0.14)
    hip = 0.44 + bob
    rear, front = foot(m, stride, lift, 0.5, -0.07), foot(m, stride, lift, 0.0, 0.07)
    arm, hand = swing_arm(b, m, (0.0, 0.69 + bob), 0.0, 0.34, 0.045, -0.3)
    b.paint(arm, m.rgb * 0.7)
    b.paint(circle(b.x, b.y, hand[0], hand[1], 0.045), SKIN)
    b.paint(limb(b, (-0.01, hip), (rear[0], rear[1] + 0.06), 0.40, 0.078, 0.055), (0.14, 0.17, 0.32))
    b.paint(capsule(b.x, b.y, (rear[0] - 0.02, rear[1] + 0.035), (rear[0] + 0.06, rear[1] + 0.035), 0.036, 0.036),
            shoes)  # fmt: skip
    b.paint(limb(b, (0.01, hip), (front[0], front[1] + 0.06), 0.40, 0.08, 0.055), trousers)
    b.paint(capsule(b.x, b.y, (front[0] - 0.02, front[1] + 0.035), (front[0] + 0.06, front[1] + 0.035), 0.036, 0.036),
            shoes)  # fmt: skip
    b.paint(capsule(b.x, b.y, (0.0, 0.50 + bob), (0.01, 0.66 + bob), 0.125, 0.13), m.rgb)
    b.paint(capsule(b.x, b.y, (0.01, 0.76 + bob), (0.02, 0.82 + bob), 0.05, 0.05), SKIN)
    b.paint(circle(b.x, b.y, 0.02, 0.885 + bob, 0.125), (0.34, 0.19, 0.10))
    b.paint(circle(b.x, b.y, 0.05, 0.865 + bob, 0.105), SKIN)
    b.paint(circle(b.x, b.y, 0.10, 0.88 + bob, 0.022), (0.12, 0.10, 0.10))
    arm, hand = swing_arm(b, m, (0.0, 0.69 + bob), 0.5, 0.34, 0.048, 0.12)
    b.paint(arm, m.rgb * 0.84)
    b.paint(circle(b.x, b.y, hand[0], hand[1], 0.05), SKIN)
