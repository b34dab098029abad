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
