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
from sgen_ray.training.loop import Figures
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
CHANGES, EDGES = 0.1, 0.05
"""How much differences between frames and pixels count beside squared errors: what is still shall look still."""
LIVELY = 0.4
"""How much it counts that a block is as lively as in the world, wherever in the block: a latent says that it rains, but
not where every drop is, and by errors alone the best picture of that is grey."""
LAGS = {2: (1, 2, 4), 3: (1, 2, 4, 8, 16), 4: (1, 2, 4, 8, 16)}
"""How many frames, rows and columns apart: with neighbours alone, a grid of two pixels passes for rain."""
TEXTURE = (2, 32, 32)
"""Frames, rows and columns over which liveliness is compared: room for two drops of rain, as of less than one the
likely number is none, and so short that a flash does not pass for what is seen in every frame."""
STEP, EVEN = (1, *TEXTURE[1:]), 1.0
"""Over what changes from one frame to the next are compared besides, and how much that counts: every latent's frames
are drawn with errors of their own, and where these change all at once, at the join of two, the whole picture pulses."""
GHOSTS = 0.25
"""Share of clips that are encoded with a displaced copy over them, as where two windows are blended."""


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

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[Tensor, Figures]:
        frames = from_bytes(self.crop(items["frames"], generator))
        return unlikeness(self.model.decode(self.noised(frames, generator)), frames)

    def crop(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        """Of two places in every clip [B, 3, T, H, W], drawn at random, the one where more moves; whole latents."""
        size = self.grid.spatial_compression
        rows, columns = (min(cells, n // size) for cells, n in zip(CROP[1:], frames.shape[3:], strict=True))
        room = torch.tensor([n // size - cells + 1 for n, cells in zip(frames.shape[3:], (rows, columns), strict=True)])
        drawn = (torch.rand(len(frames), 2, 2, generator=generator) * room).long() * size
        picked = []
        for clip, places in zip(frames, drawn.tolist(), strict=True):
            crops = [clip[:, :, y : y + rows * size, x : x + columns * size] for y, x in places]
            picked.append(max(crops, key=lambda crop: float(crop[:, ::4].float().diff(dim=1).abs().mean())))
        return torch.stack(picked)

    @torch.no_grad()
    def noised(self, frames: Tensor, generator: torch.Generator) -> Tensor:
        """Latents as a renderer and a stitcher might give them."""
        latents = self.model.encode(ghosted(frames, generator))
        noise = normal(latents, generator)
        level = torch.rand(len(latents), 1, 1, 1, 1, generator=generator).to(latents)
        return latents + LATENT_NOISE * level * noise

    def averaged(self, step: int) -> None:
        pass

    def evaluate(self) -> dict[str, float]:
        frames = from_bytes(self.draw(1, 16, "heldout")["frames"])
        seen = coarse(frames, self.grid.detail)
        latents = self.model.encode_coarse(seen)
        out = self.model.decode(latents).clamp(-1, 1)
        figures = {"psnr": psnr(functional.mse_loss(out, frames)).item()}
        drawn, true = (x.diff(dim=2).abs().mean((0, 1, 3, 4)) for x in (out, frames))
        figures["moves"] = (drawn.mean() / true.mean()).item()
        figures["pulse"] = pulse(drawn, self.grid.temporal_compression)
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


def unlikeness(out: Tensor, frames: Tensor) -> tuple[Tensor, Figures]:
    """How far decoded frames [B, 3, T, H, W] are from the true ones, in pixels, edges and changes, and in how lively
    they are; with the decoded frames' PSNR, and how much they change along each axis as a share of what is true."""
    error = functional.mse_loss(out, frames)
    loss, figures = error, {"psnr": psnr(error.detach())}
    for axis, name, counts in ((2, "moves", CHANGES), (3, "rows", EDGES), (4, "columns", EDGES)):
        drawn, true = out.diff(dim=axis), frames.diff(dim=axis)
        loss = loss + counts * functional.l1_loss(drawn, true)
        figures[name] = drawn.detach().abs().mean() / true.abs().mean().clamp_min(1e-6)
    ours, theirs = (x.mean(1, keepdim=True) for x in (out, frames))
    loss = loss + EVEN * functional.l1_loss(liveliness(ours, 2, 1, STEP), liveliness(theirs, 2, 1, STEP))
    for axis, lags in LAGS.items():
        for lag in lags:
            drawn, true = (liveliness(x, axis, lag) for x in (ours, theirs))
            loss = loss + LIVELY / len(lags) * functional.l1_loss(drawn, true)
    return loss, figures


def pulse(changes: Tensor, block: int) -> float:
    """How much more films change at one place in every latent's frames than on average; 1 where all places are alike.

    changes: from each frame to the next, [T - 1]; block: frames of a latent."""
    whole = changes[: len(changes) // block * block].reshape(-1, block).mean(0)
    return (whole.max() / whole.mean()).item()


def liveliness(grey: Tensor, axis: int, lag: int, block: tuple[int, int, int] = TEXTURE) -> Tensor:
    """How much grey frames [B, 1, T, H, W] differ from themselves `lag` further along an axis, in every block: on
    average, and by the squares, [2, B, 1, t, h, w]. Few large differences and many small ones are not the same in both.

    A texture's variogram (Matheron, 1963), block by block.
    """
    length = grey.shape[axis] - lag
    change = grey.narrow(axis, lag, length) - grey.narrow(axis, 0, length)
    size = [min(pair) for pair in zip(block, change.shape[2:], strict=True)]
    mean, square = (functional.avg_pool3d(x, size, ceil_mode=True) for x in (change.abs(), change.square()))
    return torch.stack((mean, (square + 1e-6).sqrt()))


def ghosted(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Some of the clips [B, C, T, H, W] with a weaker, displaced copy over them."""
    out = frames.clone()
    for index in range(len(frames)):
        chance, weight = torch.rand(2, generator=generator).tolist()
        across, down = torch.randint(-8, 9, (2,), generator=generator).tolist()
        if chance < GHOSTS:
            out[index].lerp_(frames[index].roll((down // 2, across), (-2, -1)), weight / 2)
    return out


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of a mean squared error on a -1..1 scale."""
    return 10 * torch.log10(4 / error.clamp_min(1e-10))
