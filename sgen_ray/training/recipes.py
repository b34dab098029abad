"""Recipes: every number that a trained model depends on, as frozen values.

`nano` is what is shipped, `tiny` a larger one for a GPU. They differ in numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sgen_ray.shapes import Grid
from sgen_ray.training.schedule import ON_CPU, ON_GPU, Schedule


@dataclass(frozen=True)
class Recipe:
    """Sizes of all networks and how each is trained; the mappings are the networks' constructor arguments."""

    name: str
    grid: Grid
    text: Mapping[str, Any]
    semantic_encoder: Mapping[str, Any]
    compressor: Mapping[str, Any]
    preview: Mapping[str, Any]
    autoencoder: Mapping[str, Any]
    renderer: Mapping[str, Any]
    planner: Mapping[str, Any]
    schedules: Mapping[str, Schedule]
    text_length: int = 32
    clip: int = 8
    """Latent frames of a renderer's training clip."""
    short_steps: int = 0
    """Renderer steps at first on half clips, most of them with nothing held: what things look like is learned from many
    scenes, how they move from longer ones."""
    joint_steps: int = 0
    """Renderer steps during which the compressor trains along; then it is frozen and the planner may begin.

    0 keeps the compressor of the encoder stage. A renderer that has not learned to look at the plan yet cannot teach
    it: 350 joint steps from the start took the KL from 550 to 8 and the meaning with it.
    """
    joint_start: int = 0
    """First joint step; a renderer that reads the plan has something to teach."""
    semantic_noise: float = 0.6
    """sigma = semantic_noise * U(0, 1) on the plan in the encoder's training (as RAE does; the paper does not say how
    much)."""
    renderer_noise: float = 0.3
    """The same in the renderer's training."""
    renderer_shift: float = 12.0
    """How far the renderer's training times lean towards the noise, where it is decided what is in the picture; its
    sampler leans less (`sampling_shift`), as the last of few steps is else too long for what moves."""
    kl_weight: float = 1e-3
    max_shots: int = 8
    max_seconds: int = 60
    gpu: Mapping[str, Any] = field(default_factory=dict)
    """What else holds where a GPU trains: fields by name."""

    def on(self, device: str) -> Recipe:
        """The recipe as it is trained on this kind of device."""
        return replace(self, **self.gpu) if device == "cuda" else self


def nano() -> Recipe:
    """256x128 at 16 fps, drawn from latents of 128x64 at 8 fps; about 7 million weights in all."""
    grid = Grid(
        width=256, height=128, fps=16, latent_channels=32, semantic_channels=8, semantic_height=2, semantic_width=4,
        spatial_compression=16, temporal_compression=8, detail=2,
    )  # fmt: skip
    return Recipe(
        name="nano",
        grid=grid,
        text={"width": 96, "layers": 2, "heads": 4},
        semantic_encoder={
            "feature_channels": 64,
            "width": 40,
            "motion_scales": (2, 4, 8),
            "frames": 4,
            "camera_scales": (1, 2, 4),
        },
        compressor={"feature_channels": 64, "semantic_channels": 8, "hidden": 96},
        preview={"semantic_channels": 8, "width": 20},
        autoencoder=_autoencoder(grid, channels=(96, 20, 64)) | {"calm_below": 0.015},
        renderer=_renderer(grid, heads=4, head=48, layers=8, ffn=512, text=96, refiner=48)
        | {
            "patch_stride": (1, 1),
            "sampling_temperature": 1.0,
            "sampling_shift": 6.0,
            "plan_guidance": 4.0,
            "change_guidance": 2.5,
            "plan_guidance_power": 4.0,
            "plan_guidance_above": 0.7,
        },
        planner=_planner(grid, heads=4, head=32, layers=5, ffn=224, text=96),
        schedules=ON_CPU,
        short_steps=7500,
        gpu={"schedules": ON_GPU, "short_steps": 0},
    )


def tiny() -> Recipe:
    """192x128 at 8 fps, about 16 million weights in all."""
    grid = Grid(
        width=192, height=128, fps=8, latent_channels=32, semantic_channels=8, semantic_height=4, semantic_width=6
    )
    return Recipe(
        name="tiny",
        grid=grid,
        text={"width": 192, "layers": 3, "heads": 6},
        semantic_encoder={
            "feature_channels": 128,
            "width": 64,
            "motion_scales": (2, 4, 8),
            "frames": 4,
            "camera_scales": (1, 2, 4),
        },
        compressor={"feature_channels": 128, "semantic_channels": 8, "hidden": 192},
        preview={"semantic_channels": 8, "width": 48},
        autoencoder=_autoencoder(grid, channels=(160, 16, 64)),
        renderer=_renderer(grid, heads=4, head=64, layers=9, ffn=1024, text=192, refiner=64),
        planner=_planner(grid, heads=4, head=48, layers=7, ffn=768, text=192),
        schedules=ON_GPU | {"renderer": replace(ON_GPU["renderer"], steps=20000)},
        joint_start=2000,
        joint_steps=2000,
    )


RECIPES = {"nano": nano, "tiny": tiny}


def _autoencoder(grid: Grid, channels: tuple[int, int, int]) -> dict[str, Any]:
    return {
        "latent_channels": grid.latent_channels, "temporal_compression": grid.temporal_compression,
        "spatial_compression": grid.spatial_compression, "detail": grid.detail, "channels": channels,
    }  # fmt: skip


def _renderer(grid: Grid, heads: int, head: int, layers: int, ffn: int, text: int, refiner: int) -> dict[str, Any]:
    return {
        "num_attention_heads": heads, "attention_head_dim": head, "num_layers": layers, "ffn_dim": ffn,
        "in_channels": grid.latent_channels, "out_channels": grid.latent_channels, "text_dim": text,
        "patch_size": (1, 2, 2), "freq_dim": 64, "semantic_channels": grid.semantic_channels,
        "semantic_stride": grid.semantic_stride, "attention_span": grid.attention_span,
        "spatial_embedding": True, "refiner_channels": refiner, "aligned_plan": True,
        "sampling_shift": 8.0, "sampling_finish": 3, "spans_overlap_below": 0.5, "null_tokens": 1,
    }  # fmt: skip


def _planner(grid: Grid, heads: int, head: int, layers: int, ffn: int, text: int) -> dict[str, Any]:
    return {
        "num_attention_heads": heads, "attention_head_dim": head, "num_layers": layers, "ffn_dim": ffn,
        "in_channels": grid.semantic_channels, "out_channels": grid.semantic_channels, "text_dim": text,
        "patch_size": (1, 1, 1), "freq_dim": 64, "spatial_embedding": True, "shot_clock": True, "sampling_shift": 3.0,
        "settled_above": 0.75, "sampling_candidates": 6,
    }  # fmt: skip
