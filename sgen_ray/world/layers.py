"""Layers of a landscape, and the heights of hills, peaks and rows of things.

A layer is a height a column, painted below it; that is what makes a background cheap.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sgen_ray.world import palette
from sgen_ray.world.motion import ZOOM_Y, State, is_class
from sgen_ray.world.sdf import Colour
from sgen_ray.world.stamps import chance


class Canvas:
    """B pictures of one place, with the camera applied a depth at a time.

    Attributes:
        image: [B, 3, H, W], painted in place; x: [W] frame heights from the middle; y: [H, 1] from the top down.
        light: [B, 3] of the landscape.
    """

    def __init__(self, image: Tensor, state: State) -> None:
        self.image, self.state = image, state
        self.rows, self.columns = image.shape[-2:]
        self.x = (torch.arange(self.columns, device=image.device) + 0.5 - self.columns / 2) / self.rows
        self.y = ((torch.arange(self.rows, device=image.device) + 0.5) / self.rows)[:, None]
        light = image.new_tensor([palette.LIGHT[name] for name in palette.LIGHT])[state.time]
        grey = is_class(state.weather, "weather", "rain")[:, None]
        self.zooms = (min(1.0, float(state.zoom.min())), max(1.0, float(state.zoom.max())))
        self.light = torch.where(grey, light * 0.82, light)

    def across(self, depth: float) -> Tensor:
        """[B, W] landscape coordinate of each column for a layer at `depth`: 0 at infinity, 1 at the subject."""
        s = self.state
        return self.x / self.zoom(depth)[:, None] + s.camera[:, None] * depth + s.hills[:, None]

    def zoom(self, depth: float) -> Tensor:
        return 1 + (self.state.zoom - 1) * depth

    def first_row(self, top: float) -> int:
        """First row that a layer no higher than `top` can reach in any of the pictures."""
        return max(0, int(min(ZOOM_Y + (top - ZOOM_Y) * z for z in self.zooms) * self.rows) - 1)

    def down(self, height: Tensor | float, depth: float) -> Tensor:
        """Where a layer's height (frame heights from the top) is on screen."""
        z, fall = self.zoom(depth), self.state.fall * (0.35 + 0.65 * depth)
        if isinstance(height, Tensor):
            z, fall = z[:, None], fall[:, None]
        return ZOOM_Y + (height - ZOOM_Y) * z + fall

    def below(self, height: Tensor | float, depth: float, steep: float = 0.0) -> Tensor:
        """[B, 1, H, W] or [B, 1, H, 1] coverage of what lies under `height`; `steep`: the slope of its sides."""
        edge = self.down(height, depth)
        edge = edge[:, None, :] if edge.ndim == 2 else edge[:, None, None]
        return ((self.y - edge) * (self.rows / math.hypot(1, steep)) + 0.5).clamp(0, 1)[:, None]

    def tint(self, colour: Colour, lit: bool = True) -> Tensor:
        rgb = colour if isinstance(colour, Tensor) else self.light.new_tensor(list(colour)).expand_as(self.light)
        return (rgb * self.light if lit else rgb)[:, :, None, None]

    def fill(self, cover: Tensor, colour: Colour, lit: bool = True, top: float = 0.0) -> None:
        """Paint where `cover` [B, 1, H, W]; rows above `top` are known to be uncovered."""
        r = self.first_row(top)
        self.image[:, :, r:].lerp_(self.tint(colour, lit), cover[:, :, r:])

    def layer(self, height: Tensor | float, colour: Colour, depth: float, top: float, steep: float = 0.0) -> None:
        self.fill(self.below(height, depth, steep), colour, top=top)

    def ground(self, height: Tensor | float, near: Colour, far: Colour, depth: float, top: float) -> None:
        """A layer whose colour goes from `far` at its top to `near` at the bottom of the frame."""
        f = ((self.y[:, 0] - top) / (1 - top)).clamp(0, 1)
        shade = torch.lerp(self.tint(far), self.tint(near), f[None, None, :, None])
        r = self.first_row(top)
        cover = self.below(height, depth)
        self.image[:, :, r:].lerp_(shade[:, :, r:], cover[:, :, r:])

    def night(self) -> Tensor:
        return is_class(self.state.time, "time", "night")[:, None]


def rolling(x: Tensor, frequency: float) -> Tensor:
    """Smooth hills in -1..1."""
    return 0.62 * torch.sin(x * frequency) + 0.38 * torch.sin(x * (frequency * 1.73) + 1.3)


def cells(x: Tensor, period: float, salt: int) -> tuple[Tensor, Tensor, Tensor]:
    """The landscape cut into cells: offset from a cell's middle in -0.5..0.5, a chance in 0..1 a cell, its number."""
    i = (x / period).floor()
    return x / period - i - 0.5, chance(i.long() * 17 + salt), i


def peaks(x: Tensor, period: float, low: float, high: float, salt: int) -> Tensor:
    """Triangles that touch the ground at their cell's sides, between `low` and `high` tall."""
    u, r, _ = cells(x, period, salt)
    return (low + (high - low) * r) * (1 - u.abs() * 2).clamp(min=0)
