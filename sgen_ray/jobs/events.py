"""What happened to each job, numbered from 1: for those who follow it now, and those who come later.

The record of a job counts its events, so an event gets its number by the same write that proves that its worker still
holds the job. Changes of state are told by the transactions that make them (`opened.Opened`), whoever makes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from sgen_ray.client.schema import Event
from sgen_ray.jobs.opened import Opened
from sgen_ray.jobs.records import Lease
from sgen_ray.jobs.states import RUNNING, JobState
from sgen_ray.jobs.tables import events, jobs

_AT_ONCE = 200


@dataclass(frozen=True)
class Standing:
    """Where a job is, and how many events it has."""

    state: JobState
    events: int


class ForEvents(Opened):
    def append(self, lease: Lease, happened: Sequence[Event]) -> None:
        """Events of the worker that holds the job; all or none. Their own numbers do not matter.

        Raises:
            LeaseLost: it does not hold it any more.
        """
        if not happened:
            return
        held = sa.and_(jobs.c.id == lease.job, jobs.c.token == lease.token, jobs.c.state.in_(RUNNING))
        count = sa.update(jobs).where(held).values(events=jobs.c.events + len(happened)).returning(jobs.c.events)
        with self._db.write() as connection:
            last = connection.scalar(count)
            if last is not None:
                first = last - len(happened) + 1
                rows = [
                    {"job": lease.job, "number": first + place, "type": event.type, "data": event.data,
                     "at": datetime.fromtimestamp(event.at, UTC)}
                    for place, event in enumerate(happened)
                ]  # fmt: skip
                connection.execute(sa.insert(events), rows)
                return
            state = connection.scalar(sa.select(jobs.c.state).where(jobs.c.id == lease.job))
        raise self._lost(lease, state)

    def events(self, job: str, after: int = 0) -> list[Event]:
        """Those of a job with higher numbers than `after`, in order."""
        return self.events_of({job: after}).get(job, [])

    def events_of(self, after: Mapping[str, int]) -> dict[str, list[Event]]:
        """Of each job those with higher numbers than the one given, in order; jobs without any are left out."""
        found: dict[str, list[Event]] = {}
        with self._db.read() as connection:
            for some in _batches(after):
                newer = [sa.and_(events.c.job == job, events.c.number > after[job]) for job in some]
                query = sa.select(events).where(sa.or_(*newer)).order_by(events.c.job, events.c.number)
                for row in connection.execute(query):
                    found.setdefault(row.job, []).append(_event_of(row))
        return found

    def standings_of(self, ids: Collection[str]) -> dict[str, Standing]:
        """Without the jobs that are no more: one look at all that somebody follows."""
        found: dict[str, Standing] = {}
        with self._db.read() as connection:
            for some in _batches(ids):
                query = sa.select(jobs.c.id, jobs.c.state, jobs.c.events).where(jobs.c.id.in_(some))
                found |= {row.id: Standing(JobState(row.state), row.events) for row in connection.execute(query)}
        return found


def _event_of(row: sa.Row[Any]) -> Event:
    return Event(type=row.type, id=row.number, at=row.at.timestamp(), data=row.data)


def _batches(ids: Collection[str]) -> list[tuple[str, ...]]:
    wanted = sorted(ids)
    return [tuple(wanted[start : start + _AT_ONCE]) for start in range(0, len(wanted), _AT_ONCE)]
