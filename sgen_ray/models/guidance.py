"""Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): away from what is unwanted, or unconditioned."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from sgen_ray.diffusion.flow import Network
from sgen_ray.models.dit import Conditioning, VideoDiT


def plan_guided(network: VideoDiT, c: Conditioning) -> Network:
    """A renderer as it paints: pushed by its own scale from what it paints `unguided`."""
    return guided(network, (c, network.unguided(c)), network.config.plan_guidance)


def guided(network: VideoDiT, conditions: tuple[Conditioning, Conditioning], scale: float) -> Network:
    """unwanted + scale (wanted - unwanted), both in one forward; at scale 1 the wanted answer alone."""
    wanted, unwanted = conditions
    if scale == 1.0:
        return network.given(wanted)
    pairs: dict[str, Any] = {
        field.name: (getattr(wanted, field.name), getattr(unwanted, field.name)) for field in fields(wanted)
    }
    stacked: dict[str, Any] = {name: torch.cat(p) for name, p in pairs.items() if isinstance(p[0], Tensor)}
    both = replace(wanted, **stacked)

    def run(x: Tensor, t: Tensor) -> Tensor:
        yes, no = network(torch.cat((x, x)), torch.cat((t, t)), both).chunk(2)
        return no + scale * (yes - no)

    return run
