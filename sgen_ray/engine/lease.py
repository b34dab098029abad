"""A job's side of a pool: says what its crews need, hands them the workers that it is granted, and gives these back.

The pool may go away at any time; the job then says the same to a new one, and its tasks go on with other workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sgen_ray.engine.calls import Call, WorkerDied
from sgen_ray.engine.crew import LOOK, TICK, Crew, Done
from sgen_ray.engine.events import OnEvent, WorkerLost
from sgen_ray.engine.messages import Granted, JobSpec, Loss, Wish
from sgen_ray.engine.pool import Pool
from sgen_ray.engine.runtime import Link, Runtime
from sgen_ray.errors import EngineError, SgenError

PAUSE = 0.02
"""Seconds between two looks while there is nothing to wait for."""
PATIENCE = 60.0
"""Seconds in which a pool that went away must have been replaced."""


@dataclass(frozen=True)
class PoolHere:
    """A pool in this process."""

    pool: Pool

    def sync(self, job: JobSpec, wish: Wish) -> Granted:
        return self.pool.sync(job, wish)

    def leave(self, job: str, returned: frozenset[int]) -> None:
        self.pool.leave(job, returned)

    def calls(self) -> list[Call]:
        return self.pool.calls()


@dataclass(eq=False)
class Lease:
    """What one job holds of one pool; `crews` are by kind, and each has its workers from here."""

    link: Link
    job: JobSpec
    on_event: OnEvent
    crews: dict[str, Crew] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._asked: Call | None = None
        self._said: Wish | None = None
        self._due = 0.0
        self._silent_since: float | None = None
        self._returned: set[int] = set()  # until the pool has said that it knows
        self._lost: dict[int, Loss] = {}

    def poll(self) -> None:
        """Tells the pool what has changed, at least every `TICK`."""
        if self._asked is not None:
            return
        for crew in self.crews.values():
            self._returned |= crew.returned()
            self._lost |= {loss.worker: loss for loss in crew.lost()}
        needs = {kind: crew.need for kind, crew in self.crews.items()}
        wish = Wish(needs, frozenset(self._returned), tuple(self._lost.values()))
        now = time.monotonic()
        if now < self._due and (self._said is None or wish == self._said):
            return
        self._said, self._due = wish, now + TICK
        try:
            answer = self.link.sync(self.job, wish)
        except WorkerDied as death:
            self._gone(death)
            return
        if isinstance(answer, Granted):
            self._granted(answer)
        else:
            self._asked = answer

    def calls(self) -> Iterator[Call]:
        if self._asked is not None:
            yield self._asked
        yield from self.link.calls()

    def settle(self, call: Call) -> bool:
        """Takes the pool's answer, if this is it."""
        if call is not self._asked:
            return False
        self._asked = None
        try:
            answer: Granted = call.result()
        except WorkerDied as death:
            self._gone(death)
        else:
            self._granted(answer)
        return True

    def hurry(self) -> None:
        """Something has changed at the pool."""
        self._due = 0.0

    def close(self) -> None:
        """Gives everything back. What still works for this job is stopped by the pool."""
        for crew in self.crews.values():
            self._returned |= crew.returned() | crew.idle()
        self.link.leave(self.job.id, frozenset(self._returned))
        self.crews.clear()

    def _granted(self, answer: Granted) -> None:
        self._silent_since = None
        assert self._said is not None
        known = [held for held in answer.held if held.id not in self._returned and held.id not in self._lost]
        self._returned -= self._said.returned
        for loss in self._said.lost:
            self._lost.pop(loss.worker, None)
        for trouble in answer.news:
            self.on_event(WorkerLost(trouble.worker, "loading", trouble.cause))
        for kind, crew in self.crews.items():
            crew.grant([held for held in known if held.kind == kind], answer.ready.get(kind, 0))
            failure = answer.failed.get(kind)
            if failure is not None and crew.need.soon:
                if isinstance(failure, SgenError):
                    raise failure
                raise EngineError(str(failure)) from failure

    def _gone(self, death: WorkerDied) -> None:
        """The pool died, and its workers with it; a new one is made with the next message."""
        now = time.monotonic()
        self._silent_since = self._silent_since or now
        if now - self._silent_since > PATIENCE:
            raise EngineError(f"the pool of renderers went away and does not come back: {death}") from death
        self.on_event(WorkerLost("pool", "lending renderers", str(death)))
        self._returned.clear()
        self._lost.clear()
        self._said = None
        self._due = now + TICK  # not at once again: it may take a moment to be gone
        for crew in self.crews.values():
            crew.grant([], 0)


def finished(runtime: Runtime, leases: Sequence[Lease], look: Callable[[], None]) -> Iterator[Done]:
    """Keeps the crews busy until no task is left, and gives back each finished one; more may be submitted meanwhile.

    `look` is called at least every `LOOK` seconds. The interpreter is back here as often, so Ctrl-C is quick.
    """
    while any(crew.unfinished for lease in leases for crew in lease.crews.values()):
        for lease in leases:
            lease.poll()
        crews = [crew for lease in leases for crew in lease.crews.values()]
        for crew in crews:
            crew.dispatch()
        calls = [call for lease in leases for call in lease.calls()] + [call for crew in crews for call in crew.calls()]
        if not calls:  # nothing is granted yet, and the pool's answer was that
            time.sleep(PAUSE)
        for call in runtime.wait(calls, LOOK):
            owner = next((crew for crew in crews if crew.has(call)), None)
            if owner is not None:
                if (done := owner.settle(call)) is not None:
                    yield done
            elif not any(lease.settle(call) for lease in leases):
                for lease in leases:
                    lease.hurry()
        look()
