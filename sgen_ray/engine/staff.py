"""The workers of a pool, from hire to end: they load, are lent or free, and are cleared of jobs that are gone.

Who holds how many, and how many there are, is decided in `pool`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from sgen_ray.engine.calls import Call, Worker, WorkerDied
from sgen_ray.engine.messages import PoolSpec, Trouble
from sgen_ray.engine.policy import RetryPolicy
from sgen_ray.engine.runtime import Runtime
from sgen_ray.errors import EngineError, SgenError

CLEAR_WITHIN = 5.0
"""Seconds that a worker is given to end the calls of a job that is gone, before its process is ended."""


@dataclass(eq=False)
class Member:
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
    turn: int = 0  # how often it was cleared

    @property
    def ready(self) -> bool:
        return self.loading is None

    @property
    def free(self) -> bool:
        return self.ready and self.job is None and self.clearing is None


class Staff:
    """`failed`: by kind, why no worker of it can start, until `try_again`. Times are the caller's, in seconds."""

    def __init__(self, runtime: Runtime, spec: PoolSpec) -> None:
        self._runtime, self._spec = runtime, spec
        self._retry = RetryPolicy(attempts=1, deaths=spec.deaths)
        self._ids = itertools.count()
        self._deaths: dict[str, int] = {}
        self.members: list[Member] = []
        self.failed: dict[str, Exception] = {}

    def of(self, kind: str) -> Iterator[Member]:
        return (member for member in self.members if member.kind == kind)

    def staying(self, kind: str) -> Iterator[Member]:
        return (member for member in self.of(kind) if not member.leaving)

    def held(self, job: str) -> list[Member]:
        return [member for member in self.members if member.job == job]

    def ready(self, kind: str) -> int:
        return sum(member.ready for member in self.of(kind))

    def calls(self) -> list[Call]:
        """Loads and clearings under way."""
        calls = [call for member in self.members for call in (member.loading, member.clearing)]
        return [call for call in calls if call is not None]

    def hire(self, kind: str, now: float) -> None:
        spec = self._spec.kinds[kind]
        worker = self._runtime.start(spec.actor, spec.args, spec.demand)
        taken = {member.number for member in self.of(kind)}
        number = next(number for number in itertools.count() if number not in taken)
        self.members.append(Member(next(self._ids), number, kind, worker, worker.call("load"), now))

    def end(self, member: Member) -> None:
        member.worker.kill()
        self.members.remove(member)

    def release(self, member: Member, now: float) -> None:
        """Its job has given it back."""
        member.job, member.recalled, member.since = None, False, now
        if member.leaving:
            self.end(member)

    def clear(self, member: Member, now: float) -> None:
        """Stops what it still does for a job that is gone; it is free again when that has ended."""
        member.job, member.recalled = None, False
        member.turn += 1
        member.worker.abandon(member.turn)
        member.clearing, member.clear_by = member.worker.call("resume", member.turn), now + CLEAR_WITHIN

    def settle(self, now: float) -> list[Trouble]:
        """Takes the results of finished loads and clearings, and ends what does not stop; who died while loading."""
        waiting = self.calls()
        done = {id(call) for call in self._runtime.wait(waiting, 0)} if waiting else set()
        troubles = []
        for member in list(self.members):
            if member.loading is not None and id(member.loading) in done:
                troubles += self._loaded(member, member.loading, now)
            elif member.clearing is not None and id(member.clearing) in done:
                self._cleared(member, member.clearing, now)
            elif member.clearing is not None and now >= member.clear_by:
                self.end(member)
        return troubles

    def try_again(self) -> None:
        """Whatever was wrong may have been mended since."""
        self.failed.clear()
        self._deaths.clear()

    def look_for_drains(self) -> None:
        """Workers on machines that are about to go get nothing new."""
        nodes = self._runtime.draining()
        if not nodes:
            return
        for member in self.members:
            if not isinstance(member.node, str) and self._runtime.wait([member.node], 0):
                try:
                    member.node = str(member.node.result())
                except Exception:  # whoever holds it will find it dead
                    member.node = ""
            if member.node in nodes:
                member.leaving = True
        for member in list(self.members):
            if member.leaving and member.free:
                self.end(member)

    def _loaded(self, member: Member, call: Call, now: float) -> list[Trouble]:
        member.loading, member.since = None, now
        kind = member.kind
        try:
            call.result()
        except WorkerDied as death:
            self.end(member)
            deaths = self._deaths[kind] = self._deaths.get(kind, 0) + 1
            if not self._retry.replace(deaths):
                self.failed[kind] = EngineError(f"{deaths} {kind}s died one after another: {death}")
            return [Trouble(f"{kind} {member.number}", str(death))]
        except SgenError as error:
            self.end(member)
            self.failed[kind] = error
        except Exception as error:
            self.end(member)
            self.failed[kind] = EngineError(f"the {kind} cannot load its model: {_line(error)}")
        else:
            self._deaths[kind] = 0
            member.node = member.worker.node()
        return []

    def _cleared(self, member: Member, call: Call, now: float) -> None:
        try:
            call.result()
        except Exception:  # it died, or somebody ended it
            self.end(member)
        else:
            member.clearing = None
            self.release(member, now)


def _line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
