"""The runtime without Ray: each worker is a thread of this process. For tests, notebooks and small machines."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from functools import cached_property
from typing import Any

from sgen_ray.engine.calls import Call, Demand, WorkerDied
from sgen_ray.engine.lease import PoolHere
from sgen_ray.engine.machine import Machine, this_machine
from sgen_ray.engine.messages import PoolSpec
from sgen_ray.engine.pool import Pool
from sgen_ray.errors import Cancelled


class LocalCall:
    def __init__(self, future: Future[tuple[Any, Any]], canceled: threading.Event) -> None:
        self.future, self.canceled = future, canceled

    @property
    def payload(self) -> LocalCall:
        return self

    def result(self) -> Any:
        return self._pair()[0]

    def value(self) -> Any:
        return self._pair()[1]

    def _pair(self) -> tuple[Any, Any]:
        try:
            return self.future.result(timeout=0)
        except CancelledError:
            raise Cancelled("cancelled before it began") from None


class LocalWorker:
    """A thread that was killed ends its running call at its next step, as no thread can be ended from outside."""

    def __init__(self, actor: type, args: Sequence[Any]) -> None:
        self.killed = threading.Event()
        self._running = threading.Event()  # of the running call: set when that is cancelled
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=actor.__name__)
        self._actor = actor(lambda: self._running.is_set() or self.killed.is_set(), *args)

    def call(self, method: str, *args: Any) -> LocalCall:
        canceled = threading.Event()
        return LocalCall(self._thread.submit(self._run, canceled, method, args), canceled)

    def status(self) -> LocalCall:
        return _answered(self._actor.status())

    def node(self) -> LocalCall:
        return _answered("here")

    def abandon(self, turn: int) -> None:
        self._actor.abandon(turn)

    def kill(self) -> None:
        self.killed.set()

    def join(self) -> None:
        self._thread.shutdown(wait=True)

    def _run(self, canceled: threading.Event, method: str, args: Sequence[Any]) -> tuple[Any, Any]:
        self._running = canceled
        if self.killed.is_set():
            raise WorkerDied("the worker was killed")
        try:
            given = [arg.value() if isinstance(arg, LocalCall) else arg for arg in args]
            answer = getattr(self._actor, method)(*given)
        except WorkerDied:  # a test may raise it, in place of a crash
            self.kill()
            raise
        except Cancelled:
            if self.killed.is_set() and not canceled.is_set():
                raise WorkerDied("the worker was killed") from None
            raise
        return answer  # type: ignore[no-any-return]


class LocalRuntime:
    def __init__(self) -> None:
        self._workers: list[LocalWorker] = []
        self._pools: dict[tuple[str, str], PoolHere] = {}

    @cached_property
    def machine(self) -> Machine:
        """As it was at first: memory that our own workers take does not count against them."""
        return this_machine()

    def start(self, actor: type, args: Sequence[Any], demand: Demand) -> LocalWorker:
        worker = LocalWorker(actor, args)
        self._workers.append(worker)
        return worker

    def link(self, spec: PoolSpec) -> PoolHere:
        # Kept for the next film on this runtime, weights and all.
        return self._pools.setdefault((spec.name, spec.version), PoolHere(Pool(self, spec)))

    def share(self, value: Any) -> Any:
        return value

    def wait(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        futures = [call.future for call in calls if isinstance(call, LocalCall)]
        done, _ = wait(futures, timeout, FIRST_COMPLETED)
        return [call for call in calls if isinstance(call, LocalCall) and call.future in done]

    def draining(self) -> frozenset[str]:
        return frozenset()

    @property
    def driver(self) -> str:
        return ""

    def ended(self, drivers: Collection[str]) -> frozenset[str]:
        return frozenset()

    def cancel(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if isinstance(call, LocalCall):
                call.canceled.set()
                call.future.cancel()

    def works(self) -> bool:
        return True

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.join()


def _answered(value: Any) -> LocalCall:
    future: Future[tuple[Any, Any]] = Future()
    future.set_result((value, None))
    return LocalCall(future, threading.Event())
