"""The model's grid: how frames, latent frames and semantic steps lie over each other.

Three grids share one clock. Pixel frames run at `fps`; one latent frame covers `temporal_compression` pixel frames;
one semantic step covers `semantic_stride` latent frames. All conversions live here, in integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction


@dataclass(frozen=True)
class Grid:
    """Sizes of everything a model makes; pixel sizes in pixels, times in frames of the named grid.

    detail: how much finer the decoder draws, in size and in rate, than what the encoders see and the latents hold.
    """

    width: int
    height: int
    fps: int
    latent_channels: int
    semantic_channels: int
    semantic_height: int
    semantic_width: int
    spatial_compression: int = 8
    temporal_compression: int = 4
    semantic_stride: int = 2
    attention_span: int = 8
    detail: int = 1

    def __post_init__(self) -> None:
        if self.width % self.spatial_compression or self.height % self.spatial_compression:
            raise ValueError(f"grid {self.width}x{self.height} is no multiple of {self.spatial_compression}")
        finer = (self.spatial_compression, self.temporal_compression, self.fps)
        if self.detail < 1 or any(value % self.detail for value in finer):
            raise ValueError(
                f"compression {finer[:2]} and {self.fps} frames a second are no multiples of {self.detail}"
            )
        if self.attention_span % 2:
            raise ValueError(f"attention_span must be even, not {self.attention_span}")

    @property
    def coarse(self) -> Grid:
        """The same grid as the encoders see it, without the detail that the decoder adds."""
        k = self.detail
        return replace(
            self, width=self.width // k, height=self.height // k, fps=self.fps // k, detail=1,
            spatial_compression=self.spatial_compression // k, temporal_compression=self.temporal_compression // k,
        )  # fmt: skip

    @property
    def latent_height(self) -> int:
        return self.height // self.spatial_compression

    @property
    def latent_width(self) -> int:
        return self.width // self.spatial_compression

    @property
    def unit(self) -> int:
        """Latent frames that window starts and overlaps are multiples of: lcm(attention_span / 2, semantic_stride)."""
        return math.lcm(self.attention_span // 2, self.semantic_stride)

    @property
    def frames_per_step(self) -> int:
        """Pixel frames under one semantic step."""
        return self.temporal_compression * self.semantic_stride

    def frames(self, seconds: float) -> int:
        """Pixel frames that cover this many seconds, at least one."""
        return max(1, math.ceil(Fraction(str(seconds)) * self.fps))

    def latent_frames(self, frames: int) -> int:
        """Latent frames that cover this many pixel frames."""
        return -(-frames // self.temporal_compression)

    def semantic_steps(self, latent_frames: int) -> int:
        """Semantic steps that cover this many latent frames."""
        return -(-latent_frames // self.semantic_stride)

    def pixel_range(self, start: int, stop: int) -> tuple[int, int]:
        """Pixel frames [first, last) that latent frames [start, stop) decode to."""
        return start * self.temporal_compression, stop * self.temporal_compression

    def semantic_range(self, start: int, stop: int) -> tuple[int, int]:
        """Semantic steps [first, last) that touch latent frames [start, stop)."""
        return start // self.semantic_stride, self.semantic_steps(stop)
