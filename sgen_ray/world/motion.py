"""Where everything is at a time: per-frame numbers computed once on the CPU, before any pixel.

Lengths are in frame heights, x from the middle of the frame to the right, y from the top down. Ground speed, steps and
wheels all come from `travel`, so feet do not slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from sgen_ray.world.scene import ATTRIBUTES, ON_STAND, WATER_CYCLE, Film, Scene

GROUND = 0.86
"""Where feet and wheels stand."""
ZOOM_Y = 0.62
"""Height of the point that the zoom closes in on."""

SIZE = {
    "astronaut": 0.56, "person": 0.56, "dog": 0.46, "cat": 0.46, "horse": 0.54, "bird": 0.46, "fish": 0.44,
    "whale": 0.5, "car": 0.42, "bus": 0.46, "boat": 0.6, "plane": 0.42, "rocket": 0.58, "ball": 0.38, "shoe": 0.42,
    "bottle": 0.58, "watch": 0.58, "vapour": 0.6, "cloud": 0.4, "rain": 0.7, "river": 0.34,
}  # fmt: skip
"""Local unit of each subject, in frame heights: most are one unit high."""

EXTENT = {
    "astronaut": (-0.42, 0.42, 0.0, 1.03), "person": (-0.4, 0.4, 0.0, 1.03), "dog": (-0.85, 0.85, 0.0, 1.06),
    "cat": (-0.85, 0.8, 0.0, 1.12), "horse": (-0.8, 0.8, 0.0, 1.1), "bird": (-0.85, 0.85, -0.02, 1.05),
    "fish": (-0.95, 0.85, -0.05, 1.05), "whale": (-1.05, 0.95, -0.15, 1.2), "car": (-1.1, 1.1, 0.0, 0.95),
    "bus": (-1.2, 1.2, 0.0, 1.0), "boat": (-0.75, 0.75, -0.1, 1.1), "plane": (-1.2, 1.2, -0.1, 1.1),
    "rocket": (-0.5, 0.5, -0.35, 1.1), "ball": (-0.6, 0.6, -0.03, 1.15), "shoe": (-0.98, 0.98, 0.0, 1.0),
    "bottle": (-0.3, 0.3, 0.0, 1.03), "watch": (-0.45, 0.45, 0.0, 1.03), "vapour": (-1.2, 1.2, 0.0, 1.0),
    "cloud": (-1.5, 1.5, -0.1, 1.0), "rain": (-1.1, 1.1, 0.0, 1.0), "river": (-1.8, 1.8, -0.4, 1.0),
}  # fmt: skip
"""left, right, bottom, top of each subject in its local unit, facing right, y up; nothing is painted outside."""

_SPEED = {
    "walking": 0.27, "running": 0.6, "driving": 0.62, "flying": 0.5, "swimming": 0.28, "sailing": 0.28, "jumping": 0.3,
    "bouncing": 0.35,
}  # fmt: skip
_RGB = {
    "none": (1.0, 1.0, 1.0), "red": (0.90, 0.13, 0.15), "orange": (1.0, 0.52, 0.05), "yellow": (1.0, 0.87, 0.10),
    "green": (0.10, 0.72, 0.25), "blue": (0.12, 0.36, 0.95), "purple": (0.60, 0.20, 0.82), "white": (0.97, 0.97, 0.97),
    "black": (0.16, 0.16, 0.20),
}  # fmt: skip
_PAN = 0.13  # frame heights a second, for shots without a subject that would leave the frame


@dataclass(frozen=True)
class State:
    """One row a frame; every field is [M] or [M, 3].

    Attributes:
        place, subject, sky, action, time, weather: class indices.
        t: seconds since the shot began; seconds: its length.
        facing: +1 right, -1 left. moving: 1 where the subject travels, else 0.
        travel: distance the subject has gone; camera: how far the camera has gone to the right; fall: to the sky.
        zoom: magnification at the subject's depth. size: the local unit; scale: the same on screen.
        x, y: the subject's origin (middle, feet) on screen; lift: how far above its rest it is, not on screen.
    """

    place: Tensor
    subject: Tensor
    sky: Tensor
    action: Tensor
    time: Tensor
    weather: Tensor
    rgb: Tensor
    seconds: Tensor
    hills: Tensor
    gait: Tensor
    sky_x: Tensor
    t: Tensor
    facing: Tensor
    moving: Tensor
    travel: Tensor
    camera: Tensor
    fall: Tensor
    zoom: Tensor
    size: Tensor
    scale: Tensor
    x: Tensor
    y: Tensor
    lift: Tensor

    def rows(self, index: Tensor) -> State:
        return State(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    def to(self, device: torch.device) -> State:
        return State(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def planes(self) -> State:
        """The same with every [M] field as [M, 1, 1], to broadcast over pictures."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return State(**{name: value if value.ndim > 1 else value[:, None, None] for name, value in values.items()})


def is_class(values: Tensor, attribute: str, *names: str) -> Tensor:
    """Where class indices are one of the named classes, as bool."""
    classes = ATTRIBUTES[attribute]
    found = values == classes.index(names[0])
    for name in names[1:]:
        found = found | (values == classes.index(name))
    return found


def shot_index(films: Sequence[Film], times: Tensor) -> Tensor:
    """[N, T] index into all the films' shots, end to end, of the shot on screen at `times` [N, T] seconds."""
    most = max(len(film.shots) for film in films)
    starts = torch.full((len(films), most), float("inf"))
    for row, film in enumerate(films):
        starts[row, : len(film.shots)] = torch.tensor(film.starts())
    starts[:, 0] = -1.0
    inside = (times[:, :, None] >= starts[:, None, :]).sum(-1) - 1
    first = torch.tensor([0] + [len(film.shots) for film in films]).cumsum(0)[:-1]
    return first[:, None] + inside


def states(films: Sequence[Film], times: Tensor, aspect: float) -> State:
    """The state of every frame of `times` [N, T], flattened to M = N * T rows, on the CPU."""
    times = times.detach().to("cpu", torch.float32)
    shots = [shot for film in films for shot in film.shots]
    starts = [start for film in films for start in film.starts()]
    index = shot_index(films, times).flatten()
    classes = torch.tensor([[c.index(getattr(s, a)) for a, c in ATTRIBUTES.items()] for s in shots])[index]
    at = dict(zip(ATTRIBUTES, classes.unbind(1), strict=True))
    numbers = torch.tensor([_numbers(s, start) for s, start in zip(shots, starts, strict=True)])[index]
    start, seconds, hills, drift, gait, size, sky_x, speed, limited, red, green, blue = numbers.unbind(1)

    t = times.flatten() - start
    facing = torch.where(is_class(at["direction"], "direction", "left"), -1.0, 1.0)
    moving = (speed > 0).float()
    travel = speed * t

    # The camera follows a subject that travels, and lets it drift slowly about the middle of the frame.
    swing = torch.sin(t * (2 * torch.pi / 14) + drift * 2 * torch.pi) * 0.16 * aspect
    pan = is_class(at["camera"], "camera", "pan right").float() - is_class(at["camera"], "camera", "pan left").float()
    reach = 0.4 * aspect  # how far a subject that stays put may cross the frame during a pan
    slow = torch.clamp(reach / seconds, max=_PAN)
    panned = pan * torch.where(limited > 0, (t - seconds / 2) * slow, _PAN * t)
    rest = (drift - 0.5) * 0.2 * aspect * (1 - pan.abs())
    x = torch.where(moving > 0, swing, rest - panned * limited)
    camera = torch.where(moving > 0, facing * travel - swing, panned)

    zooming = is_class(at["camera"], "camera", "zoom in").float()
    zoom = 1 + zooming * (-0.12 + 0.42 * (t / seconds).clamp(0, 1))
    rising = is_class(at["action"], "action", "rising") & is_class(at["subject"], "subject", "rocket")
    fall = torch.where(rising, 0.42 * (1 - torch.exp(-t * t / 12)), 0.0)

    rest_y, lift = _height(at["subject"], at["place"], at["action"], t, gait)
    y = ZOOM_Y + (rest_y - lift - ZOOM_Y) * zoom
    return State(
        place=at["place"], subject=at["subject"], sky=at["sky"], action=at["action"], time=at["time"],
        weather=at["weather"], rgb=torch.stack([red, green, blue], 1), seconds=seconds, hills=hills, gait=gait,
        sky_x=sky_x, t=t, facing=facing, moving=moving, travel=travel, camera=camera, fall=fall, zoom=zoom, size=size,
        scale=size * zoom, x=x * zoom, y=y, lift=lift,
    )  # fmt: skip


def boxes(state: State, aspect: float) -> Tensor:
    """[M, 4] centre x, y, width, height of the subject in 0..1 of the frame; zeros where there is none."""
    extents = torch.tensor([EXTENT.get(name, (0.0, 0.0, 0.0, 0.0)) for name in ATTRIBUTES["subject"]])[state.subject]
    left, right, bottom, top = extents.unbind(1)
    seen = (state.subject > 0).float()
    x = 0.5 + (state.x + state.facing * (left + right) / 2 * state.scale) / aspect
    y = state.y - (bottom + top) / 2 * state.scale
    return torch.stack([x, y, (right - left) * state.scale / aspect, (top - bottom) * state.scale], 1) * seen[:, None]


def _numbers(scene: Scene, start: float) -> tuple[float, ...]:
    speed = 0.0 if scene.direction == "still" else _SPEED.get(scene.action, 0.0) * (0.85 + 0.3 * scene.pace)
    # A river and whatever stands on the ground move with a pan; sky and sea do not leave the frame.
    limited = float(scene.subject not in ("none", "vapour", "cloud", "rain"))
    size = SIZE.get(scene.subject, 0.0) * (0.94 + 0.12 * scene.size)
    return (start, scene.seconds, scene.hills * 40, scene.drift, scene.gait, size, scene.sky_x, speed, limited,
            *_RGB[scene.colour])  # fmt: skip


def _height(subject: Tensor, place: Tensor, action: Tensor, t: Tensor, gait: Tensor) -> tuple[Tensor, Tensor]:
    """Rest height of the subject's origin, and how far above it the subject is."""
    rest = torch.full_like(t, GROUND)

    def put(where: Tensor, value: Tensor | float) -> None:
        nonlocal rest
        rest = torch.where(where, torch.as_tensor(value), rest)

    flying = is_class(action, "action", "flying")
    put(is_class(subject, "subject", *ON_STAND), GROUND - 0.08)
    put(flying, 0.64)
    put(flying & is_class(subject, "subject", "rocket"), 0.72)
    put(is_class(action, "action", "rising"), 0.8)
    put(is_class(subject, "subject", "fish", "whale"), 0.72)
    put(is_class(place, "place", "ocean") & is_class(subject, "subject", "whale", "fish"), 0.93)
    put(is_class(subject, "subject", "boat"), 0.84)
    put(is_class(subject, "subject", "vapour"), 0.68)
    put(is_class(subject, "subject", "cloud"), 0.47)
    put(is_class(subject, "subject", "rain"), 0.76)
    put(is_class(subject, "subject", "river"), 0.98)

    beat = t + gait * 3
    bob = 0.02 * torch.sin(beat * 2.2)
    floats = is_class(action, "action", "flying", "swimming", "sailing") | is_class(subject, "subject", "boat")
    floats |= is_class(action, "action", "rising") & is_class(subject, "subject", "rocket")
    lift = torch.where(floats, bob, 0.0)
    f = torch.frac(beat / 1.1)
    lift = torch.where(is_class(action, "action", "bouncing"), 0.30 * 4 * f * (1 - f), lift)
    f = torch.frac(beat / 2.4)
    leap = (4 * f * (1 - f)) * 0.42 - 0.12
    sea = is_class(place, "place", "ocean") & is_class(subject, "subject", "fish", "whale")
    lift = torch.where(is_class(action, "action", "jumping"), torch.where(sea, leap, leap.clamp(min=0.0)), lift)
    return rest, torch.where(is_class(subject, "subject", *WATER_CYCLE), 0.0, lift)
