"""What stages share in which a renderer learns from the renderer that the model had."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from sgen_ray.models.dit import RendererDiT
from sgen_ray.models.parts import load_part
from sgen_ray.training.recipes import Recipe
from sgen_ray.training.renderer import RendererStage
from sgen_ray.training.state import fit


class TaughtStage(RendererStage):
    """Trains a copy of the model's renderer, its teacher.

    The teacher lies beside the pupil in `trained`, though it learns nothing: so the run's state keeps it, as the
    model's own renderer is the pupil after the first slice.
    """

    def __init__(self, recipe: Recipe, folder: Path, device: str) -> None:
        super().__init__(recipe, folder, device)
        self.trained["teacher"] = load_part(folder, "renderer", device)

    @property
    def teacher(self) -> RendererDiT:
        return cast(RendererDiT, self.trained["teacher"])

    def prepare(self) -> None:
        fit(self.network, self.teacher.state_dict(), "the model's renderer")
