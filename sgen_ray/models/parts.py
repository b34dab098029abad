"""A model folder: a diffusers pipeline's parts, each in a folder of its own, and `sgen.json` for what they share.

    autoencoder/ semantic_encoder/ compressor/ preview/ text_encoder/ tokenizer/ renderer/ planner/  sgen.json
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sgen_ray.errors import ModelError
from sgen_ray.shapes import Grid

FACTS = "sgen.json"
PARTS = (
    "autoencoder", "semantic_encoder", "compressor", "preview", "text_encoder", "tokenizer", "renderer", "planner",
)  # fmt: skip


def save_facts(folder: Path, grid: Grid, facts: Mapping[str, Any]) -> None:
    """What the parts share: the grid, names, provenance."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).write_text(json.dumps({**facts, "grid": asdict(grid)}, indent=1, sort_keys=True) + "\n")


def load_facts(folder: Path) -> dict[str, Any]:
    """The folder's sgen.json with `grid` as a Grid; ModelError where it is missing or broken."""
    try:
        facts = json.loads((folder / FACTS).read_text())
        facts["grid"] = Grid(**facts["grid"])
        return facts
    except FileNotFoundError:
        raise ModelError(f"{folder} is not a model folder: it has no {FACTS}") from None
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder / FACTS} is damaged ({error}): restore the model folder") from None


def save_part(folder: Path, name: str, part: Any) -> None:
    """Write one part by its own save_pretrained."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    part.save_pretrained(folder / name)


def load_part(folder: Path, name: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Any:
    """Load one part for inference; ModelError of one line where it is missing, truncated or does not fit."""
    where = folder / name
    if not where.is_dir():
        raise ModelError(f"the model in {folder} has no {name}: train that stage first, or restore the folder")
    try:
        kind = _class(name)
        how = {} if name == "tokenizer" else {"dtype" if name == "text_encoder" else "torch_dtype": dtype}
        part = kind.from_pretrained(where, local_files_only=True, **how)
    except Exception as error:  # every loader has its own errors for a broken file; all mean the same to a person
        line = " ".join(str(error).split())[:160]
        raise ModelError(f"the model's {name} in {where} cannot be loaded ({line}): restore the folder") from None
    if isinstance(part, nn.Module):
        part = part.to(device).eval().requires_grad_(False)
    return part


def _class(name: str) -> Any:
    import diffusers
    import transformers

    from sgen_ray.models import autoencoder, dit, semantic

    for library in (diffusers, transformers):
        library.utils.logging.disable_progress_bar()

    return {
        "tokenizer": transformers.PreTrainedTokenizerFast,
        "text_encoder": transformers.UMT5EncoderModel,
        "autoencoder": autoencoder.TinyAutoencoder,
        "semantic_encoder": semantic.SemanticEncoder,
        "compressor": semantic.SemanticCompressor,
        "preview": semantic.PreviewDecoder,
        "renderer": dit.RendererDiT,
        "planner": dit.PlannerDiT,
    }[name]


def fingerprint(folder: Path) -> str:
    """Hash of every weight and configuration file, so that a film names the model that made it."""
    digest = hashlib.sha256()
    for name in PARTS:
        for path in sorted((folder / name).glob("*")):
            if path.suffix in (".safetensors", ".json"):
                digest.update(f"{name}/{path.name}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
