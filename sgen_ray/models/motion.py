"""How pictures move, by a formula: left to find that out by itself, a small network learns directions last."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


@torch.no_grad()
def apparent_motion(clips: Tensor, scales: tuple[int, ...] = (2, 4)) -> Tensor:
    """How clips [N, T, 3, H, W] move from each frame to the next: [N, 2 len(scales) (T - 1), H / 4, W / 4].

    Lucas and Kanade's least squares (1981) for x and y apart, on frames averaged down by each of `scales`, in pixels
    there; the coarser the scale, the longer the way that can be seen.
    """
    grey, out = clips.mean(2), []
    size = (clips.shape[-2] // 4, clips.shape[-1] // 4)
    for scale in scales:
        small = functional.avg_pool2d(grey, scale)
        before, after = small[:, :-1], small[:, 1:]
        middle = functional.pad((before + after) / 2, (1, 1, 1, 1), mode="replicate")
        across = (middle[..., 1:-1, 2:] - middle[..., 1:-1, :-2]) / 2
        down = (middle[..., 2:, 1:-1] - middle[..., :-2, 1:-1]) / 2
        products = torch.cat([g * f for g in (across, down) for f in (after - before, g)], 1)
        if scale < 4:
            products = functional.avg_pool2d(products, 4 // scale)
        sums = functional.avg_pool2d(products, 3, 1, 1)
        if scale > 4:
            sums = functional.interpolate(sums, size, mode="bilinear")
        x_t, x_x, y_t, y_y = sums.chunk(4, 1)
        out += [-x_t / (x_x + 1e-3), -y_t / (y_y + 1e-3)]
    return torch.cat(out, 1).clamp(-3, 3)


BANDS = 4
"""Strips from top to bottom in which `camera_motion` looks: what is far scrolls less than what is near."""


@torch.no_grad()
def camera_motion(clips: Tensor, scales: tuple[int, ...] = (1, 2, 4)) -> Tensor:
    """How whole pictures move in clips [N, T, 3, H, W]: [N, 2 BANDS T len(scales)].

    The same least squares as `apparent_motion`, for one shift to the side and one growth in each strip of the frame,
    from each frame to the next and from the first to the last. A slow pan or zoom is less than can be told at one
    place, yet it is the same everywhere. In pixels of each scale, a growth's at a quarter of the frame from its middle.
    """
    grey = clips.float().mean(2)
    before = torch.cat((grey[:, :-1], grey[:, :1]), 1)
    after = torch.cat((grey[:, 1:], grey[:, -1:]), 1)
    with torch.autocast(clips.device.type, enabled=False):  # least squares want all digits
        moves = [_strips(functional.avg_pool2d(before, s), functional.avg_pool2d(after, s)) for s in scales]
    return torch.cat(moves, 1).clamp(-3, 3)


def _strips(before: Tensor, after: Tensor) -> Tensor:
    """Shift and growth of each strip between pictures [N, T, h, w]: [N, 2 BANDS T]."""
    height, width = before.shape[-2:]
    middle = functional.pad((before + after) / 2, (1, 1, 1, 1), mode="replicate")
    across = (middle[..., 1:-1, 2:] - middle[..., 1:-1, :-2]) / 2
    down = (middle[..., 2:, 1:-1] - middle[..., :-2, 1:-1]) / 2
    row, column = (torch.arange(n, device=before.device) for n in (height, width))
    x, y = (column + 0.5 - width / 2) / height, (row + 0.5 - height / 2) / height
    growth = 4 * (across * x + down * y[:, None])
    strip = functional.one_hot(row * BANDS // height, BANDS).to(before)
    slopes = torch.einsum("kntyx,yb->ntkbyx", torch.stack((across, growth)), strip).flatten(4).flatten(2, 3)
    normal = slopes @ slopes.transpose(-1, -2) + 1e-2 * torch.eye(2 * BANDS, device=before.device)
    moved = slopes @ (before - after).flatten(2).unsqueeze(-1)
    return torch.linalg.solve(normal, moved).flatten(1)
