"""A model folder's decoder behind the engine's protocol: one run of latents at a time, shot by shot."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgen_ray.models.autoencoder import TinyAutoencoder
from sgen_ray.models.base import device_of
from sgen_ray.models.calming import calm
from sgen_ray.shapes import Grid
from sgen_ray.types import Segment

CALM_HALO = 1
"""Latents to either side of what is shown that are drawn too: its first and last frames are calmed as all others."""


class TorchDecoder:
    """Latents of one run to pixels: `protocols.Decoder`."""

    def __init__(self, grid: Grid, autoencoder: TinyAutoencoder) -> None:
        self.grid, self.autoencoder, self.device = grid, autoencoder, device_of(autoencoder)

    @property
    def halo(self) -> tuple[int, int]:
        before, after = self.autoencoder.halo
        return before + CALM_HALO, after + CALM_HALO

    @torch.no_grad()
    def decode(self, segment: Segment) -> NDArray[np.uint8]:
        latents = torch.from_numpy(np.array(segment.latents))[None].to(self.device, self.autoencoder.dtype)
        start, stop, *cuts = (x - segment.latent_start for x in (segment.start, segment.stop, *segment.cuts))
        shots = [
            self._draw(latents[:, :, begin:end], max(start, begin) - begin, min(stop, end) - begin)
            for begin, end in pairwise([0, *cuts, latents.shape[2]])
            if begin < stop and start < end
        ]
        frames = torch.cat(shots)
        first = segment.start * self.grid.temporal_compression
        return to_pixels(frames[segment.frame_start - first : segment.frame_stop - first])

    def _draw(self, shot: Tensor, start: int, stop: int) -> Tensor:
        """Frames [T, 3, H, W] of latent frames [start, stop) of a shot [1, C, T, h, w]."""
        below, each = self.autoencoder.config.calm_below, self.grid.temporal_compression
        if not below:
            return self.autoencoder.decode(shot, start, stop)[0].transpose(0, 1)
        begin, reach = max(0, start - CALM_HALO), each // 2
        drawn = self.autoencoder.decode(shot, begin, min(stop + CALM_HALO, shot.shape[2]))[0].transpose(0, 1)
        first, last = (start - begin) * each, (stop - begin) * each
        seen = drawn[max(0, first - reach) : last + reach].float()
        return calm(seen, reach, 2 * below)[min(first, reach) :][: last - first]  # frames are of -1 to 1


def to_pixels(frames: Tensor) -> NDArray[np.uint8]:
    """[T, 3, H, W] in -1..1 to uint8 [T, H, W, 3]."""
    return ((frames.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
