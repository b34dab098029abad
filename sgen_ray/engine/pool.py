"""The workers that jobs share: starts them, lends them, takes them back, replaces the dead, lets the idle go.

The same class serves one film in its own process and, in a detached actor (`controller`), all films of a cluster. It is
driven by the jobs' messages and by `tick`; what it decides it asks `policy`. A worker is held by one job at a time, so
that no fault in one job touches another. It keeps nothing that is not made again: jobs that a new pool does not know
are taken in with their next message.
"""

from __future__ import annotations

import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sgen_ray.engine.messages import Granted, Held, JobSpec, Loss, Need, PoolSpec, Trouble, Wish, Workforce
from sgen_ray.engine.policy import Claim, Ledger, RetryPolicy, idle_too_long, shares, sizes
from sgen_ray.engine.runtime import Call, Runtime, Worker, WorkerDied
from sgen_ray.errors import EngineError, SgenError

CLEAR_WITHIN = 5.0
"""Seconds that a worker is given to end the calls of a job that is gone, before its process is ended."""

DRAINS_EVERY = 1.0
"""Seconds between two looks at which machines are about to go."""


pools_here: weakref.WeakSet[Pool] = weakref.WeakSet()
"""Pools of this process that jobs share, for whoever wants to know how large they are."""


@dataclass(eq=False)
class _Member:
    id: int
    number: int
    kind: str
    worker: Worker
    loading: Call | None
    since: float  # when it became free
    job: str | None = None
    recalled: bool = False
    leaving: bool = False  # nothing new for it; ended when it is free
    node: Call | str = ""
    clearing: Call | None = None
    clear_by: float = 0.0

    @property
    def ready(self) -> bool:
        return self.loading is None

    @property
    def free(self) -> bool:
        return self.ready and self.job is None and self.clearing is None


@dataclass(eq=False)
class _Job:
    spec: JobSpec
    arrival: int
    heard: float
    needs: dict[str, Need] = field(default_factory=dict)
    news: list[Trouble] = field(default_factory=list)


class Pool:
    """Safe to use from several threads. `clock` gives seconds."""

    def __init__(self, runtime: Runtime, spec: PoolSpec, clock: Callable[[], float] = time.monotonic) -> None:
        self._runtime, self._spec, self._clock = runtime, spec, clock
        self._retry = RetryPolicy(attempts=1, deaths=spec.deaths)
        self._lock = threading.RLock()
        self._ids, self._arrivals = itertools.count(), itertools.count()
        self._members: list[_Member] = []
        self._jobs: dict[str, _Job] = {}
        self._tenants, self._served = Ledger(), Ledger()
        self._failed: dict[str, Exception] = {}
        self._deaths: dict[str, int] = {}
        self._wanted: dict[str, int] = {}
        self._limit = 0
        self._ceiling: int | None = None  # less than the limit where memory ran out
        self._retired = False
        self._told = self._looked = self._used = clock()
        if spec.name:
            pools_here.add(self)

    # What jobs say.

    def sync(self, spec: JobSpec, wish: Wish) -> Granted:
        """A job's message; one that is not known joins by it."""
        with self._lock:
            now = self._clock()
            job = self._jobs.get(spec.id) or self._enter(spec, now)
            job.heard, job.needs = now, dict(wish.needs)
            for member in self._held(spec.id):
                loss = next((loss for loss in wish.lost if loss.worker == member.id), None)
                if loss is not None:
                    self._lost(member, loss)
                elif member.id in wish.returned:
                    self._release(member, now)
            self.tick()
            news, job.news = tuple(job.news), []
            return Granted(
                tuple(Held(m.id, m.number, m.kind, m.worker, m.recalled or m.leaving) for m in self._held(spec.id)),
                {kind: sum(m.ready for m in self._of(kind)) for kind in self._spec.kinds},
                {kind: error for kind, error in self._failed.items() if not any(m.ready for m in self._of(kind))},
                news,
            )

    def leave(self, job_id: str, returned: frozenset[int]) -> None:
        """The job is over. Workers that it does not return may still be at work for it, and are cleared."""
        with self._lock:
            now = self._clock()
            for member in self._held(job_id):
                if member.id in returned:
                    self._release(member, now)
                else:
                    self._clear(member, now)
            if (job := self._jobs.pop(job_id, None)) is not None:
                self._served.leave(job_id)
                if all(other.spec.tenant != job.spec.tenant for other in self._jobs.values()):
                    self._tenants.leave(job.spec.tenant)
                self._used = now
            self.tick()

    def retire(self) -> None:
        """Another version has the room now: jobs that are here keep one worker of each kind until they are over."""
        with self._lock:
            self._retired = True
            self.tick()

    def make_room(self) -> None:
        """Another model needs the machines: workers without work go now."""
        with self._lock:
            for member in list(self._members):
                if member.free:
                    self._end(member)

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def over(self) -> bool:
        """Nobody uses it, and nobody will be slower without it."""
        with self._lock:
            patience = 0.0 if self._retired else self._spec.idle
            idle = self._clock() - self._used >= patience
            return not self._jobs and not self._members and idle and not self._spec.least

    @property
    def ready(self) -> int:
        """Workers that have loaded their model, of all kinds."""
        with self._lock:
            return sum(member.ready for member in self._members)

    def workforce(self) -> dict[str, Workforce]:
        """Its workers, by kind."""
        with self._lock:
            return {
                kind: Workforce(
                    self._wanted.get(kind, 0),
                    sum(member.ready for member in self._of(kind)),
                    sum(member.job is not None for member in self._of(kind)),
                )
                for kind in self._spec.kinds
            }

    def calls(self) -> list[Call]:
        """What ends of itself and changes what can be lent."""
        with self._lock:
            calls = [call for member in self._members for call in (member.loading, member.clearing)]
            return [call for call in calls if call is not None]

    # What it does.

    def tick(self) -> None:
        """To be called several times a second, and after each message."""
        with self._lock:
            now = self._clock()
            self._account(now)
            self._settle(now)
            for job in list(self._jobs.values()):
                if now - job.heard > self._spec.lease:
                    self.leave(job.spec.id, frozenset())
            if now - self._looked >= DRAINS_EVERY:
                self._looked = now
                self._look_for_drains()
            self._resize(now)
            for kind in self._spec.kinds:
                self._share_out(kind)

    def _enter(self, spec: JobSpec, now: float) -> _Job:
        job = self._jobs[spec.id] = _Job(spec, next(self._arrivals), now)
        self._tenants.enter(spec.tenant)
        self._served.enter(spec.id)
        # Whatever was wrong may have been mended since: a new job is worth a new try, and only that.
        self._failed.clear()
        self._deaths.clear()
        self._retired = False
        if len(self._jobs) == 1:
            self._ceiling = None
        return job

    def _account(self, now: float) -> None:
        for member in self._members:
            if member.job is not None and (job := self._jobs.get(member.job)) is not None:
                self._served.serve(job.spec.id, now - self._told, job.spec.weight)
                self._tenants.serve(job.spec.tenant, now - self._told, job.spec.share)
        self._told = now

    def _settle(self, now: float) -> None:
        """Takes the results of finished loads and clearings, and ends what does not stop."""
        waiting = self.calls()
        done = {id(call) for call in self._runtime.wait(waiting, 0)} if waiting else set()
        for member in list(self._members):
            if member.loading is not None and id(member.loading) in done:
                self._loaded(member, member.loading, now)
            elif member.clearing is not None and id(member.clearing) in done:
                self._cleared(member, member.clearing, now)
            elif member.clearing is not None and now >= member.clear_by:
                self._end(member)

    def _loaded(self, member: _Member, call: Call, now: float) -> None:
        member.loading, member.since = None, now
        try:
            call.result()
        except WorkerDied as death:
            self._end(member)
            self._deaths[member.kind] = self._deaths.get(member.kind, 0) + 1
            self._say(Trouble(f"{member.kind} {member.number}", str(death)))
            if not self._retry.replace(self._deaths[member.kind]):
                self._failed[member.kind] = EngineError(
                    f"{self._deaths[member.kind]} {member.kind}s died one after another: {death}"
                )
        except SgenError as error:
            self._end(member)
            self._failed[member.kind] = error
        except Exception as error:
            self._end(member)
            self._failed[member.kind] = EngineError(f"the {member.kind} cannot load its model: {_line(error)}")
        else:
            self._deaths[member.kind] = 0
            member.node = member.worker.node()

    def _cleared(self, member: _Member, call: Call, now: float) -> None:
        try:
            call.result()
        except Exception:  # it died, or somebody ended it
            self._end(member)
        else:
            member.clearing = None
            self._release(member, now)

    def _release(self, member: _Member, now: float) -> None:
        member.job, member.recalled, member.since = None, False, now
        if member.leaving:
            self._end(member)

    def _clear(self, member: _Member, now: float) -> None:
        """Stops what it still does for a job that is gone; it is lent again when that has ended."""
        member.job, member.recalled = None, False
        member.worker.abandon()
        member.clearing, member.clear_by = member.worker.call("resume"), now + CLEAR_WITHIN

    def _lost(self, member: _Member, loss: Loss) -> None:
        if loss.out_of_memory and not self._spec.exclusive and member.kind == "renderer":
            self._ceiling = max(1, len(list(self._of("renderer"))) - 1)
        self._end(member)

    def _end(self, member: _Member) -> None:
        member.worker.kill()
        self._members.remove(member)

    def _look_for_drains(self) -> None:
        nodes = self._runtime.draining()
        if not nodes:
            return
        for member in self._members:
            if not isinstance(member.node, str) and self._runtime.wait([member.node], 0):
                try:
                    member.node = str(member.node.result())
                except Exception:  # whoever holds it will find it dead
                    member.node = ""
            if member.node in nodes:
                member.leaving = True
        for member in list(self._members):
            if member.leaving and member.free:
                self._end(member)

    def _resize(self, now: float) -> None:
        if self._jobs:
            self._limit = max(job.spec.limit for job in self._jobs.values())
        limit = self._limit if self._ceiling is None else min(self._limit, self._ceiling)
        soon = {
            kind: sum(need.soon for job in self._jobs.values() if (need := job.needs.get(kind)) is not None)
            for kind in self._spec.kinds
        }
        if "renderer" in soon:
            soon["renderer"] = max(soon["renderer"], self._spec.least)
            limit = max(limit, self._spec.least)
        if self._retired:
            limit, soon = 1, {kind: min(1, need) if self._jobs else 0 for kind, need in soon.items()}
        present = {kind: len(list(self._staying(kind))) for kind in self._spec.kinds}
        patience = 0.0 if self._retired else self._spec.idle
        for kind in self._spec.kinds:
            for member in list(self._staying(kind)):
                if member.free and idle_too_long(now - member.since, patience, present[kind], soon[kind]):
                    self._end(member)
                    present[kind] -= 1
        wanted = self._wanted = sizes(soon, present, limit, self._spec.exclusive)
        for kind in self._spec.kinds:
            surplus = present[kind] - wanted[kind]
            # First those without work, then those that load: a busy one would have to end its window.
            order = sorted(self._staying(kind), key=lambda m: (not m.free, m.ready, -m.id))
            for member in order[: max(0, surplus)]:
                member.leaving = True
                if member.job is None and member.clearing is None:
                    self._end(member)
        room = self._limit_of_all(limit)
        for kind in self._spec.kinds:
            for _ in range(wanted[kind] - present[kind]):
                # A worker that still leaves takes up a GPU; one more would only wait for it, and so it may.
                if kind not in self._failed and (room is None or len(self._members) < room):
                    self._hire(kind, now)

    def _limit_of_all(self, limit: int) -> int | None:
        return max(limit, self._limit) if self._spec.exclusive else None

    def _hire(self, kind: str, now: float) -> None:
        spec = self._spec.kinds[kind]
        worker = self._runtime.start(spec.actor, spec.args, spec.demand)
        taken = {member.number for member in self._of(kind)}
        number = next(number for number in itertools.count() if number not in taken)
        self._members.append(_Member(next(self._ids), number, kind, worker, worker.call("load"), now))

    def _share_out(self, kind: str) -> None:
        """Lends free workers to those who hold fewer than their share, and recalls from others what is missing then."""
        usable = [member for member in self._staying(kind) if member.ready and member.clearing is None]
        claims = []
        for job in self._jobs.values():
            spec, need = job.spec, job.needs.get(kind)
            if need is not None and need.now > 0:
                claims.append(
                    Claim(
                        spec.id, spec.tenant, need.now, spec.share, spec.weight,
                        self._tenants.served(spec.tenant), self._served.served(spec.id), job.arrival,
                    )
                )  # fmt: skip
        targets = shares(len(usable), claims)
        holds: dict[str, int] = {}
        for member in usable:
            member.recalled = False
            if member.job is not None:
                holds[member.job] = holds.get(member.job, 0) + 1
        free = [member for member in usable if member.job is None]
        missing = 0
        for name, target in targets.items():
            short = target - holds.get(name, 0)
            for member in free[: max(0, short)]:
                member.job = name
            missing += max(0, short - len(free))
            free = free[max(0, short) :]
        for member in reversed(usable):
            if missing and member.job is not None and holds.get(member.job, 0) > targets.get(member.job, 0):
                member.recalled = True
                holds[member.job] -= 1
                missing -= 1

    def _of(self, kind: str) -> Iterator[_Member]:
        return (member for member in self._members if member.kind == kind)

    def _staying(self, kind: str) -> Iterator[_Member]:
        return (member for member in self._of(kind) if not member.leaving)

    def _held(self, job_id: str) -> list[_Member]:
        return [member for member in self._members if member.job == job_id]

    def _say(self, trouble: Trouble) -> None:
        for job in self._jobs.values():
            job.news.append(trouble)


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
