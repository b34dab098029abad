"""From frames to meaning: the tiny semantic encoder, the learned compressor, and a preview of the plan.

The encoder stands where Qwen2.5-VL's vision tower stands in the paper: it merges the frames of a step, sampled at 2 to
4 fps, into few tokens. The compressor is the paper's: an MLP gives mean and log-variance of 8 channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray.models.autoencoder import ResidualBlock, Upsample
from sgen_ray.models.base import ConfigMixin, ModelMixin, register_to_config
from sgen_ray.models.init import keep_scale
from sgen_ray.models.motion import BANDS, apparent_motion, camera_motion


class SemanticEncoder(ModelMixin, ConfigMixin):
    """Frames of one step [N, F, 3, H, W] in -1..1 -> features [N, D, H / 32, W / 32]; a still is one frame repeated.

    frames: how many a step has, evenly over it. motion_scales: besides the frames the network sees how the picture
        moves from each to the next (`motion`).
    """

    @register_to_config
    def __init__(
        self,
        feature_channels: int = 64,
        width: int = 48,
        motion_scales: tuple[int, ...] = (),
        frames: int = 2,
        camera_scales: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3 * frames, width, 4, 4)
        moves = 2 * len(motion_scales) * (frames - 1)
        self.motion = nn.Conv2d(moves, width, 3, padding=1) if moves else None
        seen = 2 * BANDS * len(camera_scales) * frames
        self.camera = nn.Sequential(nn.Linear(seen, 48), nn.SiLU(), nn.Linear(48, feature_channels)) if seen else None
        self.net = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(width, width, 3, 2, 1), ResidualBlock(width), nn.SiLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1), ResidualBlock(2 * width), nn.SiLU(),
            nn.Conv2d(2 * width, 2 * width, 3, 2, 1), ResidualBlock(2 * width), nn.SiLU(),
            nn.Conv2d(2 * width, feature_channels, 1),
        )  # fmt: skip
        self.norm = nn.GroupNorm(1, feature_channels)
        keep_scale(self)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.stem(frames.flatten(1, 2))
        if self.motion is not None:
            x = x + self.motion(apparent_motion(frames, tuple(self.config.motion_scales)).to(x.dtype))
        x = self.net(x)
        if self.camera is not None:
            x = x + self.camera(camera_motion(frames, tuple(self.config.camera_scales)).to(x.dtype))[..., None, None]
        return self.norm(x)


class SemanticCompressor(ModelMixin, ConfigMixin):
    """Features [..., D] -> mean and log-variance [..., C]; the plan lives in the normalised mean's space.

    `shift` and `gain` normalise each channel of the mean to zero mean and unit variance over the world; they are
    measured once, when the compressor is frozen.
    """

    @register_to_config
    def __init__(self, feature_channels: int = 64, semantic_channels: int = 8, hidden: int = 96) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(feature_channels, hidden), nn.SiLU(), nn.Linear(hidden, 2 * semantic_channels)
        )
        self.register_buffer("shift", torch.zeros(semantic_channels))
        self.register_buffer("gain", torch.ones(semantic_channels))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.mlp(features).chunk(2, -1)
        return mean, log_variance.clamp(-12, 4)

    def encode(self, features: Tensor) -> Tensor:
        """Normalised mean [..., C]: what the planner is trained to make."""
        return (self(features)[0] - self.shift) * self.gain


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) summed over channels, averaged over tokens."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1).mean()


class PreviewDecoder(ModelMixin, ConfigMixin):
    """A thumbnail from one step of the plan: [N, C, h, w] -> [N, 3, 8 h, 8 w] in -1..1."""

    @register_to_config
    def __init__(self, semantic_channels: int = 8, width: int = 48) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(semantic_channels, width, 3, padding=1), ResidualBlock(width), Upsample(width, width),
            ResidualBlock(width), Upsample(width, width // 2), ResidualBlock(width // 2), Upsample(width // 2, 3),
        )  # fmt: skip
        keep_scale(self)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z)


def thumbnails(frames: Tensor, height: int, width: int) -> Tensor:
    """Frames [N, 3, H, W] averaged down to the preview's size."""
    return functional.adaptive_avg_pool2d(frames, (height, width))
