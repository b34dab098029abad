"""What a decoder errs by, taken out of frames where nothing moves.

Each of a latent's frames is drawn with errors of its own, the same in every latent: where a film stands still they are
all that changes. Frames are therefore averaged over half a latent to either side, place by place, as far as they agree
(a bilateral filter, Tomasi and Manduchi, ICCV 1998, along time alone): what moves agrees with no other frame and stays
as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def calm(frames: Tensor, reach: int, below: float) -> Tensor:
    """Frames [T, 3, H, W], each the mean of those up to `reach` from it, by how far they agree at each place.

    A frame that differs by `below` on average, in the frames' own units, counts 1 / e; the frame itself counts 1. How
    far two agree is seen at half their size, over 3x3 pixels there. Height and width are even.
    """
    rows = frames[:, :, ::2] + frames[:, :, 1::2]
    small = (rows[..., ::2] + rows[..., 1::2]) / 4
    around = frames.new_ones(1, 1, 3, 3)
    inside = functional.conv2d(torch.ones_like(small[:1, :1]), around, padding=1)
    total, counted = frames.clone(), frames.new_ones(len(frames), 1, *frames.shape[2:])
    for apart in range(1, min(reach, len(frames) - 1) + 1):
        differ = (small[apart:] - small[:-apart]).abs_().mean(1, keepdim=True)
        differ = functional.conv2d(differ, around, padding=1) / inside
        count = differ.div_(below).square_().neg_().exp_()
        count = functional.interpolate(count, scale_factor=2.0, mode="nearest")
        total[apart:].addcmul_(count, frames[:-apart])
        total[:-apart].addcmul_(count, frames[apart:])
        counted[apart:] += count
        counted[:-apart] += count
    return total.div_(counted)
