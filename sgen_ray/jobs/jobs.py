"""The durable record of every job: what people ask for, and what workers may write about it.

Nothing here runs a job. A worker claims one and gets a lease; every write of its own carries the lease's token and is
one compare-and-set, refused by `LeaseLost` when another worker has claimed the job since. Call `expire` now and then:
with it every job ends, whoever dies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sgen_ray.errors import DatabaseError, JobError, LeaseLost, UnknownJob
from sgen_ray.jobs.database import Database
from sgen_ray.jobs.fairness import claim_order
from sgen_ray.jobs.fingerprints import fingerprint
from sgen_ray.jobs.host import Host, this_host
from sgen_ray.jobs.records import (
    Job,
    JobKind,
    Lease,
    Limits,
    Page,
    Progress,
    Reason,
    References,
    new_id,
    one_line,
    request_to_json,
    utc_now,
)
from sgen_ray.jobs.statements import MAX_NAME, NO_LEASE, ended, lost, of_tenant, progress_values, standings
from sgen_ray.jobs.states import RUNNING, TERMINAL, JobState, states_before
from sgen_ray.jobs.tables import job_of, jobs
from sgen_ray.types import VideoRequest


class Jobs:
    """The jobs in one database, for any number of threads and processes; each opens its own.

    Args:
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

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # What people do. `tenant` hides the jobs of others, as if they did not exist; None sees all.

    def submit(
        self,
        request: VideoRequest,
        *,
        tenant: str = "local",
        kind: JobKind = JobKind.GENERATE,
        parent: str | None = None,
        model: str | None = None,
        approve: bool = False,
        priority: int = 0,
        weight: float = 1.0,
        idempotency_key: str | None = None,
    ) -> Job:
        """A new job; or the one that was submitted under this key before, whatever has become of it.

        Raises:
            JobError: the key was used for another request, or an argument cannot be.
            UnknownJob: there is no such parent.
        """
        if not 0 < len(tenant) <= MAX_NAME:
            raise JobError(f"a tenant's name has 1 to {MAX_NAME} characters, not {len(tenant)}; choose another")
        if idempotency_key is not None and not 0 < len(idempotency_key) <= MAX_NAME:
            raise JobError(f"an idempotency key has 1 to {MAX_NAME} characters, not {len(idempotency_key)}")
        if not 0 < weight < float("inf"):
            raise JobError(f"a job's weight is a number above 0, not {weight}")
        now, wanted = self._clock(), request_to_json(request)
        values = {
            "id": new_id(now),
            "tenant": tenant,
            "kind": kind,
            "parent": parent,
            "request": wanted,
            "request_hash": fingerprint([kind, parent, approve, wanted]),
            "model": model,
            "state": JobState.QUEUED,
            "created": now,
            "updated": now,
            "priority": priority,
            "weight": weight,
            "approve": approve,
            "phase": "",
            "idempotency_key": idempotency_key,
        }
        # An update that changes nothing makes RETURNING tell the job that is already there.
        insert = (sqlite.insert if self._db.sqlite else postgresql.insert)(jobs).values(values)
        insert = insert.on_conflict_do_update(
            index_elements=["tenant", "idempotency_key"], set_={"tenant": jobs.c.tenant}
        )
        with self._db.write() as connection:
            if parent is not None:
                self._get(connection, parent, tenant)
            row = connection.execute(insert.returning(*jobs.c)).one()
        if row.request_hash != values["request_hash"]:
            raise JobError(
                f"the idempotency key {idempotency_key!r} belongs to {row.id}, which is another request; use a new key"
            )
        return job_of(row)

    def get(self, job_id: str, *, tenant: str | None = None) -> Job:
        with self._db.read() as connection:
            return self._get(connection, job_id, tenant)

    def list(
        self,
        *,
        tenant: str | None = None,
        states: Collection[JobState] | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Newest first. The cursor is the last id seen: jobs that come and go neither repeat nor hide others."""
        query = sa.select(jobs).where(of_tenant(tenant)).order_by(jobs.c.id.desc()).limit(limit + 1)
        if states is not None:
            query = query.where(jobs.c.state.in_(states))
        if cursor is not None:
            query = query.where(jobs.c.id < cursor)
        with self._db.read() as connection:
            found = [job_of(row) for row in connection.execute(query)]
        return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    def count(self, *, tenant: str | None = None) -> dict[JobState, int]:
        """How many jobs are in each state, also where there are none."""
        query = sa.select(jobs.c.state, sa.func.count()).where(of_tenant(tenant)).group_by(jobs.c.state)
        with self._db.read() as connection:
            found = {JobState(state): number for state, number in connection.execute(query)}
        return {state: found.get(state, 0) for state in JobState}

    def request_cancel(self, job_id: str, *, tenant: str | None = None) -> Job:
        """Cancelled at once where nobody works on it; else its worker is told by its next write.

        Raises:
            JobError: it has completed or failed.
        """
        now = self._clock()
        chosen = sa.and_(jobs.c.id == job_id, of_tenant(tenant))
        idle = sa.or_(jobs.c.state.in_([JobState.QUEUED, JobState.AWAITING_APPROVAL]), lost(now))
        with self._db.write() as connection:
            row = self._update(connection, sa.and_(chosen, idle), **ended(JobState.CANCELLED, now))
            if row is None:
                at_work = sa.and_(chosen, jobs.c.state.in_(RUNNING))
                row = self._update(connection, at_work, cancel_requested=True, updated=now)
            if row is not None:
                return job_of(row)
            job = self._get(connection, job_id, tenant)
        if job.state is not JobState.CANCELLED:
            raise JobError(f"{job_id} has {job.state} already; there is nothing to cancel")
        return job

    def approve(self, job_id: str, *, request: VideoRequest | None = None, tenant: str | None = None) -> Job:
        """Goes on to rendering, by way of the queue. Another `request` replaces the first, and is planned anew."""
        now = self._clock()
        chosen = sa.and_(jobs.c.id == job_id, of_tenant(tenant), jobs.c.state == JobState.AWAITING_APPROVAL)
        replaced = {} if request is None else {"request": request_to_json(request), "plan": None}
        with self._db.write() as connection:
            row = self._update(connection, chosen, state=JobState.QUEUED, approve=False, updated=now, **replaced)
            if row is not None:
                return job_of(row)
            job = self._get(connection, job_id, tenant)
        raise JobError(f"{job_id} is {job.state} and does not wait for approval")

    def delete(self, job_id: str, *, tenant: str | None = None) -> None:
        """Forgets a job that is over. Jobs made from it remain, and its artifacts until they are collected."""
        chosen = sa.and_(jobs.c.id == job_id, of_tenant(tenant), jobs.c.state.in_(TERMINAL))
        with self._db.write() as connection:
            if connection.execute(sa.delete(jobs).where(chosen)).rowcount:
                return
            job = self._get(connection, job_id, tenant)
        raise JobError(f"{job_id} is {job.state}; cancel it before deleting it")

    def references(self) -> References:
        """Plans and films that a job, over or not, still names."""
        with self._db.read() as connection:
            plans = connection.scalars(sa.select(jobs.c.plan).where(jobs.c.plan.is_not(None)).distinct())
            films = connection.scalars(sa.select(jobs.c.film).where(jobs.c.film.is_not(None)).distinct())
            return References(frozenset(plans), frozenset(films))

    # What workers do.

    def claim(
        self, owner: str, *, models: Collection[str] | None = None, shares: Mapping[str, float] | None = None
    ) -> Job | None:
        """The next job for the worker `owner`, in state planning and with its lease; None: there is nothing to do.

        A job is queued, or was lost by its worker. Tenants take turns by `fairness.claim_order` and their `shares`;
        within a tenant the highest priority goes first, then the oldest. `models` are the fingerprints that it serves.
        """
        now = self._clock()
        free = sa.and_(
            sa.or_(jobs.c.state == JobState.QUEUED, sa.and_(lost(now), jobs.c.attempts < self.limits.attempts)),
            sa.not_(jobs.c.cancel_requested),
            sa.true() if models is None else jobs.c.model.in_(models),
        )
        with self._db.write() as connection:
            self._refuse_strangers(connection)
            for tenant in claim_order(standings(connection, free, now), now, shares):
                next_job = (
                    sa.select(jobs.c.id)
                    .where(free, jobs.c.tenant == tenant)
                    .order_by(jobs.c.priority.desc(), jobs.c.created, jobs.c.id)
                    .limit(1)
                    .with_for_update(skip_locked=True)  # nothing in SQLite, where the transaction has the lock
                )
                job_id = connection.scalar(next_job)
                if job_id is None:  # other workers are taking this tenant's last ones
                    continue
                row = self._update(
                    connection,
                    jobs.c.id == job_id,
                    state=JobState.PLANNING,
                    token=jobs.c.token + 1,
                    attempts=jobs.c.attempts + 1,
                    lease_owner=owner,
                    lease_host=self._host.name,
                    lease_boot=self._host.boot,
                    lease_expires=now + self.limits.lease,
                    claimed=now,
                    updated=now,
                )
                assert row is not None
                return job_of(row)
        return None

    def renew(self, lease: Lease, *, progress: Progress | None = None) -> Job:
        """The worker is alive: to be called several times in `limits.lease`. Look at `cancel_requested` of what it
        returns, and then stop and `confirm_cancel`."""
        return self._write(lease, None, **progress_values(progress))

    def advance(
        self, lease: Lease, state: JobState, *, plan: str | None = None, progress: Progress | None = None
    ) -> Job:
        """On to rendering or stitching; or to awaiting_approval, which ends the lease. `plan`: its fingerprint.

        Raises:
            JobError: this state does not follow the job's.
        """
        values = progress_values(progress) | ({} if plan is None else {"plan": plan})
        if state is JobState.AWAITING_APPROVAL:
            values |= {"attempts": 0, **NO_LEASE}
        elif state not in RUNNING:
            raise JobError(f"a job does not advance to {state}; there is a call of its own for that")
        return self._write(lease, state, **values)

    def release(self, lease: Lease) -> Job:
        """Hands the job back to the queue, as a worker does that is asked to go: this was no failed attempt."""
        return self._write(lease, JobState.QUEUED, attempts=jobs.c.attempts - 1, **NO_LEASE)

    def complete(self, lease: Lease, result: Mapping[str, Any], *, film: str | None = None) -> Job:
        """`result` is plain JSON: where the film is, and its report. `film`: the fingerprint of its artifact."""
        return self._end(lease, JobState.COMPLETED, result=dict(result), film=film)

    def fail(self, lease: Lease, kind: str, message: str) -> Job:
        """`message` says what a person can do about it; of more than a line, one is made."""
        return self._end(lease, JobState.FAILED, error_kind=kind, error=one_line(message))

    def confirm_cancel(self, lease: Lease) -> Job:
        """The worker has stopped, as it was asked to."""
        return self._end(lease, JobState.CANCELLED)

    def expire(self) -> tuple[Job, ...]:
        """Ends what nobody will end otherwise, and returns it: plans that nobody approves, jobs that lost too many
        workers, jobs that were to be cancelled when their worker died."""
        now, limits = self._clock(), self.limits
        unapproved = sa.and_(jobs.c.state == JobState.AWAITING_APPROVAL, jobs.c.updated <= now - limits.approval)
        idle = sa.or_(jobs.c.state.in_([JobState.QUEUED, JobState.AWAITING_APPROVAL]), lost(now))
        too_late = Reason("approval_expired", f"nobody approved the plan within {limits.approval}; submit it again")
        too_often = Reason(
            "worker_lost",
            f"its worker stopped answering {limits.attempts} times; look into the workers' logs and submit it again",
        )
        cancelled, failed = JobState.CANCELLED, JobState.FAILED
        with self._db.write() as connection:
            rows = [
                *self._update_all(connection, sa.and_(idle, jobs.c.cancel_requested), **ended(cancelled, now)),
                *self._update_all(connection, unapproved, **ended(cancelled, now, too_late)),
                *self._update_all(
                    connection,
                    sa.and_(lost(now), jobs.c.attempts >= limits.attempts),
                    **ended(failed, now, too_often),
                ),
            ]
        return tuple(job_of(row) for row in rows)

    # How.

    def _end(self, lease: Lease, state: JobState, **values: Any) -> Job:
        assert state in TERMINAL
        return self._write(lease, state, **NO_LEASE, **values)

    def _write(self, lease: Lease, state: JobState | None, **values: Any) -> Job:
        """A worker's write: to `state`, or None: it stays, and the lease is renewed."""
        now = self._clock()
        before = RUNNING if state is None else RUNNING & states_before(state)
        if "lease_expires" not in values:
            values["lease_expires"] = now + self.limits.lease
        if state is not None:
            values["state"] = state
        if state in TERMINAL:
            values["finished"] = now
        held = sa.and_(jobs.c.id == lease.job, jobs.c.token == lease.token)
        with self._db.write() as connection:
            row = self._update(connection, sa.and_(held, jobs.c.state.in_(before)), updated=now, **values)
            if row is not None:
                return job_of(row)
            found = connection.execute(sa.select(jobs.c.state, jobs.c.token).where(jobs.c.id == lease.job)).first()
        if found is None or found.token != lease.token or found.state not in RUNNING:
            became = "deleted" if found is None else found.state
            raise LeaseLost(
                f"{lease.job} is {became} and no longer held by {lease.owner}, whose token was {lease.token}"
            )
        raise JobError(f"{lease.job} is {found.state}, which {state} cannot follow")

    def _update(self, connection: sa.Connection, where: sa.ColumnElement[bool], **values: Any) -> sa.Row[Any] | None:
        return connection.execute(sa.update(jobs).where(where).values(values).returning(*jobs.c)).first()

    def _update_all(
        self, connection: sa.Connection, where: sa.ColumnElement[bool], **values: Any
    ) -> Sequence[sa.Row[Any]]:
        return connection.execute(sa.update(jobs).where(where).values(values).returning(*jobs.c)).all()

    def _get(self, connection: sa.Connection, job_id: str, tenant: str | None) -> Job:
        row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id, of_tenant(tenant))).first()
        if row is None:
            raise UnknownJob(f"there is no job {one_line(job_id, 40)}; list those that there are")
        return job_of(row)

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
