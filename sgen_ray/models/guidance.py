"""Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): away from what is unwanted, or unconditioned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sgen_ray.diffusion.flow import Network, per_frame
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.dit import VideoDiT


@dataclass(frozen=True)
class Push:
    """How far an answer is pushed from the one to `unwanted`: by scale * t^power times what they differ by.

    With a power the push fades as the noise does. Early it decides what is seen; late it multiplies what the two
    answers err by, which differs from frame to frame and shimmers (cf. guidance in an interval, Kynkäänniemi et al.,
    arXiv 2404.07724).
    """

    unwanted: Conditioning
    scale: float
    power: float = 0.0


def plan_guided(network: VideoDiT, c: Conditioning) -> Network:
    """A renderer as it paints: pushed by its own scales from what it paints `unguided`, and of a plan held still."""
    config, pushes = network.config, []
    power = config.plan_guidance_power
    if config.plan_guidance != 1.0:
        pushes.append(Push(network.unguided(c), config.plan_guidance - 1, power))
    if config.change_guidance:
        pushes.append(Push(held_still(c, config.semantic_stride), config.change_guidance, power))
    return pushed(network, c, pushes)


def guided(network: VideoDiT, conditions: tuple[Conditioning, Conditioning], scale: float) -> Network:
    """unwanted + scale (wanted - unwanted); at scale 1 the wanted answer alone."""
    wanted, unwanted = conditions
    return pushed(network, wanted, [Push(unwanted, scale - 1)] if scale != 1.0 else [])


def pushed(network: VideoDiT, wanted: Conditioning, pushes: Sequence[Push]) -> Network:
    """The answer to `wanted`, pushed from all others. Each is asked for by itself: stacked, they are no faster on a CPU
    and need more memory."""
    answer, others = network.given(wanted), [network.given(push.unwanted) for push in pushes]

    def run(x: Tensor, t: Tensor) -> Tensor:
        yes = out = answer(x, t)
        time = per_frame(t, x).to(yes)
        for push, other in zip(pushes, others, strict=True):
            out = out + push.scale * time**push.power * (yes - other(x, t))
        return out

    return run


def held_still(c: Conditioning, stride: int) -> Conditioning:
    """The same with a plan in which nothing changes: each step, of `stride` frames, is the mean of its shot's steps.

    What is painted of it shows the same things and hardly moves, neither they nor the camera; pushed from that, a
    renderer paints more of what the plan says of changes, which are a small part of its training loss.
    """
    assert c.semantic is not None and c.shot is not None
    shot = c.shot[:, ::stride]
    same = (shot[:, :, None] == shot[:, None, :]).to(c.semantic)
    return replace(c, semantic=torch.einsum("bst,bcthw->bcshw", same / same.sum(2, keepdim=True), c.semantic))
