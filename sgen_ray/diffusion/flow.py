"""Rectified flow: the path, the preconditioned network, its loss and its Euler sampler.

x_t = (1 - t) x_0 + t eps, with t = 1 pure noise; the network predicts the velocity v = eps - x_0 (SemanticGen, sec. 3).
Time is per frame everywhere, so that frames with t = 0 are held: known, looked at, never changed. The loss and the
sampler go through the same `Flow.velocity`, so training and sampling cannot drift apart. The sampler may end in finer
steps, of second order.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

Network = Callable[[Tensor, Tensor], Tensor]
"""network(x [B, C, T, ...], t [B, T]) -> [B, C, T, ...]; conditioning is bound beforehand."""


def per_frame(t: Tensor, like: Tensor) -> Tensor:
    """t [B, T] shaped to broadcast over like [B, C, T, ...]."""
    return t.reshape(t.shape[0], 1, t.shape[1], *([1] * (like.ndim - 3)))


def add_noise(x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
    """The straight path from data to noise at per-frame time t [B, T]."""
    t = per_frame(t, x0)
    return (1 - t) * x0 + t * eps


class Flow(nn.Module):
    """A velocity model around a network.

    With `sigma_data` (per-channel standard deviation of the data) the network sees unit-variance input and answers
    for a unit-variance residual around the best linear guess of v (EDM's preconditioning, arXiv 2206.00364 sec. 5,
    on the straight path). Without it the network's output is v itself, as in Wan2.1.
    """

    sigma_data: Tensor | None

    def __init__(self, sigma_data: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("sigma_data", sigma_data)

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(c_in, c_skip, c_out) for v = c_skip x_t + c_out network(c_in x_t)."""
        t, sigma = per_frame(t, like).float(), self.sigma(like)
        variance = (1 - t) ** 2 * sigma**2 + t**2
        return variance.rsqrt(), (t - (1 - t) * sigma**2) / variance, sigma * variance.rsqrt()

    def sigma(self, like: Tensor) -> Tensor:
        """Deviation of the data, shaped to broadcast over like [B, C, T, ...]; 1 where it is not known."""
        sigma = like.new_ones(1) if self.sigma_data is None else self.sigma_data
        return sigma.float().reshape(1, -1, *([1] * (like.ndim - 2)))

    def turn(self, x: Tensor, v: Tensor, t: Tensor) -> Tensor:
        """How fast x [B, C, T, ...] turns from data to noise: v without what the best linear guess says, at unit size.

        In units of a channel's deviation at t, data and noise are the ends of a quarter turn by the angle of `angle`,
        and this is the derivative along it (TrigFlow, arXiv 2410.11081): what the network answers, with `sigma_data`.
        """
        _, c_skip, c_out = self.coefficients(t, x)
        return (v - c_skip * x.float()) / c_out

    def angle(self, t: float, like: Tensor) -> Tensor:
        """The angle of time t, a channel: 0 is data, pi / 2 is noise."""
        return torch.atan2(torch.full_like(self.sigma(like), t), (1 - t) * self.sigma(like))

    def size(self, t: float, like: Tensor) -> Tensor:
        """Deviation of x_t, a channel."""
        return torch.sqrt(((1 - t) * self.sigma(like)) ** 2 + t**2)

    def clean(self, x: Tensor) -> Tensor:
        """Known frames [B, C, T, ...] scaled as the network sees frames that are held (t = 0)."""
        return x if self.sigma_data is None else x / self.sigma(x).to(x)

    def velocity(self, network: Network, x: Tensor, t: Tensor) -> Tensor:
        """v at x [B, C, T, ...] and per-frame time t [B, T], in float32."""
        if self.sigma_data is None:
            return network(x, t).float()
        c_in, c_skip, c_out = self.coefficients(t, x)
        return c_skip * x.float() + c_out * network((c_in * x).to(x.dtype), t).float()

    def loss(
        self, network: Network, x0: Tensor, eps: Tensor, t: Tensor, weight: Tensor | None = None, change: float = 0.0,
        teacher: Network | None = None, taught: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Mean squared velocity error of each frame, [B, T]; frames with t = 0 are held and count nothing.

        With `sigma_data`, channels count by their deviation: what is large in the latents is large in the picture.
        weight: [B, T, H, W], how much each place counts.
        change: how much the error of the change from one free frame to the next counts beside that of the frames. Most
            of a velocity's error is texture, the same in every frame; this looks at what moves.
        teacher: the network whose velocity is the right one of the examples that are `taught`, bool [B], in place of
            the data's; it is given these alone. None: all are.
        """
        x = add_noise(x0, eps, t)
        right = eps - x0
        if teacher is not None:
            rows = slice(None) if taught is None else taught
            with torch.no_grad():
                right[rows] = self.velocity(teacher, x[rows], t[rows])
        wrong = self.velocity(network, x, t) - right
        error = wrong**2
        if change:
            free = per_frame((t[:, 1:] > 0) & (t[:, :-1] > 0), wrong)
            changed = 0.5 * (wrong.diff(dim=2) * free) ** 2
            error = error + change * torch.cat((torch.zeros_like(error[:, :, :1]), changed), 2)
        if self.sigma_data is not None:
            error = error * (self.sigma(error) / self.sigma_data.mean())
        if weight is not None:
            error = error * weight.unsqueeze(1)
        return error.transpose(1, 2).flatten(2).mean(2) * (t > 0)


def times(steps: int, shift: float = 1.0) -> list[float]:
    """Sampler times from 1 to 0, steps + 1 of them; shift > 1 spends more steps near the noise."""
    grid = [1 - i / steps for i in range(steps + 1)]
    return [shift * t / (1 + (shift - 1) * t) for t in grid]


@torch.no_grad()
def sample(
    flow: Flow,
    network: Network,
    noise: Tensor,
    steps: int,
    shift: float = 1.0,
    held: tuple[Tensor, Tensor] | None = None,
    on_step: Callable[[int, int], None] | None = None,
    finish: int = 1,
) -> Tensor:
    """From noise [B, C, T, ...] to data in Euler's steps, the last of them as `finish` steps of second order.

    held: (mask [T] bool, values like noise): frames where the mask is True are `values` throughout, seen by the
        network as clean (t = 0), and come back byte for byte.
    finish: with more than 1, what is left of the way after steps - 1 steps goes in as many equal parts of time, by
        Adams and Bashforth's two-step rule along `Flow.angle`. Euler's last step ends at the mean of all that the
        noise may yet become, and the mean of a drop of rain that may be anywhere is none. Along the angle what the
        network knows nothing of keeps its spread, and small things come out of it one by one.
    """
    x = noise
    mask, values = held if held is not None else (torch.zeros(noise.shape[2], dtype=torch.bool, device=x.device), x)
    keep = mask.reshape(1, 1, -1, *([1] * (x.ndim - 3)))
    *grid, last = times(steps, shift)[:-1]
    grid += [last * (1 - i / finish) for i in range(finish + 1)]
    before: tuple[float, Tensor] | None = None
    for i, (now, then) in enumerate(pairwise(grid)):
        x = torch.where(keep, values, x)
        t = torch.full((x.shape[0], x.shape[2]), now, device=x.device).masked_fill(mask, 0.0)
        v = flow.velocity(network, x, t)
        if finish == 1 or now > last:
            x = (x.float() + (then - now) * v).to(noise.dtype)
        else:
            turn = flow.turn(x, v, t)
            x = _turned(flow, x, turn, now, then, before).to(noise.dtype)
            before = now, turn
        if on_step is not None:
            if x.is_cuda:
                torch.cuda.synchronize()
            on_step(i + 1, len(grid) - 1)
    return torch.where(keep, values, x)


def _turned(
    flow: Flow, x: Tensor, turn: Tensor, now: float, then: float, before: tuple[float, Tensor] | None
) -> Tensor:
    """x at `then`, by its `turn` at `now` and at the time `before`; nothing that counts for frames that are held."""
    ahead = flow.angle(then, x) - flow.angle(now, x)
    if before is not None:
        behind = flow.angle(now, x) - flow.angle(before[0], x)
        turn = turn + ahead / behind / 2 * (turn - before[1])
    return (x.float() / flow.size(now, x) + ahead * turn) * flow.size(then, x)
