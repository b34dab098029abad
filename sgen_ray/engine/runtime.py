"""The one small interface between the engine and what runs it: Ray (`cluster`) or threads of this process (`local`).

A worker is one of the classes in `actors`, in a process or thread of its own; its calls run one after another. Every
method that does work returns two values: a small one for the caller, and a payload that stays where it is and travels
only as an argument of another call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sgen_ray.engine.machine import Machine


class WorkerDied(Exception):
    """The process of a worker is gone; whatever it held is lost."""


@dataclass(frozen=True)
class Demand:
    """What a worker needs of the machine that it is placed on."""

    cpus: float = 0.0
    gpus: float = 0.0


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

    def kill(self) -> None: ...


class Runtime(Protocol):
    @property
    def machine(self) -> Machine:
        """What there is to place workers on."""
        ...

    def start(self, actor: type, args: Sequence[Any], demand: Demand) -> Worker:
        """Starts one worker without waiting for it: `actor(canceled, *args)`, where `canceled()` turns True when
        somebody asked to stop the running call."""
        ...

    def share(self, value: Any) -> Any:
        """A reference to give to many calls."""
        ...

    def wait(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        """Those that are finished, in the given order, as soon as there is one or the time is up."""
        ...

    def cancel(self, calls: Sequence[Call]) -> None:
        """Asks running calls to stop at their next step, and takes back those that have not begun."""
        ...

    def close(self) -> None:
        """Ends every worker, and the cluster if this opened it."""
        ...
