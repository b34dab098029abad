"""A recipe and a model so small that they train and run within a test: 64x32 pixels, a few thousand weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from sgen_ray.shapes import Grid
from sgen_ray.training.recipes import Recipe, nano
from sgen_ray.training.run import STAGES
from sgen_ray.training.schedule import Schedule


def micro() -> Recipe:
    grid = Grid(width=64, height=32, fps=8, latent_channels=8, semantic_channels=4, semantic_height=1, semantic_width=2)
    dit = {
        "num_attention_heads": 2, "attention_head_dim": 12, "ffn_dim": 24, "num_layers": 2, "freq_dim": 16,
        "text_dim": 16,
    }  # fmt: skip
    base = nano()
    renderer, planner = base.renderer, base.planner
    latent = {"in_channels": 8, "out_channels": 8, "semantic_channels": 4, "refiner_channels": 4}
    small = Schedule(steps=6, batch=4, learning_rate=3e-3, warmup=2, ema=0.9, replay=8, fresh=2)
    return replace(
        base,
        name="micro",
        grid=grid,
        text={"width": 16, "layers": 1, "heads": 2},
        semantic_encoder={"feature_channels": 16, "width": 8},
        compressor={"feature_channels": 16, "semantic_channels": 4, "hidden": 16},
        preview={"semantic_channels": 4, "width": 8},
        autoencoder={"latent_channels": 8, "channels": (12, 8, 8)},
        renderer={**renderer, **dit, **latent},
        planner={**planner, **dit, "in_channels": 4, "out_channels": 4},
        schedules=dict.fromkeys(STAGES, small),
        clip=8,
        max_seconds=8,
        max_shots=2,
    )


def micro_model(run: Path) -> Path:
    """A model folder run/model of untrained parts, in the order that training would make them."""
    torch.manual_seed(0)
    recipe, folder = micro(), run / "model"
    for name in ("encoder", "autoencoder", "renderer", "planner"):
        stage = STAGES[name](recipe, folder, "cpu")
        if name == "autoencoder":
            stage.trained["autoencoder"].fit_encoder(stage.draw(0, 2)["frames"].float() / 127.5 - 1)
        if name in ("renderer", "planner"):  # a fresh network answers zero, whatever it is told
            torch.nn.init.normal_(stage.trained[name].proj_out.weight, std=0.1)
        with torch.no_grad():
            stage.export(folder)
    return folder
