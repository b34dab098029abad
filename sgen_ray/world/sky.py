"""The sky: a gradient by time of day, stars, one object in it, and the weather over the whole frame."""

from __future__ import annotations

import torch
from torch import Tensor

from sgen_ray.world import palette
from sgen_ray.world.motion import State, is_class
from sgen_ray.world.sdf import Brush, capsule, circle, ellipse, length, union
from sgen_ray.world.stamps import Patch, chance, dots, scatter

HORIZON = 0.66
_WARMTH = ((1.0, 0.88, 0.85), (1.0, 1.0, 1.0), (1.0, 0.68, 0.50), (1.0, 0.8, 0.6))  # the sun by time of day


def paint_sky(image: Tensor, state: State) -> None:
    """The gradient and the stars, onto image [B, 3, H, W]."""
    rows = image.shape[-2]
    table = image.new_tensor(palette.sky_table())[state.place, state.time]  # [B, 2, 3]
    wet = is_class(state.weather, "weather", "rain").float() + is_class(state.weather, "weather", "snow").float() * 0.9
    grey = torch.where(is_class(state.weather, "weather", "rain")[:, None], image.new_tensor(palette.GREY_SKY),
                       image.new_tensor(palette.PALE_SKY))  # fmt: skip
    light = image.new_tensor([palette.LIGHT[name] for name in palette.LIGHT])[state.time]
    table = torch.lerp(table, (grey * light)[:, None], (wet * 0.75)[:, None, None])
    y = (torch.arange(rows, device=image.device) + 0.5) / rows
    down = (y / HORIZON - state.fall[:, None] * 0.8).clamp(0, 1)[:, None, :, None]
    image.copy_(torch.lerp(table[:, 0, :, None, None], table[:, 1, :, None, None], down).expand_as(image))

    starry = is_class(state.time, "time", "night") & is_class(state.weather, "weather", "clear")
    starry |= is_class(state.place, "place", "moon")
    starry &= ~is_class(state.place, "place", "studio", "underwater")
    if bool(starry.any()):
        x, y, r = scatter(state.hills, 22, 5)
        aspect = image.shape[-1] / rows
        cover = dots(image, (x - 0.5) * aspect, y * 0.55, 0.012, 0.012, (0.5 + 0.5 * r) * starry[:, None])
        image.lerp_(image.new_ones(1, 3, 1, 1), cover)


def paint_sky_object(image: Tensor, state: State) -> None:
    """Sun, moon, Earth or ringed planet, high in the sky and nearly at infinity."""
    if not bool((state.sky > 0).any()):
        return
    aspect = image.shape[-1] / image.shape[-2]
    side = torch.where(state.sky_x < 0.5, -1.0, 1.0)
    x = side * (0.27 + 0.13 * (state.sky_x * 2).frac()) * aspect - state.camera * 0.004
    y = 0.17 + 0.04 * (state.sky_x * 7).frac() + state.fall * 0.3
    for name, paint in (("sun", _sun), ("moon", _moon), ("earth", _earth), ("planet", _planet)):
        rows = is_class(state.sky, "sky", name).nonzero()[:, 0]
        if len(rows) == 0:
            continue
        wide, tall = (0.32, 0.2) if name == "planet" else (0.24, 0.24)
        cx, cy = x[rows], y[rows]
        patch = Patch(image, rows, cx - wide, cy - tall, 2 * wide, 2 * tall)
        px = (patch.x - cx[:, None, None]).expand(patch.image[:, 0].shape)
        py = (cy[:, None, None] - patch.y).expand(px.shape)
        sharp = image.new_full((len(rows), 1, 1), image.shape[-2])
        warmth = image.new_tensor(_WARMTH)[state.time[rows]] if name == "sun" else image.new_ones(len(rows), 3)
        paint(Brush(patch.image, px, py, sharp, warmth))
        patch.put()


def _sun(b: Brush) -> None:
    glow = (1 - length(b.x, b.y) / 0.23).clamp(0, 1)
    b.image.lerp_(b.tint((1.0, 0.93, 0.55)), (glow * 0.9)[:, None])
    b.paint(circle(b.x, b.y, 0, 0, 0.12), (1.0, 0.90, 0.22))


def _moon(b: Brush) -> None:
    disc, bite = circle(b.x, b.y, 0, 0, 0.125), circle(b.x, b.y, -0.07, 0.04, 0.105)
    b.paint(torch.maximum(disc, -bite), (0.97, 0.96, 0.84))


def _earth(b: Brush) -> None:
    disc = circle(b.x, b.y, 0, 0, 0.135)
    b.paint(circle(b.x, b.y, 0, 0, 0.15), (0.65, 0.85, 1.0), 0.45)
    b.paint(disc, (0.10, 0.38, 0.88))
    land = union(ellipse(b.x, b.y, -0.05, 0.03, 0.05, 0.065), ellipse(b.x, b.y, 0.065, -0.03, 0.04, 0.06))
    b.paint(torch.maximum(land, disc), (0.20, 0.70, 0.28))
    ice = union(ellipse(b.x, b.y, 0.0, 0.125, 0.07, 0.022), ellipse(b.x, b.y, 0.03, -0.125, 0.06, 0.02))
    b.paint(torch.maximum(ice, disc), (0.97, 0.99, 1.0))


def _planet(b: Brush) -> None:
    ring = ellipse(b.x, b.y, 0, 0, 0.25, 0.07, 0.35).abs() - 0.022
    disc = circle(b.x, b.y, 0, 0, 0.12)
    b.paint(ring, (0.98, 0.84, 0.62))
    b.paint(disc, (0.90, 0.60, 0.62))
    band = capsule(b.x, b.y, (-0.12, -0.05), (0.12, 0.04), 0.025, 0.025)
    b.paint(torch.maximum(band, disc), (0.98, 0.78, 0.66))
    front = torch.maximum(ring, b.y - 0.36 * b.x)
    b.paint(front, (0.98, 0.84, 0.62))


def paint_fog(image: Tensor, state: State, weather: str, strength: float) -> None:
    """A veil, thickest at the horizon; `strength` 1 behind the subject, less before it."""
    light = image.new_tensor([palette.LIGHT[name] for name in palette.LIGHT])[state.time][:, :, None, None]
    y = ((torch.arange(image.shape[-2], device=image.device) + 0.5) / image.shape[-2])[None, None, :, None]
    thick = 0.45 + 0.35 * (1 - (y - 0.55).abs() * 2.2).clamp(0, 1)
    image.lerp_(light * image.new_tensor([0.86, 0.89, 0.92])[:, None, None], thick * strength)


def paint_weather(image: Tensor, state: State, weather: str) -> None:
    """Rain or snow over frames that all have it."""
    aspect, t = image.shape[-1] / image.shape[-2], state.t[:, None]
    light = image.new_tensor([palette.LIGHT[name] for name in palette.LIGHT])[state.time][:, :, None, None]
    k = torch.arange(34 if weather == "rain" else 40, device=image.device)
    x, y, r = chance(k * 3 + 101), chance(k * 3 + 102), chance(k * 3 + 103)
    wide = aspect + 0.3
    drift = state.camera[:, None] * 0.6 / wide
    if weather == "rain":
        y = _wrap(y + t * (1.5 + 0.3 * r)) * 1.2 - 0.1
        x = _wrap(x - drift - t * 0.06) * wide - wide / 2
        cover = dots(image, x, y, 0.011, 0.07, 0.75)
        image.lerp_(light * 0.4 + 0.6 * image.new_tensor([0.72, 0.84, 1.0])[:, None, None], cover)
    else:
        x = _wrap(x - drift + 0.03 * torch.sin(t * 1.3 + k)) * wide - wide / 2
        y = _wrap(y + t * (0.22 + 0.08 * r)) * 1.1 - 0.05
        image.lerp_(light * 0.3 + 0.7, dots(image, x, y, 0.023, 0.023, 0.95))


def _wrap(v: Tensor) -> Tensor:
    return v - v.floor()
