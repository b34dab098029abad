"""What is told to the diffusion transformers."""

from __future__ import annotations

from dataclasses import dataclass

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
