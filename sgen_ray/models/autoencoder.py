"""The tiny models' autoencoder: a fixed linear encoder and a streaming convolutional decoder.

The encoder is a principal component analysis of 4x8x8 pixel blocks: linear, without overlap, ready before any
training. The decoder is the transposed projection, mended by a network that sees it at half the size: the four frames
of a block and the nearest frame of either neighbour, beside features of the latents themselves, which look five latents
far. Two temporal convolutions of three taps give it an exact halo of two latent frames, and what is drawn between two
blocks one more, so any run of frames decodes by itself.

Latents may be of coarse frames, `detail` times smaller and fewer than those that are decoded: a last network then draws
what lies between their pixels and between their frames, as in sub-pixel convolution (Shi et al., arXiv 1609.05158).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray.models.base import ConfigMixin, ModelMixin, register_to_config
from sgen_ray.models.init import keep_scale, zero

HALO = (2, 3)
LOOKING_BLOCKS = 2
MENDING_BLOCKS = 3


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions on [N, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(functional.silu(self.conv1(functional.silu(x))))


class TemporalConv(nn.Module):
    """A convolution over three latent frames; the film's ends repeat."""

    def __init__(self, inputs: int, outputs: int, spatial: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, (3, spatial, spatial), padding=(0, spatial // 2, spatial // 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.cat((x[:, :, :1], x, x[:, :, -1:]), 2))


class Upsample(nn.Module):
    """Twice the size by pixel shuffle."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.conv(functional.silu(x)), 2)


class Finish(nn.Module):
    """Coarse frames of a block with their two neighbours, and features of theirs, to `detail` times as many frames,
    `detail` times as large."""

    def __init__(self, frames: int, features: int, width: int, detail: int) -> None:
        super().__init__()
        self.detail = detail
        last = nn.Conv2d(width, 3 * frames * detail**3, 3, padding=1)
        self.net = nn.Sequential(
            nn.Conv2d(3 * (frames + 2) + features, width, 3, padding=1), ResidualBlock(width), nn.SiLU(), last
        )
        keep_scale(self)
        zero(last)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """[N, F + 2, 3, h, w], [N, D, h, w] -> [N, F k, 3, h k, w k] for detail k: straight lines between pixels and
        frames, and what they leave out."""
        k = self.detail
        here, following = x[:, 1:-1, None], x[:, 2:, None]
        part = (torch.arange(k, device=x.device) / k).to(x.dtype).reshape(1, 1, k, 1, 1, 1)
        between = (here + part * (following - here)).flatten(1, 2).flatten(1, 2)
        straight = functional.interpolate(between, scale_factor=k, mode="bilinear", align_corners=False)
        drawn = functional.pixel_shuffle(self.net(torch.cat((x.flatten(1, 2), features), 1)), k)
        return (straight + drawn).unflatten(1, (-1, 3))


class TinyAutoencoder(ModelMixin, ConfigMixin):
    """Frames [B, 3, T, H, W] in -1..1 <-> latents [B, C, T / 4, H / 8, W / 8] of about unit size, by default."""

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 32,
        temporal_compression: int = 4,
        spatial_compression: int = 8,
        channels: tuple[int, int, int] = (96, 20, 64),
        detail: int = 1,
        finish_channels: int = 40,
        calm_below: float = 0.0,
    ) -> None:
        """channels: of the latents' features, of what is carried over from them, and of the mending network, whose
        features the last one draws from. detail: see `shapes.Grid`; finish_channels: of the network that draws it.
        calm_below: how far frames may differ, of a range of 1, to be taken for the same where a film is shown (see
        `calming`); 0: none are."""
        super().__init__()
        if spatial_compression != 8 * detail:
            raise ValueError("TinyAutoencoder decodes at spatial_compression 8 times its detail")
        if detail > 1 and channels[2] % 4:
            raise ValueError("TinyAutoencoder draws detail from mending channels that are a multiple of four")
        frames = temporal_compression // detail
        block = (frames, spatial_compression // detail, spatial_compression // detail)
        self.encoder = nn.Conv3d(3, latent_channels, block, block, bias=False)
        self.register_buffer("mean", torch.zeros(latent_channels))
        self.register_buffer("scale", torch.ones(latent_channels))
        self.register_buffer("sigma_data", torch.ones(latent_channels))
        wide, carried, inner = channels
        self.mix = TemporalConv(latent_channels, wide, 3)
        self.mix2 = TemporalConv(wide, wide, 1)
        self.look = nn.Sequential(*(ResidualBlock(wide) for _ in range(LOOKING_BLOCKS)))
        self.carry = nn.Conv2d(wide, 16 * carried, 1)
        self.mend = nn.Sequential(
            nn.Conv2d(12 * (frames + 2) + carried, inner, 3, padding=1),
            *(ResidualBlock(inner) for _ in range(MENDING_BLOCKS)),
            nn.SiLU(),
        )
        self.mended = nn.Conv2d(inner, 12 * frames, 3, padding=1)
        keep_scale(self)
        zero(self.mended)
        self.finish = Finish(frames, inner // 4, finish_channels, detail) if detail > 1 else None

    @property
    def halo(self) -> tuple[int, int]:
        return HALO

    def encode(self, frames: Tensor) -> Tensor:
        """Latents; a last incomplete block of frames is filled by repeating the last frame."""
        return self.encode_coarse(coarse(frames, self.config.detail))

    def encode_coarse(self, frames: Tensor) -> Tensor:
        """Latents of frames as the encoders see them [B, 3, T / k, H / k, W / k], for detail k."""
        missing = -frames.shape[2] % self.encoder.stride[0]
        if missing:
            frames = torch.cat((frames, frames[:, :, -1:].expand(-1, -1, missing, -1, -1)), 2)
        return (self.encoder(frames) - _channels(self.mean)) * _channels(self.scale)

    def decode(self, latents: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """Frames [B, 3, 4 (stop - start), H, W] of latent frames [start, stop), by default of all; exact where `halo`
        latents are beyond them on either side, or the film's end."""
        stop = latents.shape[2] if stop is None else stop
        if self.finish is None:
            return _film(self._mended(latents, start, stop)[0])
        frames, before, features = self._mended(latents, start, min(stop + 1, latents.shape[2]))
        seen = torch.cat((before, frames, _after(frames)), 2)[:, : stop - start]
        features = functional.pixel_shuffle(features[:, : stop - start].flatten(0, 1), 2)
        return _film(self.finish(seen.flatten(0, 1), features).unflatten(0, seen.shape[:2]))

    def decode_coarse(self, latents: Tensor) -> Tensor:
        """Frames without the last detail."""
        return _film(self._mended(latents, 0, latents.shape[2])[0])

    def _mended(self, latents: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor, Tensor]:
        """Of latent frames [start, stop): blocks of coarse frames [B, T, F, 3, h, w]; the frame before each block by
        the transposed projection alone, [B, T, 1, 3, h, w]; and the network's features, [B, T, D, h / 2, w / 2]."""
        first = max(0, start - 1)
        linear = self.decode_linear(latents[:, :, first : stop + 1]).transpose(1, 2)
        linear = linear.unflatten(1, (-1, self.encoder.stride[0]))
        seen = _beside(linear)[:, start - first : stop - first]
        before, blocks = seen[:, :, :1], seen[:, :, 1:-1]
        x = self.mix(latents)
        x = (x + self.mix2(functional.silu(x)))[:, :, start:stop]
        carried = functional.pixel_shuffle(self.carry(functional.silu(self.look(_frames(x)))), 4)
        half = functional.pixel_unshuffle(seen, 2).flatten(2, 3).flatten(0, 1)
        features = self.mend(torch.cat((half, carried), 1))
        mended = functional.pixel_shuffle(self.mended(features).unflatten(1, (blocks.shape[2], -1)), 2)
        return blocks + mended.reshape(blocks.shape), before, features.unflatten(0, blocks.shape[:2])

    def decode_linear(self, latents: Tensor) -> Tensor:
        """Coarse frames by the transposed projection alone."""
        weight = self.encoder.weight
        components = latents / _channels(self.scale) + _channels(self.mean)
        return functional.conv_transpose3d(components, weight, stride=weight.shape[2:])

    @torch.no_grad()
    def fit_encoder(self, frames: Tensor) -> float:
        """Set the encoder to the leading principal components of coarse frames [B, 3, T, h, w].

        Returns the share of the variance that they keep.

        Latents are divided by the square root of their deviation, then by one global factor, so that strong components
        stay stronger than weak ones.
        """
        weight = self.encoder.weight
        blocks = frames
        for axis, size in zip((2, 3, 4), weight.shape[2:], strict=True):
            blocks = blocks.unfold(axis, size, size)
        rows = blocks.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(0, 3).flatten(1).double()
        mean = rows.mean(0)
        covariance = (rows - mean).T @ (rows - mean) / len(rows)
        values, vectors = torch.linalg.eigh(covariance)
        count = weight.shape[0]
        components = vectors.flip(1)[:, :count].T
        sums = components.sum(1, keepdim=True)  # an eigenvector's sign is arbitrary: fix it
        components = torch.where(sums < 0, -components, components)
        deviation = values.flip(0)[:count].clamp_min(1e-8).sqrt()
        weight.copy_(components.reshape(weight.shape))
        self.mean.copy_(components @ mean)
        scale = deviation.rsqrt()
        scale = scale / (deviation * scale).square().mean().sqrt()
        self.scale.copy_(scale)
        self.sigma_data.copy_(deviation * scale)
        return float(values.flip(0)[:count].sum() / values.sum())


def coarse(frames: Tensor, detail: int) -> Tensor:
    """Frames [..., T, H, W] as the encoders see them: every `detail`-th, averaged over squares of pixels."""
    if detail == 1:
        return frames
    kept = frames[..., ::detail, :, :]
    return functional.avg_pool2d(kept.flatten(0, -3), detail).unflatten(0, kept.shape[:-2])


def _film(blocks: Tensor) -> Tensor:
    """[B, T, F, 3, H, W] -> [B, 3, T F, H, W]."""
    return blocks.flatten(1, 2).transpose(1, 2)


def _beside(x: Tensor) -> Tensor:
    """Blocks [B, T, F, ...] with the nearest frame of either neighbour, [B, T, F + 2, ...]; the film's ends repeat."""
    before = torch.cat((x[:, :1, :1], x[:, :-1, -1:]), 1)
    return torch.cat((before, x, _after(x)), 2)


def _after(x: Tensor) -> Tensor:
    """The first frame after each block [B, T, F, ...], [B, T, 1, ...]."""
    return torch.cat((x[:, 1:, :1], x[:, -1:, -1:]), 1)


def _frames(x: Tensor) -> Tensor:
    """[B, C, T, H, W] -> [B T, C, H, W]."""
    return x.transpose(1, 2).flatten(0, 1)


def _channels(x: Tensor) -> Tensor:
    return x.reshape(1, -1, 1, 1, 1)
