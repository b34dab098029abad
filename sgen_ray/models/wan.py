"""The public Wan2.1 text-to-video weights as a RendererDiT: the names are the same, so nothing is mapped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from sgen_ray.errors import ModelError
from sgen_ray.models.dit import RendererDiT

SHARED = (
    "patch_size", "num_attention_heads", "attention_head_dim", "in_channels", "out_channels", "text_dim", "freq_dim",
    "ffn_dim", "num_layers", "eps",
)  # fmt: skip
"""Arguments that WanTransformer3DModel and RendererDiT have in common."""
OURS = ("semantic_embedding.", "plan_projection.", "refiner.", "clock_embedding.")
"""Modules that Wan does not have: they begin at their initial weights."""


def renderer_from_wan(folder: Path, **ours: Any) -> RendererDiT:
    """A RendererDiT with the weights of a diffusers `transformer` folder of Wan2.1 text-to-video.

    Args:
        ours: RendererDiT's own arguments, such as semantic_channels and attention_span; none gives Wan itself.

    Raises:
        ModelError: the folder holds another architecture, or weights are missing.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        raise ModelError(f"{folder} has no readable config.json: give the transformer folder of Wan2.1") from None
    plain = config.get("qk_norm") == "rms_norm_across_heads" and config.get("cross_attn_norm") is True
    if config.get("_class_name") != "WanTransformer3DModel" or not plain or config.get("added_kv_proj_dim"):
        raise ModelError(f"{folder} is not Wan2.1 text-to-video: give the transformer folder of Wan2.1-T2V")
    model = RendererDiT(**{name: config[name] for name in SHARED if name in config}, **ours)
    wanted = {name for name in model.state_dict() if not name.startswith(OURS)}
    # Shard by shard: the larger public weights take more memory than the model itself.
    for shard in sorted(folder.glob("diffusion_pytorch_model*.safetensors")):
        weights = load_file(shard)
        if unknown := model.load_state_dict(weights, strict=False).unexpected_keys:
            raise ModelError(f"{shard} holds {unknown[0]}, which Wan2.1 text-to-video does not have")
        wanted -= weights.keys()
    if wanted:
        raise ModelError(f"{folder} lacks {sorted(wanted)[0]} and {len(wanted) - 1} others: download it again")
    return model
