"""The tasks of one job for one kind of workers: hands out, retries, and knows when to give up.

The workers are the pool's; `lease` brings and takes them.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sgen_ray.engine.actors import Status
from sgen_ray.engine.calls import Call, OutOfMemory, Worker, WorkerDied, WorkerTaken
from sgen_ray.engine.events import OnEvent, WorkerLost
from sgen_ray.engine.messages import Held, Loss, Need
from sgen_ray.engine.policy import RetryPolicy, next_worker
from sgen_ray.engine.runtime import Runtime
from sgen_ray.errors import Cancelled, EngineError, SgenError

TICK = 0.2
"""Seconds between two looks at what workers are doing."""
LOOK = 0.05
"""Seconds between two looks at whether to stop."""
QUESTIONS = 8
"""Workers that are asked at one look what they are doing. More than these take turns: each question costs a millisecond
here and there, and 64 workers would be asked 320 times a second."""


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
    id: int
    number: int
    worker: Worker
    calls: dict[Call, Task] = field(default_factory=dict)
    asked: Call | None = None
    told: Status = field(default_factory=Status)
    turn: int = 0  # the ticket of the last question to it
    recalled: bool = False  # to be given back when its running call has ended
    gone: bool = False  # dead, or not ours any more


class Crew:
    """Works on what it is given with `grant`, on `size` workers at most.

    Args:
        depth: calls that a busy worker holds.
        timeout: seconds that tasks wait for a first worker to be ready anywhere in the pool.
    """

    def __init__(
        self,
        name: str,
        runtime: Runtime,
        on_event: OnEvent,
        retry: RetryPolicy,
        *,
        size: int = 1,
        depth: int = 1,
        timeout: float = 300.0,
    ) -> None:
        self.name = name
        self.ready = 0
        """Workers in the pool that have loaded their model, whoever holds them."""
        self._runtime, self._on_event, self._retry = runtime, on_event, retry
        self._size, self._depth, self._timeout = size, depth, timeout
        self._members: list[_Member] = []
        self._lost: list[Loss] = []
        self._queue: list[tuple[int, int, int, Task]] = []
        self._ticket = itertools.count()
        self._failures: dict[tuple[str, int], int] = {}
        self._deaths = 0
        self._waiting_since = time.monotonic()

    @property
    def need(self) -> Need:
        """Workers that would have something to do now; and soon, until it is closed."""
        return Need(min(self.unfinished, self._size), self._size)

    def grant(self, held: Sequence[Held], ready: int) -> None:
        """All that the pool lends now; `ready`: how many of the kind it has that are ready, lent or not."""
        self.ready = ready
        lent = {item.id: item for item in held}
        for member in self._members:
            item = lent.pop(member.id, None)
            if item is None:
                member.gone = True
            elif item.recalled and not member.recalled:
                member.recalled = True
                self._runtime.cancel(list(member.calls)[1:])  # they have not begun, and go to another worker
            else:
                member.recalled = item.recalled
        self._members = [member for member in self._members if member.calls or not member.gone]
        self._members += [_Member(item.id, item.number, item.worker, recalled=item.recalled) for item in lent.values()]

    def returned(self) -> set[int]:
        """Workers that were recalled and have nothing to do any more; they are not ours from here on."""
        back = {member.id for member in self._members if member.recalled and not member.calls and not member.gone}
        self._members = [member for member in self._members if member.id not in back]
        return back

    def idle(self) -> set[int]:
        return {member.id for member in self._members if not member.calls and not member.gone}

    def lost(self) -> list[Loss]:
        """Workers that have died since the last look."""
        lost, self._lost = self._lost, []
        return lost

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
            usable = [member for member in self._members if not member.recalled and not member.gone]
            chosen = next_worker([len(member.calls) for member in usable], len(self._queue), self._depth)
            if chosen is None:
                break
            task = heapq.heappop(self._queue)[-1]
            usable[chosen].calls[usable[chosen].worker.call(task.method, *task.args)] = task
        if self.ready or not self._queue:
            self._waiting_since = time.monotonic()
        elif time.monotonic() - self._waiting_since > self._timeout:
            raise EngineError(
                f"no {self.name} became ready within {self._timeout:g} s; see whether the cluster has room for one"
            )

    def calls(self) -> list[Call]:
        """Everything under way, oldest first by worker."""
        return [call for member in self._members for call in member.calls]

    def has(self, call: Call) -> bool:
        return any(call in member.calls for member in self._members)

    def settle(self, call: Call) -> Done | None:
        """Takes the result of a finished call of this crew; a failed one is queued again.

        Raises:
            EngineError: it failed for good.
            SgenError: the worker said what a person must mend; trying again would not help.
        """
        return self._finished(next(member for member in self._members if call in member.calls), call)

    def statuses(self) -> Iterator[tuple[int, Status]]:
        """What has changed at busy workers since the last look: (worker, status)."""
        busy = [member for member in self._members if member.calls and not member.gone]
        silent = sorted((member for member in busy if member.asked is None), key=lambda member: member.turn)
        for member in silent[: max(0, QUESTIONS - len(busy) + len(silent))]:
            member.asked, member.turn = member.worker.status(), next(self._ticket)
        # An answer takes some milliseconds; one that is late is read at the next look.
        asked_for = [member.asked for member in busy if member.asked is not None]
        there = {id(call) for call in self._runtime.wait(asked_for, 0.01)} if asked_for else set()
        for member in busy:
            if member.asked is None or id(member.asked) not in there:
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
        """No more tasks will come: its workers are recalled."""
        self._size = 0
        self._queue.clear()
        for member in self._members:
            member.recalled = True

    def _finished(self, member: _Member, call: Call) -> Done | None:
        task = member.calls.pop(call)
        try:
            result = call.result()
        except WorkerDied as death:
            # Calls run, and are settled, in the order they were made: the first to fail is the one that ran.
            if member.gone or isinstance(death, WorkerTaken):
                self.submit(self._other(task))
            else:
                self._again(task, death)
            self._bury(member, f"{task.method} {task.index}", death)
        except Cancelled:  # not by us: the worker was recalled, or the pool took it back
            self.submit(self._other(task))
        except SgenError:
            raise
        except Exception as error:
            if "OutOfMemory" in type(error).__name__ or isinstance(error, MemoryError):
                self._depth = self._retry.depth(self._depth, out_of_memory=True)
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
        self.submit(self._other(task))

    def _other(self, task: Task) -> Task:
        """The task with its arguments for another try."""
        return task if task.again is None else replace(task, args=task.again)

    def _bury(self, member: _Member, work: str, death: WorkerDied) -> None:
        """Reports a dead worker, once; it is forgotten when its last call was settled."""
        if member.gone:
            return
        member.gone = True
        memory = isinstance(death, OutOfMemory)
        self._depth = self._retry.depth(self._depth, memory)
        self._lost.append(Loss(member.id, memory))
        self._on_event(WorkerLost(f"{self.name} {member.number}", work, str(death)))
        if isinstance(death, WorkerTaken):
            return
        self._deaths += 1
        if not self._retry.replace(self._deaths):
            raise EngineError(f"{self._deaths} {self.name}s died one after another: {death}") from death


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
