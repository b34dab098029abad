"""What planning needs around PlannerDiT: the shots' clock, films in stretches, and the plan seen as thumbnails."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sgen_ray.models.semantic import SemanticCompressor


def shot_clock(shot: Tensor) -> Tensor:
    """Steps since each step's shot began and until it ends, [B, T, 2], from shot indices [B, T]."""
    where = torch.arange(shot.shape[1], device=shot.device).expand_as(shot)
    starts = torch.cat((torch.ones_like(shot[:, :1], dtype=torch.bool), shot[:, 1:] != shot[:, :-1]), 1)
    begin = torch.where(starts, where, 0).cummax(1).values
    ends = torch.cat((starts[:, 1:], torch.ones_like(starts[:, :1])), 1)
    end = torch.where(ends, where, shot.shape[1]).flip(1).cummin(1).values.flip(1)
    return torch.stack((where - begin, end - where), -1)


def plan_segments(steps: int, length: int, overlap: int) -> list[tuple[int, int]]:
    """Runs [start, stop) of at most `length` steps in which a film longer than that is planned, one after another.

    Each begins with at least `overlap` steps that the one before has planned, which are held; the last reaches back
    for its full length, as a network does best at what it was trained for.
    """
    if not 0 <= overlap < length:
        raise ValueError(f"the overlap {overlap} must be less than the length {length}")
    runs = [(0, min(length, steps))]
    while runs[-1][1] < steps:
        stop = min(steps, runs[-1][1] - overlap + length)
        runs.append((stop - length, stop))
    return runs


def preview(decoder: nn.Module, compressor: SemanticCompressor, z: Tensor) -> Tensor:
    """Thumbnails [S, 3, h, w] in about -1..1 of a plan's normalised tokens [C, S, h, w]."""
    steps = z.transpose(0, 1)
    raw = steps / compressor.gain[:, None, None] + compressor.shift[:, None, None]
    return decoder(raw.to(steps.dtype))
