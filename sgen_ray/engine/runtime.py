"""The one small interface between the engine and what runs it: Ray (`cluster`) or threads of this process (`local`)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from sgen_ray.engine.calls import Call, Demand, Worker
from sgen_ray.engine.machine import Machine
from sgen_ray.engine.messages import Granted, JobSpec, PoolSpec, Wish


class Link(Protocol):
    """The way to a pool: in this process, or by Ray."""

    def sync(self, job: JobSpec, wish: Wish) -> Granted | Call:
        """The answer, or the call that will have it as its result.

        Raises WorkerDied, as the call may: the pool is gone; the next message goes to a new one.
        """
        ...

    def leave(self, job: str, returned: frozenset[int]) -> None: ...

    def calls(self) -> list[Call]:
        """What to wait for besides, as the pool's answer changes by it."""
        ...


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
