"""`sgen train`: one stage of a recipe, for a slice of time, from where the last slice stopped."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from sgen_ray.errors import ModelError, OutputError, RequestError
from sgen_ray.models.folder import PARTS, STARTED, fingerprint, load_facts
from sgen_ray.models.parts import load_part
from sgen_ray.training.autoencoder import AutoencoderStage
from sgen_ray.training.details import DetailsStage
from sgen_ray.training.distil import DistilStage
from sgen_ray.training.encoder import EncoderStage
from sgen_ray.training.loop import Stage, Trainer
from sgen_ray.training.planner import PlannerStage
from sgen_ray.training.ranks import Ranks, ranks
from sgen_ray.training.recipes import RECIPES, Recipe
from sgen_ray.training.renderer import RendererStage
from sgen_ray.training.replay import Drawers
from sgen_ray.training.state import fit

STAGES: dict[str, Callable[[Recipe, Path, str], Stage]] = {
    "encoder": EncoderStage,
    "autoencoder": AutoencoderStage,
    "renderer": RendererStage,
    "planner": PlannerStage,
    "details": DetailsStage,
    "distil": DistilStage,
}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


def train(
    stage: str,
    recipe: str = "nano",
    folder: Path = Path("runs/nano"),
    minutes: float = 9.0,
    steps: int | None = None,
    device: str | None = None,
    threads: int | None = None,
    seed: int = 0,
    start: Path | None = None,
    on_step: Callable[[int, int, dict[str, float]], None] | None = None,
    processes: int = 1,
    compiled: bool = False,
    drawers: int | None = None,
) -> dict[str, float]:
    """Train one stage for `minutes` or until its schedule ends, then evaluate and export to `folder`/model.

    State, metrics.jsonl, evaluation.jsonl and sample sheets lie in `folder`/<stage>. Returns the held-out figures.

    start: a model folder to go on from with a fresh optimiser; a run that has state of its own goes on from that.
    processes: how many train together, each with a batch of its own; on GPUs, one each. compiled: transformer blocks
    by torch.compile, which takes minutes at first. drawers: processes that draw examples beside each of these; by
    default none on a CPU, which has no cores to spare, and all but two of the cores for a GPU.
    """
    if stage not in STAGES:
        raise RequestError(f"unknown stage {stage!r}: choose one of {', '.join(STAGES)}")
    if recipe not in RECIPES:
        raise ModelError(f"unknown recipe {recipe!r}: choose one of {', '.join(RECIPES)}")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and processes > torch.cuda.device_count():
        raise RequestError(f"{processes} processes need as many GPUs; {torch.cuda.device_count()} are here")
    if start is not None:
        begin(folder, start)
    threads = threads or (1 if processes > 1 else None)
    if drawers is None:
        drawers = 0 if device == "cpu" else max(1, (os.cpu_count() or 2) - 2) // processes
    job = _Job(stage, recipe, folder, minutes, steps, device, threads, seed, compiled, drawers)
    with ranks(processes, _run, job) as own:
        trainer = _run(own, job, on_step)
    return trainer.finish(folder / "model")


@dataclass(frozen=True)
class _Job:
    """What every rank of a slice needs to know."""

    stage: str
    recipe: str
    folder: Path
    minutes: float
    steps: int | None
    device: str
    threads: int | None
    seed: int
    compiled: bool
    drawers: int


def _run(own: Ranks, job: _Job, on_step: Callable[[int, int, dict[str, float]], None] | None = None) -> Trainer:
    """One rank's slice of training."""
    if job.threads:
        torch.set_num_threads(job.threads)
    keep_memory()
    if job.device == "cuda":
        torch.set_float32_matmul_precision("high")  # of what autocast leaves in float32
    torch.manual_seed(job.seed)
    recipe = RECIPES[job.recipe]().on(job.device)
    schedule = replace(recipe.schedules[job.stage], **({"steps": job.steps} if job.steps else {}))
    device = f"cuda:{own.rank}" if job.device == "cuda" and own.size > 1 else job.device
    make = partial(STAGES[job.stage], recipe, job.folder / "model")
    drawers = Drawers(partial(make, "cpu"), job.drawers) if job.drawers else None
    trainer = Trainer(make(device), schedule, job.folder / job.stage, job.seed, own, job.compiled, drawers)
    if not trainer.resume() and (job.folder / STARTED).exists():
        warm(trainer, job.folder / "model")
    trainer.run(job.minutes * 60, on_step)
    return trainer


def keep_memory() -> None:
    """Keep what large tensors leave instead of asking the system anew at every step (a sixth of a step's time)."""
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        libc = ctypes.CDLL(None)
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(option, 2**31 - 1)


def begin(folder: Path, start: Path) -> None:
    """Put the model of `start` into a new run's folder, with a note of where it comes from."""
    if (folder / STARTED).exists():
        return
    if (folder / "model").exists():
        raise OutputError(f"{folder} holds a run that began from nothing; give a new --folder to go on from {start}")
    facts = load_facts(start)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / "model.new"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(start, fresh)
    fresh.rename(folder / "model")
    record = {"fingerprint": fingerprint(start), "provenance": facts.get("provenance", {})}
    (folder / STARTED).write_text(json.dumps(record, indent=1))


def warm(trainer: Trainer, model: Path) -> None:
    """Give a run's first step the weights of the stage's parts that lie in `model`; others begin from nothing."""
    for name, module in trainer.stage.trained.items():
        if name in PARTS and (model / name).exists():
            fit(module, load_part(model, name).state_dict(), f"the {name} of the model in {model}")
    trainer.begin_average()
