"""Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): away from what is unwanted, or unconditioned."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from sgen_ray.diffusion.flow import Network, per_frame
from sgen_ray.models.dit import Conditioning, VideoDiT


def plan_guided(network: VideoDiT, c: Conditioning) -> Network:
    """A renderer as it paints: pushed by its own scale from what it paints `unguided`."""
    config = network.config
    return guided(network, (c, network.unguided(c)), config.plan_guidance, config.plan_guidance_power)


def guided(
    network: VideoDiT, conditions: tuple[Conditioning, Conditioning], scale: float, power: float = 0.0
) -> Network:
    """unwanted + s (wanted - unwanted), both in one forward; at scale 1 the wanted answer alone.

    s = 1 + (scale - 1) t^power: with a power the push fades as the noise does. Early it decides what is seen; late it
    multiplies what the two answers err by, which differs from frame to frame and shimmers (cf. guidance in an interval,
    Kynkäänniemi et al., arXiv 2404.07724).
    """
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
        push = 1 + (scale - 1) * per_frame(t, x).to(yes) ** power
        return no + push * (yes - no)

    return run
