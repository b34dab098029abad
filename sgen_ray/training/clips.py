"""Clips of the world for the renderer: what it paints, what it is told, and known frames to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from sgen_ray import world
from sgen_ray.models.autoencoder import TinyAutoencoder
from sgen_ray.models.semantic import SemanticEncoder
from sgen_ray.models.text import encode_ids, padded_ids
from sgen_ray.shapes import Grid
from sgen_ray.training.data import (
    cut_times,
    frames_at,
    from_bytes,
    seeds,
    shots_of,
    step_times,
    subject_cover,
    to_bytes,
)
from sgen_ray.training.replay import Items
from sgen_ray.world import Film

SECONDS = (8, 16, 60)
"""Lengths of the films that clips are taken from."""
ANCHORS, SHOTS_A_CLIP = 4, 3


@dataclass(frozen=True)
class Clips:
    """Draws clips of `length` latent frames.

    Attributes:
        grid: as the encoders see it (`Grid.coarse`).
    """

    grid: Grid
    length: int
    autoencoder: TinyAutoencoder
    encoder: SemanticEncoder
    text_encoder: nn.Module
    tokenizer: PreTrainedTokenizerFast
    device: torch.device

    def sketch(self, seed: int, count: int, split: str = "train") -> Items:
        """Frames of `count` clips, their shots and texts, and anchors: the frames of some latent frames anywhere in the
        shot of the clip's middle frame."""
        grid, clip = self.grid, self.length
        generator = torch.Generator().manual_seed(seed)
        own, films, start = self._choose(seed, count, split, generator)
        frame = torch.arange(clip * grid.temporal_compression) / grid.fps
        pixels = frames_at(films, start[:, None] + frame, grid, self.device)
        centre = start[:, None] + (torch.arange(clip) + 0.5) * self._latent
        shot = shots_of(films, centre)
        anchor_start = self._anchors(films, shot[:, clip // 2].tolist(), generator)
        anchor_frame = anchor_start[:, :, None] + torch.arange(grid.temporal_compression) / grid.fps
        anchors = frames_at(films, anchor_frame.flatten(1), grid, self.device)
        first = shot[:, :1]
        texts = []
        for film, s, f in zip(films, own, first[:, 0].tolist(), strict=True):
            said = world.captions(film, s, split)
            texts += [said[min(f + j, len(said) - 1)] for j in range(SHOTS_A_CLIP)]
        return {
            "frames": to_bytes(pixels),
            "anchor_frames": to_bytes(anchors),
            "anchor_times": ((anchor_start - start[:, None]) / self._latent).round().to(self.device),
            "anchor_shot": (shot[:, clip // 2, None] - first).expand(-1, ANCHORS).clone().to(self.device),
            "subject": subject_cover(films, start, clip, grid).to(self.device),
            "shot": (shot - first).clamp(max=SHOTS_A_CLIP - 1).to(self.device),
            "ids": padded_ids(self.tokenizer, texts).unflatten(0, (count, -1)).to(self.device),
        }

    @torch.no_grad()
    def encode(self, items: Items) -> Items:
        """The same with latents of the frames and of the anchors, features of the plan's steps, and embedded texts."""
        grid, out = self.grid, dict(items)
        pixels, anchors, ids = from_bytes(out.pop("frames")), from_bytes(out.pop("anchor_frames")), out.pop("ids")
        steps = torch.arange(grid.semantic_steps(self.length))
        # The encoder looks at some of the clip's own frames.
        seen = (step_times(steps, grid, self.encoder.config.frames) * grid.fps).long()
        sampled = pixels[:, :, seen.to(self.device)].permute(0, 2, 3, 1, 4, 5)
        text, mask = encode_ids(self.text_encoder, ids, self.tokenizer.pad_token_id)
        return out | {
            "latents": self.autoencoder.encode_coarse(pixels),
            "anchors": self.autoencoder.encode_coarse(anchors),
            "features": self.encoder(sampled.flatten(0, 1)).unflatten(0, (len(ids), -1)),
            "text": text,
            "text_mask": mask,
        }

    @property
    def _latent(self) -> float:
        """Seconds of a latent frame."""
        return self.grid.temporal_compression / self.grid.fps

    def _choose(
        self, seed: int, count: int, split: str, generator: torch.Generator
    ) -> tuple[list[int], list[Film], Tensor]:
        """Seeds, films and where their clips begin, in seconds on `Grid.unit`."""
        lengths = [SECONDS[int(i)] for i in torch.randint(len(SECONDS), (count,), generator=generator)]
        own, unit = seeds(seed, count), self.grid.unit * self._latent
        room = torch.tensor([(n - self.length * self._latent) // unit + 1 for n in lengths])
        start = (torch.rand(count, generator=generator) * room).floor() * unit
        films = [world.sample_film(s, length, split=split) for s, length in zip(own, lengths, strict=True)]
        return own, films, start

    def _anchors(self, films: Sequence[Film], shots: list[int], generator: torch.Generator) -> Tensor:
        """When `ANCHORS` latent frames of each film's shot begin, [N, ANCHORS] seconds."""
        start = torch.zeros(len(films), ANCHORS)
        for i, (film, k) in enumerate(zip(films, shots, strict=True)):
            cuts = cut_times(film)
            inside = int((cuts[k + 1] - cuts[k]) / self._latent)
            start[i] = cuts[k] + torch.randint(inside, (ANCHORS,), generator=generator) * self._latent
        return start
