"""What to do next, decided by pure functions of what is known; `crew` acts on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """A task may be tried `attempts` times; `deaths` workers in a row may die while nothing gets finished."""

    attempts: int
    deaths: int

    def try_again(self, failures: int) -> bool:
        return failures < self.attempts

    def replace(self, deaths_in_a_row: int) -> bool:
        return deaths_in_a_row <= self.deaths


def next_worker(loads: Sequence[int], queued: int, depth: int) -> int | None:
    """Which worker takes the next of `queued` tasks, by the number of calls that each holds; None: it waits.

    The least loaded, and no more than `depth` calls each. A call behind a running one saves its worker a pause between
    two, but near the end it would wait there while others have nothing to do; so with no more tasks queued than there
    are workers, only an idle one takes any.
    """
    if not loads or not queued:
        return None
    depth = depth if queued > len(loads) else 1
    worker = min(range(len(loads)), key=lambda index: (loads[index], index))
    return worker if loads[worker] < depth else None
