"""Stage `autoencoder`: principal components first, then the decoder learns what they leave out."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray import world
from sgen_ray.models.autoencoder import TinyAutoencoder, coarse
from sgen_ray.models.parts import save_part
from sgen_ray.training.data import frames_at, from_bytes, seeds, to_bytes
from sgen_ray.training.recipes import Recipe
from sgen_ray.training.replay import Drawing, Items, normal
from sgen_ray.training.sheets import save_rows

FIT_BATCHES = 8
"""Batches of 32 clips that the encoder is fitted to."""
CROP = (4, 4, 8)
"""Latent frames, rows and columns that one step looks at: many small steps learn far more than few large ones."""
LATENT_NOISE = 0.2
"""The decoder sees latents up to so noisy (they deviate by 0.7 to 2.9): a renderer's are never exact, and the errors
differ from frame to frame, which flickers. So the decoder learns to look at a frame's neighbours in time."""
CHANGES = 0.1
"""How much differences between frames count, beside squared errors: what is still shall look still."""


class AutoencoderStage(Drawing):
    """Trains the decoder on small crops; the encoder is fitted once, in closed form."""

    name = "autoencoder"

    def __init__(self, recipe: Recipe, folder: Path, device: str) -> None:
        self.grid, self.device = recipe.grid, torch.device(device)
        self.model = TinyAutoencoder(**recipe.autoencoder).to(self.device)
        self.model.encoder.requires_grad_(False)
        self.trained = nn.ModuleDict({"autoencoder": self.model})

    def prepare(self) -> None:
        """Fit the encoder to a few hundred clips of the world; part of a fresh run's first second."""
        drawn = (from_bytes(self.draw(10_000 + i, 32)["frames"]) for i in range(FIT_BATCHES))
        self.model.fit_encoder(torch.cat([coarse(frames, self.grid.detail) for frames in drawn]))

    def sketch(self, seed: int, count: int, split: str = "train") -> Items:
        films = [world.sample_film(s, 12, split=split) for s in seeds(seed, count)]
        generator = torch.Generator().manual_seed(seed)
        length = CROP[0] * self.grid.temporal_compression
        start = torch.randint(0, 12 * self.grid.fps - length, (count, 1), generator=generator)
        frames = frames_at(films, (start + torch.arange(length)) / self.grid.fps, self.grid, self.device)
        return {"frames": to_bytes(frames)}

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        frames = from_bytes(self._crop(items["frames"], generator))
        with torch.no_grad():
            latents = self.model.encode(frames)
            noise = normal(latents, generator)
            level = torch.rand(len(latents), 1, 1, 1, 1, generator=generator).to(latents)
            latents = latents + LATENT_NOISE * level * noise
        out = self.model.decode(latents)
        error = functional.mse_loss(out, frames)
        change, rows, columns = (functional.l1_loss(out.diff(dim=d), frames.diff(dim=d)) for d in (2, 3, 4))
        return error + CHANGES * change + 0.05 * (rows + columns), {"psnr": psnr(error.detach())}

    def _crop(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        """The same rows and columns of every clip, whole blocks of the encoder."""
        block = self.grid.spatial_compression
        for axis, cells in ((3, CROP[1]), (4, CROP[2])):
            there = frames.shape[axis] // block
            first = int(torch.randint(max(1, there - cells + 1), (), generator=generator))
            frames = frames.narrow(axis, first * block, min(cells, there) * block)
        return frames

    def averaged(self, step: int) -> None:
        pass

    def evaluate(self) -> dict[str, float]:
        frames = from_bytes(self.draw(1, 16, "heldout")["frames"])
        seen = coarse(frames, self.grid.detail)
        latents = self.model.encode_coarse(seen)
        figures = {"psnr": psnr(functional.mse_loss(self.model.decode(latents).clamp(-1, 1), frames)).item()}
        for name, decode in (("coarse", self.model.decode_coarse), ("linear", self.model.decode_linear)):
            figures[f"psnr_{name}"] = psnr(functional.mse_loss(decode(latents).clamp(-1, 1), seen)).item()
        return figures

    def sheet(self, path: Path) -> None:
        frames = from_bytes(self.draw(2, 8, "heldout")["frames"])
        out = self.model.decode(self.model.encode(frames))
        step = self.grid.temporal_compression
        save_rows(path, [x for pair in zip(frames[:, :, ::step], out[:, :, ::step], strict=True) for x in pair])

    def export(self, folder: Path) -> None:
        save_part(folder, "autoencoder", self.model)


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of a mean squared error on a -1..1 scale."""
    return 10 * torch.log10(4 / error.clamp_min(1e-10))
