"""The grid: three clocks over each other, and the same film as encoders see it."""

from dataclasses import replace

import pytest

from sgen_ray.shapes import Grid
from sgen_ray.training.recipes import nano


def test_a_coarse_grid_has_the_same_latents_and_steps() -> None:
    fine = nano().grid
    seen = fine.coarse
    assert (fine.width, fine.height, fine.fps) == (2 * seen.width, 2 * seen.height, 2 * seen.fps)
    assert seen.coarse == seen == replace(seen, detail=1)
    for name in ("latent_height", "latent_width", "unit", "semantic_height", "semantic_width"):
        assert getattr(fine, name) == getattr(seen, name)
    for seconds in (0.3, 1, 6, 60):
        latents = [grid.latent_frames(grid.frames(seconds)) for grid in (fine, seen)]
        assert latents[0] == latents[1]
    assert fine.frames_per_step / fine.fps == seen.frames_per_step / seen.fps


def test_detail_must_divide_size_and_rate() -> None:
    with pytest.raises(ValueError, match="no multiples of 3"):
        Grid(96, 48, 16, 8, 4, 2, 4, spatial_compression=16, temporal_compression=8, detail=3)
