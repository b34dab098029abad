"""What is told to the diffusion transformers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Conditioning:
    """What a network is told beside the noisy frames.

    Attributes:
        text: [B, K, L, D_text] embeddings of the K shots; text_mask: [B, K, L] bool, None: all tokens count.
        shot: [B, T] index of each frame's shot, None: every frame sees all text.
        first: absolute latent frame of frame 0; it anchors the attention spans.
        semantic: [B, C_s, S, h, w] tokens of the same stretch of film, or None.
        anchors: [B, C, A, H, W] known clean frames to look at, or None; anchor_times: [B, A] their frame number
            relative to frame 0, anywhere in the film; anchor_shot: [B, A] index of their shots.
        shot_clock: [B, T, 2] frames since the shot began and until it ends, for a planner.
    """

    text: Tensor
    text_mask: Tensor | None = None
    shot: Tensor | None = None
    first: int = 0
    semantic: Tensor | None = None
    anchors: Tensor | None = None
    anchor_times: Tensor | None = None
    anchor_shot: Tensor | None = None
    shot_clock: Tensor | None = None

    def rows(self, which: slice | Tensor) -> Conditioning:
        """Of these examples of the batch alone."""
        own: dict[str, Any] = {name: value[which] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **own)

    def readable(self, frames: list[int], stride: int) -> list[Tensor] | None:
        """Which text tokens, of all shots side by side, the frames of each stream may look at: bool [B, F, K L] each;
        None: all see all. `frames`: how many each stream has, latents (and anchors) first, then the plan's steps, one
        to `stride` latent frames."""
        if self.text_mask is None and self.shot is None:
            return None
        batch, shots, length, _ = self.text.shape
        valid = self.text.new_ones(batch, shots, length, dtype=torch.bool) if self.text_mask is None else self.text_mask
        if self.shot is None:
            return [valid.flatten(1).unsqueeze(1).expand(-1, count, -1) for count in frames]
        latents = self.shot if self.anchor_shot is None else torch.cat((self.shot, self.anchor_shot), 1)
        masks = []
        for shot in (latents, self.shot[:, ::stride])[: len(frames)]:
            same = shot.unsqueeze(-1) == torch.arange(shots, device=shot.device)
            masks.append((same.unsqueeze(-1) & valid.unsqueeze(1)).flatten(2))
        return masks
