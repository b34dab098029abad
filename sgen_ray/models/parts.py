"""Reading and writing one part of a model folder (see `folder`)."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sgen_ray.errors import ModelError
from sgen_ray.models.base import move

_LOADING = threading.Lock()
"""Loaders switch torch's default device to "meta" for the whole process: two at a time take each other's weights."""


def save_part(folder: Path, name: str, part: Any) -> None:
    """Write one part by its own save_pretrained."""
    where = folder / name
    where.mkdir(parents=True, exist_ok=True)
    part.save_pretrained(where)
    config = where / "config.json"
    if config.exists():  # diffusers notes where a part was loaded from, which is nobody else's business
        facts = json.loads(config.read_text())
        facts.pop("_name_or_path", None)
        config.write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n")
    # safetensors keeps weights from everybody but their writer: of no use on a volume that others read.
    mode = next(where.glob("*config.json")).stat().st_mode
    for path in where.iterdir():
        path.chmod(mode)


def load_part(folder: Path, name: str, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Any:
    """Load one part for inference; ModelError of one line where it is missing, truncated or does not fit."""
    where = folder / name
    if not where.is_dir():
        raise ModelError(f"the model in {folder} has no {name}: train that stage first, or restore the folder")
    try:
        kind = _class(name)
        how = {} if name == "tokenizer" else {"dtype" if name == "text_encoder" else "torch_dtype": dtype}
        with _LOADING:
            part = kind.from_pretrained(where, local_files_only=True, **how)
    except Exception as error:  # every loader has its own errors for a broken file; all mean the same to a person
        line = " ".join(str(error).split())[:160]
        raise ModelError(f"the model's {name} in {where} cannot be loaded ({line}): restore the folder") from None
    if isinstance(part, nn.Module):
        part = move(part, device).eval().requires_grad_(False)
    return part


def _class(name: str) -> Any:
    """Only what this part needs is imported: a renderer has no use for transformers, which takes a second."""
    from sgen_ray.models import autoencoder, dit, semantic

    if name in ("tokenizer", "text_encoder"):
        import transformers

        transformers.utils.logging.disable_progress_bar()
        return transformers.PreTrainedTokenizerFast if name == "tokenizer" else transformers.UMT5EncoderModel

    import diffusers

    diffusers.utils.logging.disable_progress_bar()
    return {
        "autoencoder": autoencoder.TinyAutoencoder,
        "semantic_encoder": semantic.SemanticEncoder,
        "compressor": semantic.SemanticCompressor,
        "preview": semantic.PreviewDecoder,
        "renderer": dit.RendererDiT,
        "planner": dit.PlannerDiT,
    }[name]
