"""Draws the subject of each frame in a patch around it, with its shadow or stand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sgen_ray.world import palette
from sgen_ray.world.creatures import bird, cat, dog, fish, horse, whale
from sgen_ray.world.motion import State, is_class
from sgen_ray.world.people import astronaut, person
from sgen_ray.world.products import ball, bottle, shoe, watch
from sgen_ray.world.scene import ON_STAND, WATER_CYCLE
from sgen_ray.world.sdf import Brush, box, ellipse
from sgen_ray.world.stamps import Patch
from sgen_ray.world.vehicles import boat, bus, car, plane, rocket
from sgen_ray.world.water import cloud, rain, river, vapour

SUBJECTS: dict[str, Callable[[Brush, State], None]] = {
    "astronaut": astronaut, "person": person, "dog": dog, "cat": cat, "horse": horse, "bird": bird, "fish": fish,
    "whale": whale, "car": car, "bus": bus, "boat": boat, "plane": plane, "rocket": rocket, "ball": ball,
    "shoe": shoe, "bottle": bottle, "watch": watch, "vapour": vapour, "cloud": cloud, "rain": rain, "river": river,
}  # fmt: skip

_SHADOW = {"astronaut": 0.28, "person": 0.26, "dog": 0.55, "cat": 0.5, "horse": 0.5, "car": 0.98, "bus": 1.05,
           "ball": 0.4, "rocket": 0.3}  # fmt: skip
_FLOOR = 0.07  # how far the shadow and the stand reach below the subject's feet, frame heights


def paint_subject(image: Tensor, which: Tensor, state: State, name: str, box4: Tensor) -> None:
    """Paint subject `name` onto rows `which` [K] of image [B, 3, H, W].

    state: of those K frames; box4: [K, 4] the subject's boxes in 0..1 of the frame, on the CPU.
    """
    aspect = image.shape[-1] / image.shape[-2]
    x, y, w, h = box4.unbind(1)
    beams = 0.26 if name in ("car", "bus") else 0.0  # headlights shine beyond the box, to either side
    leaps = name in ("fish", "whale") and bool(is_class(state.action, "action", "jumping").any())
    tilt = 0.3 * float(state.scale.max()) if leaps else 0.0  # a box turned in the air reaches further up and down
    wide, tall = w * aspect + 0.06 + beams, h + 0.06 + 2 * tilt
    lift = state.lift * state.zoom
    below = _FLOOR * 2 + float(lift.max()) if name in _SHADOW or name in ON_STAND else 0.0
    if name in ON_STAND:
        wide = wide.clamp(min=0.95 * float(state.zoom.max()))
    left, top = (x - 0.5) * aspect - wide / 2, y - tall / 2
    left, top = left.to(image.device), top.to(image.device)
    patch = Patch(image, which, left, top, float(wide.max()), float(tall.max()) + below)
    m = state.planes()
    light = image.new_tensor([palette.SUBJECT_LIGHT[name] for name in palette.SUBJECT_LIGHT])[state.time]
    px = (patch.x - m.x).expand(patch.image[:, 0].shape)
    py = (m.y - patch.y).expand(px.shape)
    if name in _SHADOW:
        _shadow(patch.image, px, py + m.lift * m.zoom, m, _SHADOW[name], image.shape[-2])
    if name in ON_STAND:
        _stand(Brush(patch.image, px / m.zoom, py / m.zoom, image.shape[-2] * m.zoom, light))
    facing = m.facing if name not in WATER_CYCLE else torch.ones_like(m.facing)
    brush = Brush(patch.image, px * (facing / m.scale), py / m.scale, image.shape[-2] * m.scale, light)
    SUBJECTS[name](brush, m)
    patch.put()


def _shadow(image: Tensor, x: Tensor, y: Tensor, m: State, half: float, rows: int) -> None:
    grounded = ~is_class(m.action, "action", "flying", "rising", "swimming", "sailing")
    fade = (0.34 - m.lift * 0.5).clamp(min=0) * grounded
    brush = Brush(image, x / m.scale, y / m.scale, rows * m.scale, image.new_ones(len(image), 3))
    brush.paint(ellipse(brush.x, brush.y, 0.0, 0.0, half, 0.06), (0.05, 0.05, 0.10), fade)


def _stand(b: Brush) -> None:
    """A round plinth: a drum with a bright top."""
    b.paint(box(b.x, b.y, 0, -0.05, 0.40, 0.05), (0.50, 0.52, 0.62))
    b.paint(ellipse(b.x, b.y, 0, -0.10, 0.40, 0.05), (0.50, 0.52, 0.62))
    b.paint(ellipse(b.x, b.y, 0, 0.0, 0.40, 0.055), (0.90, 0.91, 0.95))
