"""Stage `details`: a renderer trained on at late times, where fine and pale things are decided.

The renderer stage leans towards the noise, where it is decided what is in the picture: of its examples one in eleven
has a time below a half. But the sampler ends in three answers from t = 2/3 on (`sampling_finish`), and edges come out
of these. What few examples say of early times is mostly noise, and would undo what many have taught: there the
network learns from a copy of what it was, which has none.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from sgen_ray.diffusion.flow import Network
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.training.recipes import Recipe
from sgen_ray.training.replay import Items
from sgen_ray.training.taught import TaughtStage

LATE_SHARE, EARLIEST, LATEST = 0.7, 0.75, 0.12
"""Share of the examples that have a late time, and from where to where these are."""
PALE = 3.0
"""How much more than others the palest clips may count."""


class DetailsStage(TaughtStage):
    """Trains a renderer's late answers, on half clips."""

    name = "details"

    def __init__(self, recipe: Recipe, folder: Path, device: str) -> None:
        super().__init__(replace(recipe, joint_steps=0, short_steps=sys.maxsize), folder, device)

    def target(self, c: Conditioning) -> Network:
        return self.teacher.given(c)

    def taught(self, t: Tensor) -> Tensor:
        """Those at early times."""
        return t > EARLIEST

    def draw_times(self, count: int, generator: torch.Generator) -> Tensor:
        times = super().draw_times(count, generator).clamp_min(EARLIEST + 1e-3)
        late = round(LATE_SHARE * count)  # always as many, so that shapes stay the same
        times[:late] = LATEST + (EARLIEST - LATEST) * torch.rand(late, generator=generator)
        return times

    def importance(self, items: Items) -> Tensor:
        """By the inverse of how much there is to see: a tree in the fog is a small error, and whole clips are of it."""
        latents, scale = items["latents"], self.flow.sigma(items["latents"])
        seen = ((latents - latents.mean((2, 3, 4), keepdim=True)) ** 2 * scale / scale.mean()).mean((1, 2, 3, 4))
        return seen.rsqrt().clamp(1 / 2, PALE)

    def evaluate(self) -> dict[str, float]:
        """As the renderer's, against the world at all times."""
        return self.figures(lambda c: None)
