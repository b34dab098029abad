"""Which frames of a training example are held: known, clean, seen at t = 0.

Edit, extend, reference images, held windows and anchors all clamp known frames, and that only works for networks that
were trained so. Each mode has a held-out loss of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

RENDERER_MODES = ("none", "first", "prefix", "suffix", "both", "scattered")
RENDERER_WEIGHTS = (0.5, 0.1, 0.15, 0.08, 0.12, 0.05)
SHORT_WEIGHTS = (0.8, 0.05, 0.05, 0.03, 0.04, 0.03)
"""Of the renderer's first steps, on half clips."""
PLANNER_MODES = ("none", "prefix", "suffix", "span", "outside", "scattered")
PLANNER_WEIGHTS = (0.55, 0.1, 0.05, 0.1, 0.1, 0.1)


def held_frames(mode: str, frames: int, generator: torch.Generator) -> Tensor:
    """Mask [frames], True where held; at least one frame is always left to paint."""

    def upto(limit: int) -> int:
        return int(torch.randint(1, max(1, limit) + 1, (), generator=generator))

    mask = torch.zeros(frames, dtype=torch.bool)
    if frames < 2 or mode == "none":
        return mask
    if mode == "first":
        mask[0] = True
    elif mode == "prefix":
        mask[: upto(2 * frames // 3)] = True
    elif mode == "suffix":
        mask[-upto(2 * frames // 3) :] = True
    elif mode == "both":
        mask[: upto(frames // 3)] = True
        mask[-upto(frames // 3) :] = True
    elif mode in ("span", "outside"):
        length = upto(max(1, frames // 2))
        start = int(torch.randint(0, frames - length + 1, (), generator=generator))
        mask[start : start + length] = True
        if mode == "outside":
            mask = ~mask
    elif mode == "scattered":
        mask[torch.randperm(frames, generator=generator)[: upto(min(4, frames - 1))]] = True
    else:
        raise ValueError(f"unknown mode {mode!r}")
    if mask.all():
        mask[frames // 2] = False
    return mask


def pick_modes(modes: tuple[str, ...], weights: tuple[float, ...], count: int, generator: torch.Generator) -> list[str]:
    """`count` modes drawn by weight."""
    return [modes[i] for i in torch.multinomial(torch.tensor(weights), count, True, generator=generator)]


def draw_time(count: int, generator: torch.Generator, shift: float | Tensor = 1.0) -> Tensor:
    """Logit-normal times [count] in 0..1, shifted as the sampler's are (SD3, arXiv 2403.03206, secs. 3.1 and 5.3.2).

    A film's frames are alike, and strong latent channels outshine the noise until late: what is in the picture is
    decided above t = 0.9, where an unshifted draw hardly ever trains.
    """
    return torch.sigmoid(1.2 * torch.randn(count, generator=generator) + torch.as_tensor(shift).log())
