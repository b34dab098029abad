"""Rotary position embedding over continuous space-time, as Wan2.1 lays it out.

A head's channels are split in three: time, row, column; each part rotates interleaved pairs. Positions are real
numbers in units of latent patches, so that latent patches (integers, as in Wan) and semantic tokens (the centre of
the span and patch that they summarise) live in one coordinate system.
"""

from __future__ import annotations

import torch
from torch import Tensor


def split_head(head_dim: int) -> tuple[int, int, int]:
    """Channels for time, row and column (diffusers' WanRotaryPosEmbed)."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


def rope(positions: Tensor, head_dim: int, theta: float = 10000.0) -> Tensor:
    """Unit complex numbers [..., head_dim / 2] (complex64) for positions [..., 3] (time, row, column)."""
    angles = []
    for axis, dim in enumerate(split_head(head_dim)):
        frequencies = theta ** -(torch.arange(0, dim, 2, dtype=torch.float64, device="cpu") / dim)
        angles.append(positions[..., axis, None].double() * frequencies.to(positions.device))
    angle = torch.cat(angles, -1)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Rotate pairs of x [..., heads, head_dim] by unit complex numbers [..., head_dim / 2]."""
    cos, sin = turns.real.unsqueeze(-2), turns.imag.unsqueeze(-2)
    a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2).to(x.dtype)


def grid_positions(times: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[T, R * C, 3] positions of a regular grid."""
    t, r, c = torch.meshgrid(times.float(), rows.float(), columns.float(), indexing="ij")
    return torch.stack((t, r, c), -1).flatten(1, 2)


def centres(count: int, extent: int) -> Tensor:
    """Centres of `count` equal cells over `extent` patches, in patch coordinates (patch i is centred on i)."""
    return (torch.arange(count, dtype=torch.float32) + 0.5) * (extent / count) - 0.5
