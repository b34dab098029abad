"""What to do next, decided by pure functions of what is known; `crew`, `pool` and benchmarks/simulator.py act on it.

Workers are shared by lease: a job holds a worker, gives it one call after another, and gives it back when it is
recalled, which takes effect between two windows. So the pool decides who holds how many, and each job in which order
its own tasks go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace

QUANTUM = 20.0
"""Seconds of a worker, for its weight, that a job may be ahead of others of its kind before it is the one to wait."""

RENDERERS_A_PLANNER = 8
"""Planning a film is a few percent of rendering it; one planner keeps up with many more renderers than that."""


@dataclass(frozen=True)
class RetryPolicy:
    """A task may be tried `attempts` times; `deaths` workers in a row may die while nothing gets finished."""

    attempts: int
    deaths: int

    def try_again(self, failures: int) -> bool:
        return failures < self.attempts

    def replace(self, deaths_in_a_row: int) -> bool:
        return deaths_in_a_row <= self.deaths

    def depth(self, depth: int, out_of_memory: bool) -> int:
        """Calls that a worker holds from now on: where memory ran out only the running one, as the arguments of those
        behind it take room too."""
        return 1 if out_of_memory else depth


def next_worker(loads: Sequence[int], queued: int, depth: int) -> int | None:
    """Which worker takes the next of `queued` tasks, by the number of calls that each holds; None: it waits.

    The least loaded, and no more than `depth` calls each. A call behind a running one saves its worker a pause between
    two, but near the end it would wait there while others have nothing to do; so with no more tasks queued than there
    are workers, only an idle one takes any.
    """
    if not loads or not queued:
        return None
    depth = depth if queued > len(loads) else 1
    worker = min(range(len(loads)), key=lambda index: (loads[index], index))
    return worker if loads[worker] < depth else None


# Who holds how many workers.


@dataclass(frozen=True, slots=True)
class Claim:
    """What one job asks for: `wants` workers now.

    Attributes:
        share, weight: of the tenant among tenants, and of the job among its tenant's.
        tenant_served, served: seconds of workers, each over its share or weight, that tenant and job had so far; see
            `Ledger`.
        arrival: rank in the order of arrival.
    """

    job: str
    tenant: str
    wants: int
    share: float = 1.0
    weight: float = 1.0
    tenant_served: float = 0.0
    served: float = 0.0
    arrival: int = 0


def shares(workers: int, claims: Iterable[Claim]) -> dict[str, int]:
    """How many workers each job is to hold, as far as they go round: first between tenants by share, then between a
    tenant's jobs by weight, and what one does not want goes to the others.

    One worker after another goes to whoever has the least for its share. Whoever was served more than others so far, by
    `QUANTUM` or more, counts as having one already; among equals, fewer quanta go first. So with more jobs than workers
    they take turns, and what does not divide evenly does so over time.
    """
    tenants: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.wants > 0:
            tenants.setdefault(claim.tenant, []).append(claim)
    wanted = {claim.job: claim.wants for group in tenants.values() for claim in group}
    if sum(wanted.values()) <= workers:
        return wanted
    given = dict.fromkeys(wanted, 0)
    least = min((group[0].tenant_served for group in tenants.values()), default=0.0)
    outside = []
    inside = {name: _by_service(group) for name, group in tenants.items()}
    for name, group in tenants.items():
        quanta = int((group[0].tenant_served - least) // QUANTUM)
        ahead = min(1, quanta)
        outside.append((ahead / group[0].share, quanta, min(claim.arrival for claim in group), name, ahead))
    heapify(outside)
    while workers > 0 and outside:
        _, quanta, order, name, got = outside[0]
        jobs = inside[name]
        _, behind, arrival, job, claim, has = jobs[0]
        given[job] += 1
        workers -= 1
        if given[job] < claim.wants:
            heapreplace(jobs, ((has + 1) / claim.weight, behind, arrival, job, claim, has + 1))
        else:
            heappop(jobs)
        if jobs:
            heapreplace(outside, ((got + 1) / claim.share, quanta, order, name, got + 1))
        else:
            heappop(outside)
    return given


def _by_service(group: Sequence[Claim]) -> list[tuple[float, int, int, str, Claim, int]]:
    """A heap of one tenant's jobs, the next to be given a worker first."""
    least = min(claim.served for claim in group)
    heap = []
    for claim in group:
        quanta = int((claim.served - least) // QUANTUM)
        ahead = min(1, quanta)
        heap.append((ahead / claim.weight, quanta, claim.arrival, claim.job, claim, ahead))
    heapify(heap)
    return heap


class Ledger:
    """Service that each member of a group had, over its weight. Whoever comes starts with those who had the least, so
    that nobody lives on having been away, nor pays for it."""

    def __init__(self) -> None:
        self._served: dict[str, float] = {}

    def enter(self, name: str) -> None:
        if name not in self._served:
            self._served[name] = min(self._served.values(), default=0.0)

    def leave(self, name: str) -> None:
        self._served.pop(name, None)

    def serve(self, name: str, seconds: float, weight: float) -> None:
        self._served[name] += seconds / weight

    def served(self, name: str) -> float:
        return self._served[name]


# How many workers there are.


def sizes(needs: Mapping[str, int], present: Mapping[str, int], limit: int, exclusive: bool) -> dict[str, int]:
    """How many planners and renderers there should be: what is needed, and what is warm as long as there is room.

    Args:
        needs: tasks of each kind that there are, or will be soon. Of other kinds there is what is needed.
        present: workers of each kind that are there or on their way.
        limit: renderers at most; where `exclusive`, each worker takes a GPU and planners count too.
    """
    planners = min(needs.get("planner", 0), max(1, limit // RENDERERS_A_PLANNER))
    room = limit - planners if exclusive else limit
    wanted = {**needs, "planner": planners, "renderer": max(0, min(needs.get("renderer", 0), room))}
    spare = room - wanted["renderer"]
    for kind in ("renderer", "planner"):
        warm = max(0, present.get(kind, 0) - wanted[kind])
        if exclusive or kind == "renderer":
            warm = min(warm, max(0, spare))
            spare -= warm
        wanted[kind] += warm
    return {kind: wanted[kind] for kind in {*needs, *present}}


def idle_too_long(idle: float, patience: float, present: int, needed: int) -> bool:
    """Whether a worker that had nothing to do for `idle` seconds may go, as far as to what is needed: to none."""
    return idle >= patience and present > needed
