"""Sample sheets: rows of frames as one PNG, to look at while training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from sgen_ray.training.data import to_bytes


def save_rows(path: Path, rows: Sequence[Tensor], scale: int = 1) -> None:
    """Each row is frames [3, T, H, W] in -1..1; rows of other sizes are resized to the first's."""
    height, width = rows[0].shape[2:]
    pictures = []
    for row in rows:
        frames = row.detach().cpu().float().transpose(0, 1)
        if frames.shape[2:] != (height, width):
            frames = functional.interpolate(frames, (height, width), mode="nearest")
        pictures.append(torch.cat(list(functional.pad(frames, (1, 1, 1, 1), value=-1)), -1))
    widest = max(p.shape[-1] for p in pictures)
    sheet = torch.cat([functional.pad(p, (0, widest - p.shape[-1]), value=-1) for p in pictures], 1)
    pixels = to_bytes(sheet.clamp(-1, 1)).permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels)
    if scale > 1:
        image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    path.parent.mkdir(parents=True, exist_ok=True)
    # 256 colours: a third of the bytes, and nobody can tell.
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
