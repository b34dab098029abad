"""Drawing training examples from the demo world, on the device that trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sgen_ray import world
from sgen_ray.shapes import Grid
from sgen_ray.world import Film

MAX_SEED = 2**31 - 1


def seeds(seed: int, count: int) -> list[int]:
    """Independent seeds for `count` films."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(MAX_SEED, (count,), generator=generator).tolist()


def frames_at(films: Sequence[Film], times: Tensor, grid: Grid, device: torch.device | str) -> Tensor:
    """World frames at times [N, T] seconds: [N, 3, T, H, W] in -1..1."""
    pictures = world.draw(films, times, grid.width, grid.height, device)
    return pictures.transpose(1, 2) * 2 - 1


def to_bytes(frames: Tensor) -> Tensor:
    """Frames in -1..1 as whole numbers 0..255: a quarter of the memory."""
    return ((frames + 1) * 127.5).round().to(torch.uint8)


def from_bytes(frames: Tensor) -> Tensor:
    """The other way."""
    return frames.float() / 127.5 - 1


def step_times(steps: Tensor, grid: Grid, count: int) -> Tensor:
    """When the semantic encoder samples each step's `count` frames: steps [N, S] -> [N, S, count] seconds.

    Evenly over the step, on the pixel frames' own clock: of eight frames the third and the seventh, or the second,
    fourth, sixth and eighth.
    """
    inside = (2 * torch.arange(count) + 1) * grid.frames_per_step // (2 * count)
    return (steps.unsqueeze(-1) * grid.frames_per_step + inside) / grid.fps


def step_frames(films: Sequence[Film], steps: Tensor, grid: Grid, count: int, device: torch.device | str) -> Tensor:
    """The encoder's input for steps [N, S]: [N, S, count, 3, H, W] in -1..1."""
    times = step_times(steps, grid, count).flatten(1)
    return frames_at(films, times, grid, device).transpose(1, 2).unflatten(1, (-1, count))


def shots_of(films: Sequence[Film], times: Tensor) -> Tensor:
    """Index of the shot at each time [N, T]."""
    return torch.tensor([[film.shot_at(float(t)) for t in row] for film, row in zip(films, times, strict=True)])


def cut_times(film: Film) -> list[float]:
    """When each shot begins, and the film's end."""
    cuts = [0.0]
    for shot in film.shots:
        cuts.append(cuts[-1] + shot.seconds)
    return cuts


def subject_cover(films: Sequence[Film], start: Tensor, frames: int, grid: Grid) -> Tensor:
    """[N, frames, H / 8, W / 8]: the share of each latent cell in the subject's box, from `start` [N] seconds on."""
    seconds = grid.temporal_compression / grid.fps
    boxes = world.geometry(films, start[:, None] + (torch.arange(frames) + 0.5) * seconds, grid.width / grid.height)
    x, y, w, h = boxes.unbind(-1)

    def inside(centre: Tensor, size: Tensor, cells: int) -> Tensor:
        """Overlap of [centre - size / 2, centre + size / 2] with each of `cells` equal parts of 0..1."""
        edge = torch.arange(cells) / cells
        low = torch.maximum((centre - size / 2).unsqueeze(-1), edge)
        high = torch.minimum((centre + size / 2).unsqueeze(-1), edge + 1 / cells)
        return (high - low).clamp(min=0) * cells

    rows, columns = inside(y, h, grid.latent_height), inside(x, w, grid.latent_width)
    return rows.unsqueeze(-1) * columns.unsqueeze(-2)
