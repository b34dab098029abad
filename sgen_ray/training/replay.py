"""Batches of a run: drawn anew, or the last drawn examples again; which ones is a function of (seed, step)."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sgen_ray.training.schedule import Schedule

Items = dict[str, Tensor]
"""Drawn examples: every tensor's first axis counts items."""


class Draws(Protocol):
    """What a replay asks a stage for: examples, in two parts."""

    def sketch(self, seed: int, count: int) -> Items:
        """What the world says and shows; the longer part, and one that no GPU is needed for."""
        ...

    def encode(self, items: Items) -> Items:
        """What the networks that are not trained make of it, on the device that trains."""
        ...


class Drawing(ABC):
    """A stage of the world: its examples come from either split, and may need no network."""

    @abstractmethod
    def sketch(self, seed: int, count: int, split: str = "train") -> Items: ...

    def encode(self, items: Items) -> Items:
        return items

    def draw(self, seed: int, count: int, split: str = "train") -> Items:
        """Both parts."""
        return self.encode(self.sketch(seed, count, split))


@dataclass(frozen=True)
class Drawers:
    """Processes that sketch beside the one that trains, each with a stage of its own.

    Attributes:
        stage: makes that stage; picklable. Several processes on one GPU take turns, which costs more than they draw,
            so it had better be on the CPU.
    """

    stage: Callable[[], Draws]
    processes: int

    def sketches(self, seed: int, first: int, size: int) -> DataLoader[Items]:
        """Blocks of `size` items from block `first` on, drawn ahead."""
        return DataLoader(
            _Blocks(self.stage, seed, size),
            batch_size=None,
            sampler=range(first, 2**31),
            num_workers=self.processes,
            prefetch_factor=4,
            multiprocessing_context="spawn",
            worker_init_fn=_undisturbed,
        )


class Replay:
    """The last `size` drawn items, on `device`; which they are is a function of the step alone."""

    def __init__(
        self, stage: Draws, schedule: Schedule, seed: int, device: torch.device | str = "cpu",
        drawers: Drawers | None = None,
    ) -> None:  # fmt: skip
        """drawers: who draws, in the stage's place and ahead of it."""
        if schedule.replay % max(1, schedule.block or schedule.fresh):
            raise ValueError("replay must be a multiple of what is drawn at once")
        self.stage, self.schedule, self.seed, self.device, self.drawers = stage, schedule, seed, device, drawers
        self.items: Items | None = None
        self.drawn = 0
        self.sketched: Iterator[Items] | None = None
        self.following = 0
        """The block that `sketched` gives next."""

    def batch(self, step: int, generator: torch.Generator) -> Items:
        s = self.schedule
        if not s.replay:
            return self._block(step, s.batch)
        block = s.block or s.fresh
        target = -(-(s.ahead + (step + 1) * s.fresh) // block) * block
        self.drawn = max(self.drawn, target - s.replay)
        while self.drawn < target:
            self._put(self._block(self.drawn // block, block), self.drawn % s.replay)
            self.drawn += block
        assert self.items is not None
        # The newest ones are sure to be seen.
        pick = torch.randint(min(target, s.replay), (s.batch,), generator=generator)
        newest = torch.arange(target - block, target)[(step * s.fresh) % block :][: min(s.fresh, s.batch)]
        pick[: len(newest)] = newest % s.replay
        pick = pick.to(self.device)
        return {name: value[pick] for name, value in self.items.items()}

    def _block(self, index: int, size: int) -> Items:
        """Block `index` of `size` items."""
        if self.drawers is None:
            return self.stage.encode(self.stage.sketch(key(self.seed, index), size))
        if self.sketched is None or index != self.following:
            self.sketched = iter(self.drawers.sketches(self.seed, index, size))
        self.following = index + 1
        return self.stage.encode({name: value.to(self.device) for name, value in next(self.sketched).items()})

    def _put(self, new: Items, at: int) -> None:
        if self.items is None:
            self.items = {k: v.new_zeros(self.schedule.replay, *v.shape[1:]) for k, v in new.items()}
        for name, value in new.items():
            self.items[name][at : at + len(value)] = value


def _undisturbed(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; a drawer goes on until the step at hand has what it needs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Blocks(Dataset[Items]):
    """Blocks of sketches by index; a drawing process makes its stage when it is first asked."""

    def __init__(self, stage: Callable[[], Draws], seed: int, size: int) -> None:
        self.make, self.seed, self.size = stage, seed, size
        self.stage: Draws | None = None

    def __getitem__(self, index: int) -> Items:
        self.stage = self.stage or self.make()
        return {name: value.cpu() for name, value in self.stage.sketch(key(self.seed, index), self.size).items()}


def key(seed: int, index: int) -> int:
    """A seed of 62 bits for (seed, index): splitmix64's mixing, so that neighbours share nothing."""
    x = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> shift)) * factor % 2**64
    return (x ^ (x >> 31)) >> 2


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers in the shape of `like`, drawn where it lies: on a CPU by `generator` itself, on a GPU by
    one that it seeds. To draw a large batch's noise on a CPU takes longer than a GPU needs for the step."""
    if like.device.type == "cpu":
        return torch.randn(like.shape, generator=generator).to(like)
    own = torch.Generator(like.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    return torch.randn(like.shape, generator=own, device=like.device, dtype=like.dtype)
