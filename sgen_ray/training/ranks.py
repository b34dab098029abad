"""Several processes train one network: each on its own examples, gradients averaged after every step.

On a CPU two processes of one thread do twice the work of one, two threads of one process hardly half as much again.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from sgen_ray.errors import SgenError

LONGEST_STEP = timedelta(minutes=30)
"""The slowest rank's first step draws its examples and compiles."""


class Ranks:
    """This process's place among those that train together; one process by itself is `Ranks()`."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def first(self) -> bool:
        """Whether this one reports, saves and evaluates."""
        return self.rank == 0

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Average the gradients over all ranks, in place."""
        if self.size == 1:
            return
        found = list(gradients)
        flat = self._sum(torch.cat([g.flatten().float().cpu() for g in found]))
        for g, mean in zip(found, flat.div_(self.size).split([g.numel() for g in found]), strict=True):
            g.copy_(mean.view_as(g))

    def any(self, own: bool) -> bool:
        """Whether any rank says yes."""
        return own if self.size == 1 else bool(self._sum(torch.tensor([float(own)])) > 0)

    def _sum(self, values: Tensor) -> Tensor:
        try:
            dist.all_reduce(values)
        except RuntimeError as error:
            line = " ".join(str(error).split())[:160]
            raise SgenError(f"another training process is gone; run the same command to go on ({line})") from None
        return values


@contextlib.contextmanager
def ranks(size: int, work: Callable[..., object], *args: Any) -> Iterator[Ranks]:
    """This process becomes rank 0 of `size`; the others run `work(ranks, *args)`, which must be importable."""
    if size == 1:
        yield Ranks()
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(target=_other, args=(port, rank, size, work, args), daemon=True) for rank in range(1, size)
    ]
    for other in others:
        other.start()
    try:
        with _joined(port, 0, size) as own:
            yield own
        for other in others:
            other.join()
    finally:
        for other in others:
            other.kill()


@contextlib.contextmanager
def _joined(port: int, rank: int, size: int) -> Iterator[Ranks]:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", LONGEST_STEP, size, rank)
    try:
        yield Ranks(rank, size)
    finally:
        dist.destroy_process_group()


def _other(port: int, rank: int, size: int, work: Callable[..., object], args: tuple[Any, ...]) -> None:
    with _joined(port, rank, size) as own, contextlib.suppress(KeyboardInterrupt, SgenError):
        work(own, *args)
