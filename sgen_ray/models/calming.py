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

PLACE = 2
"""Pixels of a place's side: how far frames agree is seen on frames so many times smaller, over 3x3 of them."""


def calm(frames: Tensor, reach: int, below: float) -> Tensor:
    """Frames [T, 3, H, W], each the mean of those up to `reach` from it, by how far they agree at each place.

    A frame that differs by `below` on average, in the frames' own units, counts 1 / e; the frame itself counts 1.
    Height and width are multiples of `PLACE`.
    """
    places = frames.unflatten(3, (-1, PLACE)).unflatten(2, (-1, PLACE))  # [T, 3, h, PLACE, w, PLACE]
    small = functional.avg_pool2d(frames, PLACE)
    total, counted = places.clone(), frames.new_ones(len(frames), 1, small.shape[2], 1, small.shape[3], 1)
    for apart in range(1, min(reach, len(frames) - 1) + 1):
        differ = (small[apart:] - small[:-apart]).abs().mean(1, keepdim=True)
        differ = functional.avg_pool2d(differ, 3, 1, 1, count_include_pad=False)
        count = torch.exp(-((differ / below) ** 2))[:, :, :, None, :, None]
        total[apart:].addcmul_(count, places[:-apart])
        total[:-apart].addcmul_(count, places[apart:])
        counted[apart:] += count
        counted[:-apart] += count
    return (total / counted).reshape(frames.shape)
