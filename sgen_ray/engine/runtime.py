"""The one small interface between the engine and what runs it: Ray (`cluster`) or threads of this process (`local`).

A worker is one of the classes in `actors`, in a process or thread of its own; its calls run one after another. Every
method that does work returns two values: a small one for the caller, and a payload that stays where it is and travels
only as an argument of another call.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sgen_ray.engine.machine import Machine

if TYPE_CHECKING:
    from sgen_ray.engine.lease import Link
    from sgen_ray.engine.messages import PoolSpec


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


class Runtime(Protocol):
    @property
    def machine(self) -> Machine:
        """What there is to place workers on."""
        ...

    def start(self, actor: type, args: Sequence[Any], demand: Demand) -> Worker:
        """Starts one worker without waiting for it: `actor(canceled, *args)`, where `canceled()` turns True when
        somebody asked to stop the running call."""
        ...

    def link(self, spec: PoolSpec) -> Link:
        """The way to the pool of this kind, which films on the same cluster share."""
        ...

    def share(self, value: Any) -> Any:
        """A reference to give to many calls."""
        ...

    def wait(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        """Those that are finished, in the given order, as soon as there is one or the time is up."""
        ...

    def draining(self) -> frozenset[str]:
        """Machines that are about to go away."""
        ...

    @property
    def driver(self) -> str:
        """Who asks from this process, as `ended` knows it; "" where nobody could tell that it has ended."""
        ...

    def ended(self, drivers: Collection[str]) -> frozenset[str]:
        """Those that have surely ended."""
        ...

    def cancel(self, calls: Sequence[Call]) -> None:
        """Asks running calls to stop at their next step, and takes back those that have not begun."""
        ...

    def works(self) -> bool:
        """Whether another film may be made here; False where what it runs on went away."""
        ...

    def close(self) -> None:
        """Ends every worker, and the cluster if this opened it."""
        ...
