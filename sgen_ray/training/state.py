"""Training state on disk: everything a resumed run needs to equal an uninterrupted one.

Tensors lie in safetensors shards of at most 15 MiB, so that a slice's files travel one by one; a state is written
beside the old one and swapped in whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sgen_ray.errors import ModelError

SHARD_BYTES = 15 * 2**20


def save_state(folder: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors and JSON facts to `folder`, whole or not at all."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    shard: dict[str, Tensor] = {}
    size, count = 0, 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if shard and size + tensor.nbytes > SHARD_BYTES:
            save_file(shard, fresh / f"state-{count:03d}.safetensors")
            shard, size, count = {}, 0, count + 1
        shard[name] = tensor.clone()
        size += tensor.nbytes
    save_file(shard, fresh / f"state-{count:03d}.safetensors")
    (fresh / "state.json").write_text(json.dumps(facts, indent=1))
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What save_state wrote, or None where there is none; a swap cut off half-way leaves the old state readable."""
    for candidate in (folder, folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")):
        if (candidate / "state.json").exists():
            tensors: dict[str, Tensor] = {}
            for path in sorted(candidate.glob("state-*.safetensors")):
                tensors |= load_file(path)
            return tensors, json.loads((candidate / "state.json").read_text())
    return None


def fit(module: nn.Module, weights: Mapping[str, Tensor], whose: str) -> None:
    """Load weights, all of them; a buffer that they lack stays as the stage has filled it.

    Raises:
        ModelError: a parameter is missing, unknown or of another shape; `whose` they are goes into the message.
    """
    own = module.state_dict()
    needed = {name for name, _ in module.named_parameters()}
    wrong = [f"{name} is missing" for name in sorted(needed - weights.keys())]
    wrong += [f"{name} is not known" for name in sorted(weights.keys() - own.keys())]
    wrong += [
        f"{name} is {tuple(value.shape)}, not {tuple(own[name].shape)}"
        for name, value in weights.items()
        if name in own and value.shape != own[name].shape
    ]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise ModelError(
            f"{whose} does not fit this recipe ({wrong[0]}{more}): it is of another recipe or version; "
            "begin in a new --folder, from a model of this version or from nothing"
        )
    module.load_state_dict(weights, strict=False)
