"""Of several plans the one that says most of what is wanted: a draft of a plan costs little beside painting a film."""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import Tensor

from sgen_ray.diffusion.flow import Flow, Network, sample
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.dit import PlannerDiT
from sgen_ray.models.guidance import guided
from sgen_ray.protocols import OnStep

DRAFT_STEPS = 4
"""Of the sampler. What a draft says, the plan from the same noise says too, but for details."""

LONGEST = 20
"""Semantic steps of a film of which several plans are drafted. Of a minute's, what is asked for was read no better, and
what is left open was kept less: there is more that a plan may say besides."""

TIMES = (0.7, 0.85)
"""Where the network is asked about a plan; nearer to 1 it sees too little of it, nearer to 0 it hardly needs text."""


def chosen(
    network: PlannerDiT, flow: Flow, noise: Tensor, conditions: tuple[Conditioning, Conditioning], scale: float,
    held: tuple[Tensor, Tensor], asking: Tensor, on_step: OnStep | None = None,
) -> Tensor:  # fmt: skip
    """Of the candidates' noise [N, C, S, h, w] that [1, C, S, h, w] whose draft says most of what is wanted.

    conditions, scale: of guidance; held: as for `sample`; asking: noise [1, C, S, h, w] to compare drafts by.
    """
    wanted, other = (repeated(c, len(noise)) for c in conditions)
    planner, shift = guided(network, (wanted, other), scale), network.config.sampling_shift
    drafts = sample(flow, planner, noise, DRAFT_STEPS, shift, held, on_step)
    best = told(Flow(flow.sigma_data), network.given(wanted), network.given(other), drafts, asking, held[0]).argmax()
    return noise[best][None]


@torch.no_grad()
def told(flow: Flow, wanted: Network, other: Network, z: Tensor, noise: Tensor, held: Tensor) -> Tensor:
    """How much of what is wanted each plan z [B, C, S, h, w] says, [B]: how much better the network knows the plan,
    noised by `noise` [1, C, S, h, w] but for its held steps [S], when it is told what is wanted and not the other; the
    mean over `TIMES` of the difference of the squared errors of its velocities.

    By the bounds on both likelihoods it grows with log p(z | wanted) - log p(z | other): the network judges its own
    plans, as a diffusion model can classify (Li et al., arXiv 2303.16203).
    """
    found = z.new_zeros(len(z))
    for time in TIMES:
        t = torch.full((len(z), z.shape[2]), time, device=z.device).masked_fill(held, 0.0)
        found += (flow.loss(other, z, noise, t) - flow.loss(wanted, z, noise, t)).mean(1) / len(TIMES)
    return found


def repeated(c: Conditioning, count: int) -> Conditioning:
    """What is told of one film, for `count` plans of it at once."""
    tensors = {f.name: x for f in fields(c) if isinstance(x := getattr(c, f.name), Tensor)}
    return replace(c, **{name: x.expand(count, *x.shape[1:]) for name, x in tensors.items()})  # type: ignore[arg-type]
