"""Workers of one kind and the tasks they share: hands out, retries, replaces the dead, and knows when to give up."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sgen_ray.engine.actors import Status
from sgen_ray.engine.events import OnEvent, WorkerLost
from sgen_ray.engine.policy import RetryPolicy, next_worker
from sgen_ray.engine.runtime import Call, Runtime, Worker, WorkerDied
from sgen_ray.errors import Cancelled, EngineError, SgenError

TICK = 0.2
"""Seconds between two looks at what workers are doing."""


@dataclass(frozen=True)
class Task:
    """One call of a worker's method about window or segment `index`; lower priorities go first, then lower indices.

    Attributes:
        again: arguments for another try, where those of the first may be gone with a dead machine.
    """

    method: str
    index: int
    args: tuple[Any, ...] = ()
    priority: int = 0
    again: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class Done:
    """A finished task: `result` is its small value, `payload` a reference for other tasks."""

    task: Task
    result: Any
    payload: Any
    worker: int


@dataclass(eq=False)
class _Member:
    number: int
    worker: Worker
    loading: Call | None
    calls: dict[Call, Task] = field(default_factory=dict)
    asked: Call | None = None
    told: Status = field(default_factory=Status)
    gone: bool = False


class Crew:
    """`size` workers of one kind.

    Args:
        start: starts a worker; called again for each that died.
        depth: calls that a busy worker holds.
        timeout: seconds that tasks wait for a first worker to be ready.
    """

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        start: Callable[[], Worker],
        on_event: OnEvent,
        retry: RetryPolicy,
        *,
        size: int = 1,
        depth: int = 1,
        timeout: float = 300.0,
    ) -> None:
        self.name = name
        self._runtime, self._start, self._on_event, self._retry = runtime, start, on_event, retry
        self._depth, self._timeout = depth, timeout
        self._members: list[_Member] = []
        self._queue: list[tuple[int, int, int, Task]] = []
        self._ticket = itertools.count()
        self._failures: dict[tuple[str, int], int] = {}
        self._deaths = 0
        self._waiting_since = time.monotonic()
        for number in range(size):
            self._hire(number)

    @property
    def ready(self) -> int:
        """Workers that have loaded their model."""
        return sum(member.loading is None and not member.gone for member in self._members)

    @property
    def unfinished(self) -> int:
        """Tasks that wait or run."""
        return len(self._queue) + sum(len(member.calls) for member in self._members)

    def submit(self, *tasks: Task) -> None:
        for task in tasks:
            heapq.heappush(self._queue, (task.priority, task.index, next(self._ticket), task))

    def dispatch(self) -> None:
        """Hands tasks to workers that are ready for them.

        Raises:
            EngineError: no worker could start for too long.
        """
        while self._queue:
            free = [member for member in self._members if member.loading is None and not member.gone]
            chosen = next_worker([len(member.calls) for member in free], len(self._queue), self._depth)
            if chosen is None:
                break
            task = heapq.heappop(self._queue)[-1]
            free[chosen].calls[free[chosen].worker.call(task.method, *task.args)] = task
        if self.ready or not self._queue:
            self._waiting_since = time.monotonic()
        elif time.monotonic() - self._waiting_since > self._timeout:
            raise EngineError(
                f"no {self.name} became ready within {self._timeout:g} s; see whether the cluster has room for one"
            )

    def calls(self) -> list[Call]:
        """Everything under way, oldest first by worker."""
        loading = [member.loading for member in self._members if member.loading is not None]
        return [*loading, *(call for member in self._members for call in member.calls)]

    def settle(self, call: Call) -> Done | None:
        """Takes the result of a finished call, if it is one of this crew's; a failed one is queued again.

        Raises:
            EngineError: it failed for good.
            SgenError: the worker said what a person must mend; trying again would not help.
        """
        for member in self._members:
            if call is member.loading:
                self._loaded(member, call)
                return None
            if call in member.calls:
                return self._finished(member, call)
        return None

    def statuses(self) -> Iterator[tuple[int, Status]]:
        """What has changed at busy workers since the last look: (worker, status)."""
        busy = [member for member in self._members if member.calls and not member.gone]
        for member in busy:
            if member.asked is None:
                member.asked = member.worker.status()
        for member in busy:
            # An answer takes some milliseconds; one that is late is read at the next look.
            if member.asked is None or not self._runtime.wait([member.asked], 0.01):
                continue
            asked, member.asked = member.asked, None
            try:
                status = asked.result()
            except Exception:  # its running call will tell what is wrong
                continue
            under_way = {(task.method, task.index) for task in member.calls.values()}
            if status != member.told and (status.method, status.index) in under_way:
                member.told = status
                yield member.number, status

    def close(self) -> None:
        for member in self._members:
            member.worker.kill()
        self._members.clear()
        self._queue.clear()

    def _hire(self, number: int) -> None:
        worker = self._start()
        self._members.append(_Member(number, worker, worker.call("load")))

    def _loaded(self, member: _Member, call: Call) -> None:
        try:
            call.result()
        except WorkerDied as death:
            self._bury(member, "loading", death)
        except (SgenError, Cancelled):
            raise
        except Exception as error:
            raise EngineError(f"the {self.name} cannot load its model: {_line(error)}") from error
        else:
            member.loading = None

    def _finished(self, member: _Member, call: Call) -> Done | None:
        task = member.calls.pop(call)
        try:
            result = call.result()
        except WorkerDied as death:
            if member.gone:
                self.submit(task)
            else:
                # Calls run, and are settled, in the order they were made: the first to fail is the one that ran.
                self._again(task, death)
                self._bury(member, f"{task.method} {task.index}", death)
        except (SgenError, Cancelled):
            raise
        except Exception as error:
            self._again(task, error)
            self._on_event(WorkerLost(f"{self.name} {member.number}", f"{task.method} {task.index}", _line(error)))
        else:
            self._deaths = 0
            return Done(task, result, call.payload, member.number)
        finally:
            if member.gone and not member.calls:
                self._members.remove(member)
        return None

    def _again(self, task: Task, cause: Exception) -> None:
        """Queues a failed task once more, with its arguments for another try, or gives up."""
        name = (task.method, task.index)
        self._failures[name] = self._failures.get(name, 0) + 1
        if not self._retry.try_again(self._failures[name]):
            what = f"{task.method} {task.index}".strip()
            raise EngineError(f"{what} failed {self._failures[name]} times, the last: {_line(cause)}") from cause
        self.submit(task if task.again is None else replace(task, args=task.again))

    def _bury(self, member: _Member, work: str, death: WorkerDied) -> None:
        """Replaces a dead worker; it is forgotten when its last call was settled."""
        member.gone, member.loading = True, None
        if not member.calls and work == "loading":
            self._members.remove(member)
        self._deaths += 1
        self._on_event(WorkerLost(f"{self.name} {member.number}", work, str(death)))
        if not self._retry.replace(self._deaths):
            raise EngineError(f"{self._deaths} {self.name}s died one after another: {death}") from death
        self._hire(member.number)


def finished(runtime: Runtime, crews: Sequence[Crew], look: Callable[[], None]) -> Iterator[Done]:
    """Keeps the crews busy until no task is left, and gives back each finished one; more may be submitted meanwhile.

    `look` is called at least every `TICK` seconds. The interpreter is back here as often, so Ctrl-C is quick.
    """
    while any(crew.unfinished for crew in crews):
        for crew in crews:
            crew.dispatch()
        for call in runtime.wait([call for crew in crews for call in crew.calls()], TICK):
            for crew in crews:
                if (done := crew.settle(call)) is not None:
                    yield done
        look()


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
