"""What people do with jobs: submit, look, cancel, approve, forget."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sgen_ray.errors import JobError, QuotaExceeded
from sgen_ray.jobs.fingerprints import fingerprint
from sgen_ray.jobs.opened import Opened
from sgen_ray.jobs.quotas import admit, spend
from sgen_ray.jobs.records import Job, JobKind, Page, References, new_id, request_to_json
from sgen_ray.jobs.statements import MAX_NAME, ended, lost, of_tenant, state_event
from sgen_ray.jobs.states import RUNNING, TERMINAL, JobState
from sgen_ray.jobs.tables import events, job_of, jobs
from sgen_ray.jobs.tenant_tables import tenants
from sgen_ray.paths import LOCAL
from sgen_ray.types import VideoRequest


class ForPeople(Opened):
    """`tenant` hides the jobs of others, as if they did not exist; None sees all."""

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
        plan: str | None = None,
        held: str | None = None,
        output: str | None = None,
        engine: Mapping[str, Any] | None = None,
        owner: str | None = None,
    ) -> Job:
        """A new job; or the one that was submitted under this key before, whatever has become of it.

        plan: of a plan that is there already, in the store. owner: the new job is this worker's at once, as if claimed.

        Raises:
            QuotaExceeded: the tenant has as much as it may, or the queue is full (`Limits.queued`).
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
            "request_hash": fingerprint([kind, parent, approve, wanted, plan, held]),
            "model": model,
            "state": JobState.QUEUED,
            "created": now,
            "updated": now,
            "priority": priority,
            "weight": weight,
            "approve": approve,
            "phase": "",
            "idempotency_key": idempotency_key,
            "plan": plan,
            "held": held,
            "output": output,
            "engine": dict(engine) if engine else None,
            "events": 1,
            **({} if owner is None else self._claimed(owner, now) | {"token": 1, "attempts": 1}),
        }
        # An update that changes nothing makes RETURNING tell the job that is already there.
        insert = (sqlite.insert if self._db.sqlite else postgresql.insert)(jobs).values(values)
        insert = insert.on_conflict_do_update(
            index_elements=["tenant", "idempotency_key"], set_={"tenant": jobs.c.tenant}
        )
        with self._db.write() as connection:
            if owner is not None:
                self._refuse_strangers(connection)
            if parent is not None:
                self._get(connection, parent, tenant)
            try:
                admit(connection, tenant, request.seconds, self.limits.queued, now)
            except QuotaExceeded:
                if not self._submitted(connection, tenant, idempotency_key):
                    raise
            row = connection.execute(insert.returning(*jobs.c)).one()
            if row.id == values["id"]:
                spend(connection, tenant, request.seconds, now)
                connection.execute(sa.insert(events), [state_event(row)])
        if row.request_hash != values["request_hash"]:
            raise JobError(
                f"the idempotency key {idempotency_key!r} belongs to {row.id}, which is another request; use a new key"
            )
        return job_of(row)

    def _submitted(self, connection: sa.Connection, tenant: str, key: str | None) -> bool:
        """Under this key of idempotency."""
        same = sa.and_(jobs.c.tenant == tenant, jobs.c.idempotency_key == key)
        return key is not None and connection.scalar(sa.select(jobs.c.id).where(same)) is not None

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
        oldest_first: bool = False,
    ) -> Page:
        """Newest first, if not told otherwise. The cursor is the last id seen: jobs that come and go neither repeat nor
        hide others."""
        order = jobs.c.id.asc() if oldest_first else jobs.c.id.desc()
        query = sa.select(jobs).where(of_tenant(tenant)).order_by(order).limit(limit + 1)
        if states is not None:
            query = query.where(jobs.c.state.in_(states))
        if cursor is not None:
            query = query.where(jobs.c.id > cursor if oldest_first else jobs.c.id < cursor)
        with self._db.read() as connection:
            found = [job_of(row) for row in connection.execute(query)]
        return Page(tuple(found[:limit]), found[limit - 1].id if len(found) > limit else None)

    def count(self, *, tenant: str | None = None) -> dict[JobState, int]:
        """How many jobs are in each state, also where there are none."""
        query = sa.select(jobs.c.state, sa.func.count()).where(of_tenant(tenant)).group_by(jobs.c.state)
        with self._db.read() as connection:
            found = {JobState(state): number for state, number in connection.execute(query)}
        return {state: found.get(state, 0) for state in JobState}

    def waiting_seconds(self) -> float:
        """How long the job that waits longest for a worker has done so; 0 where none waits."""
        query = sa.select(sa.func.min(jobs.c.updated)).where(jobs.c.state == JobState.QUEUED)
        with self._db.read() as connection:
            oldest: datetime | None = connection.scalar(query)
        return 0.0 if oldest is None else max(0.0, (self._clock() - oldest).total_seconds())

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

    def approve(
        self,
        job_id: str,
        *,
        request: VideoRequest | None = None,
        held: str | None = None,
        again: bool = False,
        tenant: str | None = None,
    ) -> Job:
        """Goes on to rendering, by way of the queue. Another `request` replaces the first, and is planned anew.

        held: of the artifact with what is kept of the first plan. again: the new plan waits for approval too.
        """
        now = self._clock()
        chosen = sa.and_(jobs.c.id == job_id, of_tenant(tenant), jobs.c.state == JobState.AWAITING_APPROVAL)
        replaced: dict[str, Any] = {}
        if request is not None:
            replaced = {"request": request_to_json(request), "plan": None, "held": held}
        with self._db.write() as connection:
            row = self._update(connection, chosen, state=JobState.QUEUED, approve=again, updated=now, **replaced)
            if row is not None:
                return job_of(row)
            job = self._get(connection, job_id, tenant)
        raise JobError(f"{job_id} is {job.state} and does not wait for approval")

    def delete(self, job_id: str, *, at_work: bool = False, tenant: str | None = None) -> None:
        """Forgets a job that is over. Jobs made from it remain, and its artifacts until they are collected.

        at_work: also one that is not over; a worker that has it learns by its next look that its lease is lost, and
        stops.
        """
        allowed = sa.true() if at_work else jobs.c.state.in_(TERMINAL)
        chosen = sa.and_(jobs.c.id == job_id, of_tenant(tenant), allowed)
        with self._db.write() as connection:
            if connection.execute(sa.delete(jobs).where(chosen)).rowcount:
                return
            job = self._get(connection, job_id, tenant)
        raise JobError(f"{job_id} is {job.state}; cancel it before deleting it")

    def forget(self, before: datetime) -> int:
        """Forgets all jobs that were over by then; how many."""
        chosen = sa.and_(jobs.c.state.in_(TERMINAL), jobs.c.finished < before)
        with self._db.write() as connection:
            return connection.execute(sa.delete(jobs).where(chosen)).rowcount

    def forgettable(self, before: datetime) -> frozenset[str]:
        """Those that `forget` would forget."""
        with self._db.read() as connection:
            query = sa.select(jobs.c.id).where(jobs.c.state.in_(TERMINAL), jobs.c.finished < before)
            return frozenset(connection.scalars(query))

    def references(self, without: Collection[str] = ()) -> dict[str, References]:
        """By tenant, artifacts that a job, over or not, still names; but for the jobs `without`. Tenants that use the
        common store are under the name of its own, "local"."""
        whose = sa.case((tenants.c.common, LOCAL), else_=jobs.c.tenant).label("tenant")
        query = sa.select(jobs.c.id, whose, jobs.c.plan, jobs.c.film, jobs.c.held).select_from(
            jobs.outerjoin(tenants, tenants.c.name == jobs.c.tenant)
        )
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        found: dict[str, list[Any]] = {}
        for row in rows:
            if row.id not in without:
                found.setdefault(row.tenant, []).append(row)
        return {
            tenant: References(
                frozenset(row.plan for row in kept if row.plan),
                frozenset(row.film for row in kept if row.film),
                frozenset(row.held for row in kept if row.held),
            )
            for tenant, kept in found.items()
        }
