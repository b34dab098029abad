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

from sgen_ray.errors import ModelError
from sgen_ray.shapes import Grid

FACTS = "sgen.json"
STARTED = "started_from.json"
"""In a run's folder: the model that training went on from."""
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


def fingerprint(folder: Path) -> str:
    """Hash of every weight and configuration file, so that a film names the model that made it; ModelError where one
    cannot be read."""
    digest = hashlib.sha256()
    for name in PARTS:
        for path in sorted((folder / name).glob("*")):
            if path.suffix in (".safetensors", ".json"):
                digest.update(f"{name}/{path.name}\0".encode())
                try:
                    digest.update(path.read_bytes())
                except OSError as error:
                    raise ModelError(f"{path} cannot be read ({error.strerror}): mend the model folder") from None
    return digest.hexdigest()
