"""A runtime that keeps planners and renderers, weights and all, for the next film: for one film after another.

To a film it looks like any runtime; a worker that it lets go waits here until one with the same arguments is wanted.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any

from sgen_ray.engine.actors import Planner, Renderer
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.machine import Machine
from sgen_ray.engine.runtime import Call, Demand, Runtime, Worker
from sgen_ray.engine.studio import opened


class WarmWorker:
    def __init__(self, worker: Worker, demand: Demand, idle: list[WarmWorker]) -> None:
        self.worker, self.demand, self._idle = worker, demand, idle

    def call(self, method: str, *args: Any) -> Call:
        return self.worker.call(method, *args)

    def status(self) -> Call:
        return self.worker.status()

    def kill(self) -> None:
        if self not in self._idle:
            self._idle.append(self)


class WarmRuntime:
    """`runtime` stays its opener's to close. When a film has failed on it, close that and open another."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._idle: dict[bytes, list[WarmWorker]] = {}

    @cached_property
    def machine(self) -> Machine:
        """As it was at first: memory that our own workers take does not count against them."""
        return self._runtime.machine

    def start(self, actor: type, args: Sequence[Any], demand: Demand) -> Worker:
        if actor not in (Planner, Renderer):
            return self._runtime.start(actor, args, demand)
        key = pickle.dumps((actor, tuple(args), demand))
        idle = self._idle.setdefault(key, [])
        if idle:
            return idle.pop(0)
        if demand.gpus:  # which may all be held by those that wait here
            self._make_room(demand.gpus)
        return WarmWorker(self._runtime.start(actor, args, demand), demand, idle)

    def share(self, value: Any) -> Any:
        return self._runtime.share(value)

    def wait(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        return self._runtime.wait(calls, timeout)

    def cancel(self, calls: Sequence[Call]) -> None:
        self._runtime.cancel(calls)

    def close(self) -> None:
        self._runtime.close()

    def _make_room(self, gpus: float) -> None:
        for idle in self._idle.values():
            while idle and gpus > 0 and idle[0].demand.gpus:
                worker = idle.pop()
                worker.worker.kill()
                gpus -= worker.demand.gpus


class Workshop:
    """A warm runtime for one film after another; opened at the first need, and anew after a film that failed."""

    def __init__(self, engine: EngineConfig) -> None:
        self._engine = engine
        self._open = ExitStack()
        self._runtime: WarmRuntime | None = None

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *exception: object) -> None:
        self._runtime = None
        self._open.close()

    @contextmanager
    def place(self) -> Iterator[Runtime]:
        if self._runtime is None:
            self._runtime = WarmRuntime(self._open.enter_context(opened(self._engine)))
        try:
            yield self._runtime
        except BaseException:
            self.__exit__()
            raise
