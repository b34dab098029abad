"""`sgen train`: one stage of a recipe, for a slice of time, from where the last slice stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from sgen_ray.errors import ModelError, RequestError
from sgen_ray.training.autoencoder import AutoencoderStage
from sgen_ray.training.encoder import EncoderStage
from sgen_ray.training.loop import Stage, Trainer
from sgen_ray.training.planner import PlannerStage
from sgen_ray.training.recipes import RECIPES, Recipe
from sgen_ray.training.renderer import RendererStage

STAGES: dict[str, Callable[[Recipe, Path, str], Stage]] = {
    "encoder": EncoderStage,
    "autoencoder": AutoencoderStage,
    "renderer": RendererStage,
    "planner": PlannerStage,
}


def train(
    stage: str,
    recipe: str = "nano",
    folder: Path = Path("runs/nano"),
    minutes: float = 9.0,
    steps: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    seed: int = 0,
    on_step: Callable[[int, int, dict[str, float]], None] | None = None,
) -> dict[str, float]:
    """Train one stage for `minutes` or until its schedule ends, then evaluate and export to `folder`/model.

    State, metrics.jsonl, evaluation.jsonl and sample sheets lie in `folder`/<stage>. Returns the held-out figures.
    """
    if stage not in STAGES:
        raise RequestError(f"unknown stage {stage!r}: choose one of {', '.join(STAGES)}")
    if recipe not in RECIPES:
        raise ModelError(f"unknown recipe {recipe!r}: choose one of {', '.join(RECIPES)}")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    plan = RECIPES[recipe]()
    schedule = replace(plan.schedules[stage], **({"steps": steps} if steps else {}))
    trainee = STAGES[stage](plan, folder / "model", device)
    trainer = Trainer(trainee, schedule, folder / stage, seed)
    trainer.resume()
    trainer.run(minutes * 60, on_step)
    return trainer.finish(folder / "model")
