"""Batches of a run: drawn anew, or the last drawn examples again; which ones is a function of (seed, step)."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from sgen_ray.training.schedule import Schedule

Items = dict[str, Tensor]
"""Drawn examples: every tensor's first axis counts items."""


class Draws(Protocol):
    """What a replay asks a stage for."""

    def draw(self, seed: int, count: int) -> Items: ...


class Replay:
    """The last `size` drawn items; which they are is a function of the step alone."""

    def __init__(self, stage: Draws, schedule: Schedule, seed: int) -> None:
        if schedule.replay % max(1, schedule.block or schedule.fresh):
            raise ValueError("replay must be a multiple of what is drawn at once")
        self.stage, self.schedule, self.seed = stage, schedule, seed
        self.items: Items | None = None
        self.drawn = 0

    def batch(self, step: int, generator: torch.Generator) -> Items:
        s = self.schedule
        if not s.replay:
            return self.stage.draw(key(self.seed, step), s.batch)
        block = s.block or s.fresh
        target = -(-(s.ahead + (step + 1) * s.fresh) // block) * block
        self.drawn = max(self.drawn, target - s.replay)
        while self.drawn < target:
            self._put(self.stage.draw(key(self.seed, self.drawn // block), block), self.drawn % s.replay)
            self.drawn += block
        assert self.items is not None
        # The newest ones are sure to be seen.
        pick = torch.randint(min(target, s.replay), (s.batch,), generator=generator)
        newest = torch.arange(target - block, target)[(step * s.fresh) % block :][: min(s.fresh, s.batch)]
        pick[: len(newest)] = newest % s.replay
        return {name: value[pick.to(value.device)] for name, value in self.items.items()}

    def _put(self, new: Items, at: int) -> None:
        if self.items is None:
            self.items = {k: v.new_zeros(self.schedule.replay, *v.shape[1:]) for k, v in new.items()}
        for name, value in new.items():
            self.items[name][at : at + len(value)] = value


def key(seed: int, index: int) -> int:
    """A seed of 62 bits for (seed, index): splitmix64's mixing, so that neighbours share nothing."""
    x = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> shift)) * factor % 2**64
    return (x ^ (x >> 31)) >> 2
