"""Stage `distil`: the renderer's guidance folded into it, so that a step of the sampler asks it once, not twice.

A copy learns the guided velocity of the network that the renderer stage trained (Meng et al., arXiv 2210.03142, sec.
3.1, with the one scale that the sampler uses), on the same clips, noise and held frames.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sgen_ray.diffusion.flow import Network
from sgen_ray.errors import RequestError
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.guidance import plan_guided
from sgen_ray.training.recipes import Recipe
from sgen_ray.training.taught import TaughtStage

_UNGUIDED = {"plan_guidance": 1.0, "change_guidance": 0.0}
"""A renderer's settings that make it paint with one answer a step."""


class DistilStage(TaughtStage):
    """Trains a renderer that needs no guidance from one that does; its figures are distances from what that answers."""

    name = "distil"

    def __init__(self, recipe: Recipe, folder: Path, device: str) -> None:
        super().__init__(
            replace(recipe, renderer={**recipe.renderer, **_UNGUIDED}, joint_steps=0, short_steps=0), folder, device
        )

    def prepare(self) -> None:
        """Raises RequestError where the model's renderer has nothing to fold."""
        config = self.teacher.config
        if all(getattr(config, name) == value for name, value in _UNGUIDED.items()):
            raise RequestError("this model's renderer paints without guidance already: there is nothing to distil")
        super().prepare()

    def target(self, c: Conditioning) -> Network:
        return plan_guided(self.teacher, c)
