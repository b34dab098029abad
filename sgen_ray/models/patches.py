"""Latent frames to patches and back; patches may overlap, each latent pixel then being the mean of what they answer.

A network asked at overlapping patches has several times the tokens for the same weights, and each of them answers for
pixels that others see too (overlapping patches are SegFormer's, arXiv 2105.15203, sec. 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray.models.init import zero


def embedded_patches(embedding: nn.Conv3d, x: Tensor) -> tuple[Tensor, int, int]:
    """x [B, C, T, H, W] -> tokens [B, F, P, D], and how many rows and columns of patches they are."""
    out = embedding(x)
    return out.flatten(3).permute(0, 2, 3, 1), *out.shape[3:]


def joined(answers: Tensor, like: Tensor, size: Sequence[int], stride: tuple[int, ...]) -> Tensor:
    """Answers [B, F, P, p_t p_h p_w C] of patches to pixels [B, C, T, H, W], of the size of `like`.

    size: p_t, p_h, p_w; stride: rows and columns from one patch to the next.
    """
    p_t, p_h, p_w = size
    patch = (p_h, p_w)
    height, width = like.shape[3:]
    out = answers.unflatten(-1, (p_t, p_h * p_w, -1)).permute(0, 1, 3, 5, 4, 2).flatten(0, 2).flatten(1, 2)
    total = functional.fold(out, (height, width), patch, stride=stride)
    count = functional.fold(torch.ones_like(out[:1, : p_h * p_w]), (height, width), patch, stride=stride)
    return (total / count).unflatten(0, (len(like), -1)).transpose(1, 2)


def refiner(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """A small network on whole frames that smooths over the borders of patches, and adds nothing at first."""
    last = nn.Conv2d(hidden, outputs, 3, padding=1)
    zero(last)
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, 3, padding=1), nn.SiLU(),
        nn.Conv2d(hidden, hidden, 3, padding=1), nn.SiLU(),
        last,
    )  # fmt: skip
