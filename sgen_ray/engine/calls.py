"""Workers and their calls, whoever runs them: what the rest of the engine knows of a process elsewhere.

A worker is one of the classes in `actors`, in a process or thread of its own; its calls run one after another. Every
method that does work returns two values: a small one for the caller, and a payload that stays where it is and travels
only as an argument of another call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class WorkerDied(Exception):
    """The process of a worker is gone; whatever it held is lost."""


class OutOfMemory(WorkerDied):
    """It took more memory than its machine has."""


class WorkerTaken(WorkerDied):
    """Its machine or the pool that it belonged to went away: no fault of the call that it was at."""


@dataclass(frozen=True)
class Demand:
    """What a worker needs of the machine that it is placed on; `labels` select machines, as Ray's label selectors."""

    cpus: float = 0.0
    gpus: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)


class Call(Protocol):
    """A call under way. Calls are compared by identity."""

    @property
    def payload(self) -> Any:
        """The second value, by reference: give it to another call."""
        ...

    def result(self) -> Any:
        """The first value, when `Runtime.wait` has returned this call.

        Raises:
            WorkerDied: the worker is gone.
            Cancelled: the call was cancelled.
            Exception: whatever the method raised.
        """
        ...


class Worker(Protocol):
    def call(self, method: str, *args: Any) -> Call: ...

    def status(self) -> Call:
        """What it is doing now, answered beside the running call; the result is an `actors.Status`."""
        ...

    def node(self) -> Call:
        """The machine that it is on, named as `Runtime.draining` does."""
        ...

    def abandon(self, turn: int) -> None:
        """Ends the calls that it has at their next step, whoever made them, until it is called to `resume` of the same
        turn, which may overtake this; turns count up from 1."""
        ...

    def kill(self) -> None: ...
