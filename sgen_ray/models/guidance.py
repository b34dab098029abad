"""Where a network's answer is led: away from what is unwanted, or unconditioned (classifier-free guidance, Ho and
Salimans, arXiv 2207.12598), and, while a plan is nearly noise, to what its shot has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sgen_ray.diffusion.flow import Flow, Network, per_frame, sample
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.dit import VideoDiT


@dataclass(frozen=True)
class Push:
    """How far an answer is pushed from the one to `unwanted`: by scale * t^power times what they differ by, at times
    over `above` alone.

    With a power the push fades as the noise does. Early it decides what is seen; late it multiplies what the two
    answers err by, which differs from frame to frame and shimmers (cf. guidance in an interval, Kynkäänniemi et al.,
    arXiv 2404.07724).
    """

    unwanted: Conditioning
    scale: float
    power: float = 0.0
    above: float = 0.0


def painted(
    flow: Flow, network: VideoDiT, c: Conditioning, noise: Tensor, steps: int,
    held: tuple[Tensor, Tensor] | None = None, on_step: Callable[[int, int], None] | None = None,
) -> Tensor:  # fmt: skip
    """What a renderer makes of noise [B, C, T, H, W] by its own settings; the rest as in `sample`."""
    config = network.config
    return sample(
        flow, plan_guided(network, c), config.sampling_temperature * noise, steps, config.sampling_shift, held, on_step,
        config.sampling_finish,
    )  # fmt: skip


def plan_guided(network: VideoDiT, c: Conditioning) -> Network:
    """A renderer as it paints: pushed by its own scales from what it paints `unguided`, and of a plan held still."""
    config, pushes = network.config, []
    power, above = config.plan_guidance_power, config.plan_guidance_above
    if config.plan_guidance != 1.0:
        pushes.append(Push(network.unguided(c), config.plan_guidance - 1, power, above))
    if config.change_guidance:
        pushes.append(Push(held_still(c, config.semantic_stride), config.change_guidance, power, above))
    return pushed(network, c, pushes)


def guided(network: VideoDiT, conditions: tuple[Conditioning, Conditioning], scale: float) -> Network:
    """unwanted + scale (wanted - unwanted); at scale 1 the wanted answer alone."""
    wanted, unwanted = conditions
    return pushed(network, wanted, [Push(unwanted, scale - 1)] if scale != 1.0 else [])


def pushed(network: VideoDiT, wanted: Conditioning, pushes: Sequence[Push]) -> Network:
    """The answer to `wanted`, pushed from all others. Each is asked for by itself, and only while it counts: stacked,
    they are no faster on a CPU and need more memory."""
    answer, others = network.given(wanted), [network.given(push.unwanted) for push in pushes]

    def run(x: Tensor, t: Tensor) -> Tensor:
        yes = out = answer(x, t)
        time = per_frame(t, x).to(yes)
        for push, other in zip(pushes, others, strict=True):
            if t.max() > push.above:
                out = out + push.scale * time**push.power * (yes - other(x, t))
        return out

    return run


def held_still(c: Conditioning, stride: int) -> Conditioning:
    """The same with a plan in which nothing changes: each step, of `stride` frames, is the mean of its shot's steps.

    What is painted of it shows the same things and hardly moves, neither they nor the camera; pushed from that, a
    renderer paints more of what the plan says of changes, which are a small part of its training loss.
    """
    assert c.semantic is not None and c.shot is not None
    return replace(c, semantic=shot_means(c.semantic, c.shot[:, ::stride]))


class SettledFlow(Flow):
    """A planner's flow: while its steps are nearly noise, they are on their way to the straight line through what all
    steps of their shot are on their way to.

    What a prompt leaves open is settled there, from noise that is another one in each step: a colour, a direction. Left
    alone, the steps of a long shot agree with their neighbours and no further, and the film wanders. A line and not one
    point, since a pan or a zoom takes the plan from one place to another. Whatever else moves is settled later. Held
    steps (t = 0) count as they are.
    """

    def __init__(self, sigma_data: Tensor | None, shot: Tensor, above: float) -> None:
        """shot: [B, S], which shot each step belongs to. above: from which time up; 1: never."""
        super().__init__(sigma_data)
        self.shot, self.above = shot, above

    def velocity(self, network: Network, x: Tensor, t: Tensor) -> Tensor:
        v, time = super().velocity(network, x, t), per_frame(t, x).float()
        to_line = (x - shot_lines(x - time * v, self.shot)) / time.clamp_min(self.above)
        return torch.where(time > self.above, to_line, v)


def shot_means(x: Tensor, shot: Tensor) -> Tensor:
    """x [B, C, S, h, w] with each step the mean of the steps of its shot [B, S]."""
    return _mixed(x, _mean(shot).to(x))


def shot_lines(x: Tensor, shot: Tensor) -> Tensor:
    """x [B, C, S, h, w] with each step on the straight line, by least squares, through the steps of its shot [B, S]."""
    mean, when = _mean(shot), torch.arange(shot.shape[1], device=shot.device).float()
    since = when - mean @ when  # steps since the middle of the shot
    spread = ((mean > 0) * since[:, None] ** 2).sum(2, keepdim=True)
    slope = (mean > 0) * since[:, :, None] * since[:, None] / spread.clamp_min(0.5)  # of a shot of one step: none
    return _mixed(x, (mean + slope).to(x))


def _mean(shot: Tensor) -> Tensor:
    """[B, S, S]: how much each step counts in the mean of each step's shot."""
    same = (shot[:, :, None] == shot[:, None]).float()
    return same / same.sum(2, keepdim=True)


def _mixed(x: Tensor, weights: Tensor) -> Tensor:
    return torch.einsum("bst,bcthw->bcshw", weights, x)
