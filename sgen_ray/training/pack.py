"""Packing a trained model folder for shipping: smaller weights, and where they come from.

Weights are stored as float16, the matrices of the two diffusion transformers and the decoder's convolutions as 8-bit
floats (e4m3); the buffers that latents and plans are scaled by stay float32. All are computed with in float32. e4m3
raises the renderer's error by one percent; a model of twice the weights in the same bytes is better by far more.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sgen_ray import world
from sgen_ray.errors import OutputError
from sgen_ray.models.autoencoder import TinyAutoencoder
from sgen_ray.models.dit import VideoDiT
from sgen_ray.models.folder import PARTS, STARTED, load_facts, save_facts
from sgen_ray.models.parts import load_part, save_part
from sgen_ray.models.pipeline import model_index


def pack(run: Path, to: Path, extra: Mapping[str, Any] | None = None) -> int:
    """Write the model of `run` (a folder that `sgen train` filled) to `to`; returns its size in bytes.

    Raises:
        ModelError: a part is missing: its stage has not been trained. OutputError: `to` holds something else.
    """
    facts = load_facts(run / "model")
    if to.exists() and not (to / "sgen.json").exists():
        raise OutputError(f"{to} exists and is no model folder; give a new one")
    fresh = to.with_name(to.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name in PARTS:
        part = load_part(run / "model", name)
        save_part(fresh, name, small(part) if isinstance(part, nn.Module) else part)
    grid = facts.pop("grid")
    facts["words"] = sorted(seen_words())
    facts["ignored_words"] = sorted(world.common_words() - seen_words())
    facts["provenance"] = {**provenance(run), **(extra or {})}
    save_facts(fresh, grid, facts)
    (fresh / "model_index.json").write_text(json.dumps(model_index(grid), indent=1) + "\n")
    shutil.rmtree(to, ignore_errors=True)
    fresh.rename(to)
    return sum(path.stat().st_size for path in to.rglob("*") if path.is_file())


def small(module: nn.Module) -> nn.Module:
    """The module with parameters of 16 and 8 bits; its buffers keep their precision."""
    for name, p in module.named_parameters():
        matrix = isinstance(module, VideoDiT) and p.ndim == 2
        drawing = isinstance(module, TinyAutoencoder) and p.ndim > 2 and not name.startswith("encoder.")
        p.data = p.data.to(torch.float8_e4m3fn if matrix or drawing else torch.float16)
    return module


@cache
def seen_words() -> frozenset[str]:
    """Words that the text encoder has read: those of training captions, in either split's wordings."""
    films = [world.sample_film(seed, 30) for seed in range(4000)]
    texts = (
        t
        for split in ("train", "heldout")
        for seed, film in enumerate(films)
        for t in world.captions(film, seed, split)
    )
    return frozenset(word for text in texts for word in world.tokenise_words(text))


def provenance(run: Path) -> dict[str, Any]:
    """What each stage's own records say: seed, steps, seconds, held-out figures; and the software it ran on.

    A stage that went on from a model's weights keeps that model's record of it under `before`, newest first.
    """
    origin = json.loads((run / STARTED).read_text()) if (run / STARTED).exists() else {}
    before = origin.get("provenance", {}).get("stages", {})
    stages = {name: dict(facts) for name, facts in before.items()}
    for state in sorted(run.glob("*/state/state.json")):
        name = state.parent.parent.name
        facts = json.loads(state.read_text())
        evaluations = run / name / "evaluation.jsonl"
        lines = evaluations.read_text().splitlines() if evaluations.exists() else []
        stages[name] = {
            "seed": facts["seed"],
            "steps": facts["step"],
            "seconds": round(facts["seconds"]),
            "held_out": {k: round(v, 4) for k, v in json.loads(lines[-1])["held_out"].items()} if lines else {},
        }
        if name in before:
            stages[name]["before"] = [before[name], *before[name].pop("before", [])]
    return {
        "stages": stages,
        **({"started_from": origin["fingerprint"]} if origin else {}),
        "torch": version("torch"),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
