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
from collections.abc import Callable
from dataclasses import dataclass, field

from sgen_ray.engine.calls import Call
from sgen_ray.engine.messages import Granted, Held, JobSpec, Loss, Need, PoolSpec, Trouble, Wish, Workforce
from sgen_ray.engine.policy import Claim, Ledger, idle_too_long, shares, sizes
from sgen_ray.engine.runtime import Runtime
from sgen_ray.engine.staff import Member, Staff

LOOKS_EVERY = 1.0
"""Seconds between two looks at which machines are about to go, and which silent drivers have ended."""

SILENT = 1.0
"""Seconds without a word after which it is asked whether a driver has ended; one that lives speaks every 0.2 s."""

ARRIVAL = 10.0
"""Seconds that a new pool waits for the first word of the job that made it, which its process takes a while to hear."""


pools_here: weakref.WeakSet[Pool] = weakref.WeakSet()
"""Pools of this process that jobs share, for whoever wants to know how large they are."""


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
        self._lock = threading.RLock()
        self._staff = Staff(runtime, spec)
        self._arrivals = itertools.count()
        self._jobs: dict[str, _Job] = {}
        self._tenants, self._served = Ledger(), Ledger()
        self._wanted: dict[str, int] = {}
        self._limit = 0
        self._ceiling: int | None = None  # less than the limit where memory ran out
        self._retired = False
        self._told = self._looked = clock()
        self._used = self._told + ARRIVAL
        if spec.name:
            pools_here.add(self)

    # What jobs say.

    def sync(self, spec: JobSpec, wish: Wish) -> Granted:
        """A job's message; one that is not known joins by it."""
        with self._lock:
            now = self._clock()
            job = self._jobs.get(spec.id) or self._enter(spec, now)
            job.heard, job.needs = now, dict(wish.needs)
            for member in self._staff.held(spec.id):
                loss = next((loss for loss in wish.lost if loss.worker == member.id), None)
                if loss is not None:
                    self._lost(member, loss)
                elif member.id in wish.returned:
                    self._staff.release(member, now)
            self.tick()
            news, job.news = tuple(job.news), []
            return Granted(
                tuple(
                    Held(m.id, m.number, m.kind, m.worker, m.recalled or m.leaving) for m in self._staff.held(spec.id)
                ),
                {kind: self._staff.ready(kind) for kind in self._spec.kinds},
                {kind: error for kind, error in self._staff.failed.items() if not self._staff.ready(kind)},
                news,
            )

    def leave(self, job_id: str, returned: frozenset[int]) -> None:
        """The job is over. Workers that it does not return may still be at work for it, and are cleared."""
        with self._lock:
            now = self._clock()
            for member in self._staff.held(job_id):
                if member.id in returned:
                    self._staff.release(member, now)
                else:
                    self._staff.clear(member, now)
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
            for member in list(self._staff.members):
                if member.free:
                    self._staff.end(member)

    def end(self) -> None:
        """Nobody will ask it again: all of its workers go, at work or not."""
        with self._lock:
            for member in list(self._staff.members):
                self._staff.end(member)

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def over(self) -> bool:
        """Nobody uses it, and nobody will be slower without it."""
        with self._lock:
            patience = 0.0 if self._retired else self._spec.idle
            idle = self._clock() - self._used >= patience
            return not self._jobs and not self._staff.members and idle and not self._spec.least

    @property
    def ready(self) -> int:
        """Workers that have loaded their model, of all kinds."""
        with self._lock:
            return sum(member.ready for member in self._staff.members)

    def workforce(self) -> dict[str, Workforce]:
        """Its workers, by kind."""
        with self._lock:
            return {
                kind: Workforce(
                    self._wanted.get(kind, 0),
                    sum(member.ready for member in self._staff.of(kind)),
                    sum(member.job is not None for member in self._staff.of(kind)),
                )
                for kind in self._spec.kinds
            }

    def calls(self) -> list[Call]:
        """What ends of itself and changes what can be lent."""
        with self._lock:
            return self._staff.calls()

    # What it does.

    def tick(self) -> None:
        """To be called several times a second, and after each message."""
        with self._lock:
            now = self._clock()
            self._account(now)
            for trouble in self._staff.settle(now):
                self._say(trouble)
            looks = now - self._looked >= LOOKS_EVERY
            if looks:
                self._looked = now
                self._staff.look_for_drains()
            for job in self._abandoned(now, looks):
                self.leave(job.spec.id, frozenset())
            self._resize(now)
            for kind in self._spec.kinds:
                self._share_out(kind)

    def _enter(self, spec: JobSpec, now: float) -> _Job:
        job = self._jobs[spec.id] = _Job(spec, next(self._arrivals), now)
        self._tenants.enter(spec.tenant)
        self._served.enter(spec.id)
        self._staff.try_again()  # a new job is worth it, and only that
        self._retired = False
        if len(self._jobs) == 1:
            self._ceiling = None
        return job

    def _account(self, now: float) -> None:
        for member in self._staff.members:
            if member.job is not None and (job := self._jobs.get(member.job)) is not None:
                self._served.serve(job.spec.id, now - self._told, job.spec.weight)
                self._tenants.serve(job.spec.tenant, now - self._told, job.spec.share)
        self._told = now

    def _lost(self, member: Member, loss: Loss) -> None:
        if loss.out_of_memory and not self._spec.exclusive and member.kind == "renderer":
            self._ceiling = max(1, len(list(self._staff.of("renderer"))) - 1)
        self._staff.end(member)

    def _abandoned(self, now: float, asks: bool) -> list[_Job]:
        """Jobs whose drivers are gone: that is known, or their leases have run out."""
        silent = [job for job in self._jobs.values() if now - job.heard > SILENT]
        names = {job.spec.driver for job in silent if job.spec.driver} if asks else set()
        ended = self._runtime.ended(names) if names else frozenset()
        return [job for job in silent if now - job.heard > self._spec.lease or job.spec.driver in ended]

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
        present = {kind: len(list(self._staff.staying(kind))) for kind in self._spec.kinds}
        patience = 0.0 if self._retired else self._spec.idle
        for kind in self._spec.kinds:
            for member in list(self._staff.staying(kind)):
                if member.free and idle_too_long(now - member.since, patience, present[kind], soon[kind]):
                    self._staff.end(member)
                    present[kind] -= 1
        wanted = self._wanted = sizes(soon, present, limit, self._spec.exclusive)
        for kind in self._spec.kinds:
            surplus = present[kind] - wanted[kind]
            # First those that load or wait for room, then those without work: a busy one would have to end its window.
            order = sorted(self._staff.staying(kind), key=lambda m: (m.ready, not m.free, -m.id))
            for member in order[: max(0, surplus)]:
                member.leaving = True
                if member.job is None and member.clearing is None:
                    self._staff.end(member)
        room = self._limit_of_all(limit)
        for kind in self._spec.kinds:
            for _ in range(wanted[kind] - present[kind]):
                # A worker that still leaves takes up a GPU; one more would only wait for it, and so it may.
                if kind not in self._staff.failed and (room is None or len(self._staff.members) < room):
                    self._staff.hire(kind, now)

    def _limit_of_all(self, limit: int) -> int | None:
        return max(limit, self._limit) if self._spec.exclusive else None

    def _share_out(self, kind: str) -> None:
        """Lends free workers to those who hold fewer than their share, and recalls from others what is missing then."""
        usable = [member for member in self._staff.staying(kind) if member.ready and member.clearing is None]
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

    def _say(self, trouble: Trouble) -> None:
        for job in self._jobs.values():
            job.news.append(trouble)
