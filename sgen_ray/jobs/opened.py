"""A database of jobs, opened by one process on one host: what `people` and `workers` both stand on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa

from sgen_ray.errors import DatabaseError, LeaseLost, UnknownJob
from sgen_ray.jobs.announce import announce
from sgen_ray.jobs.database import Database
from sgen_ray.jobs.host import Host, this_host
from sgen_ray.jobs.records import Job, Lease, Limits, one_line, utc_now
from sgen_ray.jobs.statements import of_tenant, state_event
from sgen_ray.jobs.states import RUNNING, JobState
from sgen_ray.jobs.tables import events, job_of, jobs


class Opened:
    """Args:
        url: as `database.database_url` gives it.
        store: where the artifacts are; a folder (not a URI) is taken to be on this host alone.
        clock: tells the time, in UTC.

    Raises:
        DatabaseError: it cannot be opened, or another host is at work in it with something that two cannot share.
    """

    def __init__(
        self,
        url: str,
        store: str,
        *,
        limits: Limits | None = None,
        clock: Callable[[], datetime] = utc_now,
        host: Host | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._clock = clock
        self._host = host or this_host()
        self._store = store
        self._db = Database(url)
        try:
            with self._db.read() as connection:
                self._refuse_strangers(connection)
        except DatabaseError:
            self.close()
            raise

    def close(self) -> None:
        """Ends connections that wait for their next use."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _claimed(self, owner: str, now: datetime) -> dict[str, Any]:
        """What a claim writes, but for token and attempts."""
        return {
            "state": JobState.PLANNING,
            "lease_owner": owner,
            "lease_host": self._host.name,
            "lease_boot": self._host.boot,
            "lease_expires": now + self.limits.lease,
            "claimed": now,
            "updated": now,
        }

    def _update(
        self, connection: sa.Connection, where: sa.ColumnElement[bool], told: bool = True, **values: Any
    ) -> sa.Row[Any] | None:
        """Of one job, where there is such a one."""
        rows = self._update_all(connection, where, told, **values)
        return rows[0] if rows else None

    def _update_all(
        self, connection: sa.Connection, where: sa.ColumnElement[bool], told: bool = True, **values: Any
    ) -> Sequence[sa.Row[Any]]:
        """told: people see the change, so it becomes an event in the same transaction, and none is missed. Everything
        that changes the state of a job goes through here; whoever waits for that is told."""
        if told:
            values["events"] = jobs.c.events + 1
        rows = connection.execute(sa.update(jobs).where(where).values(values).returning(*jobs.c)).all()
        if told and rows:
            connection.execute(sa.insert(events), [state_event(row) for row in rows])
        if "state" in values:
            announce(connection, rows, values["updated"])
        return rows

    def _get(self, connection: sa.Connection, job_id: str, tenant: str | None) -> Job:
        row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id, of_tenant(tenant))).first()
        if row is None:
            raise UnknownJob(f"there is no job {one_line(job_id, 40)}; list those that there are")
        return job_of(row)

    def _held(self, lease: Lease, found: Any) -> Any:
        """The row that was found of the job, with its state and token. Raises LeaseLost where its worker does not hold
        it any more."""
        if found is None or found.token != lease.token or found.state not in RUNNING:
            raise self._lost(lease, None if found is None else found.state)
        return found

    def _lost(self, lease: Lease, state: str | None) -> LeaseLost:
        became = "deleted" if state is None else state
        return LeaseLost(f"{lease.job} is {became} and no longer held by {lease.owner}, whose token was {lease.token}")

    def _refuse_strangers(self, connection: sa.Connection) -> None:
        if not self._db.sqlite and "://" in self._store:
            return
        elsewhere = sa.and_(
            jobs.c.state.in_(RUNNING),
            jobs.c.lease_expires > self._clock(),
            jobs.c.lease_host != self._host.name,
            sa.true() if not self._host.boot else jobs.c.lease_boot != self._host.boot,
        )
        other = connection.scalar(sa.select(jobs.c.lease_host).where(elsewhere).limit(1))
        if other is not None and self._db.sqlite:
            raise DatabaseError(
                f"{self._db.name} is in use by the host {other}, and SQLite serves one host only; use PostgreSQL,"
                f" or stop it and wait {self.limits.lease.total_seconds():.0f} s"
            )
        if other is not None:
            raise DatabaseError(
                f"{self._db.name} is in use by the host {other} too, but the store {self._store} is a folder of this"
                " host; use a store that both reach: s3://…, gs://…, or file:///… for a folder that they share"
            )
