"""What workers write about jobs: every write carries the lease's token, and is one compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import sqlalchemy as sa

from sgen_ray.errors import JobError
from sgen_ray.jobs.fairness import claim_order
from sgen_ray.jobs.opened import Opened
from sgen_ray.jobs.owner import actor_of, is_gone
from sgen_ray.jobs.records import Job, Lease, Progress, Reason, one_line
from sgen_ray.jobs.statements import NO_LEASE, ended, lost, progress_values, standings
from sgen_ray.jobs.states import RUNNING, TERMINAL, JobState, states_before
from sgen_ray.jobs.tables import job_of, jobs
from sgen_ray.jobs.tenants import shares_of


class ForWorkers(Opened):
    def claim(
        self, owner: str, *, models: Collection[str] | None = None, shares: Mapping[str, float] | None = None
    ) -> Job | None:
        """The next job for the worker `owner`, in state planning and with its lease; None: there is nothing to do.

        A job is queued, or was lost by its worker. Tenants take turns by `fairness.claim_order` and their `shares`,
        by default those that they were given; within a tenant the highest priority goes first, then the oldest.
        `models` are the fingerprints that it serves.
        """
        with self._db.write() as connection:
            now = self._clock()  # no earlier: what was submitted while this waited for the lock is no later
            free = sa.and_(
                sa.or_(jobs.c.state == JobState.QUEUED, sa.and_(lost(now), jobs.c.attempts < self.limits.attempts)),
                sa.not_(jobs.c.cancel_requested),
                sa.true() if models is None else jobs.c.model.in_(models),
            )
            self._refuse_strangers(connection)
            shares = shares_of(connection) if shares is None else shares
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
                    token=jobs.c.token + 1,
                    attempts=jobs.c.attempts + 1,
                    **self._claimed(owner, now),
                )
                assert row is not None
                return job_of(row)
        return None

    def take(self, job_id: str, owner: str) -> Job:
        """This very job, which waits or was lost by its worker, as `claim` gives it. A person asks for it, so that it
        does not matter how many workers lost it before.

        Raises:
            JobError: another works on it, or it is over.
        """
        now = self._clock()
        free = sa.or_(jobs.c.state == JobState.QUEUED, lost(now))
        with self._db.write() as connection:
            self._refuse_strangers(connection)
            row = self._update(
                connection,
                sa.and_(jobs.c.id == job_id, free, sa.not_(jobs.c.cancel_requested)),
                token=jobs.c.token + 1,
                attempts=1,
                **self._claimed(owner, now),
            )
            if row is not None:
                return job_of(row)
            job = self._get(connection, job_id, None)
        if job.cancel_requested and not job.over:
            raise JobError(f"{job_id} is about to be cancelled; make the film again with a new job")
        if job.lease is not None:
            raise JobError(
                f"{job_id} is being made by {job.lease.owner}; wait for it, or stop it with sgen cancel {job_id}"
            )
        raise JobError(f"{job_id} is {job.state}, so there is nothing to go on with")

    def reap(self, ended: Callable[[Collection[str]], Collection[str]] | None = None) -> int:
        """Ends the leases of workers that have died, so that nobody waits for these to run out; how many. Of this host,
        they are known by their processes; of others, where `ended` tells which of these actors of Ray have."""
        now = self._clock()
        here = sa.and_(jobs.c.lease_host == self._host.name, jobs.c.lease_boot == self._host.boot)
        held = sa.select(jobs.c.id, jobs.c.token, jobs.c.lease_owner, here.label("here")).where(
            jobs.c.state.in_(RUNNING), jobs.c.lease_expires > now, sa.true() if ended is not None else here
        )
        with self._db.read() as connection:
            rows = connection.execute(held).all()
        actors = {actor for row in rows if not row.here and (actor := actor_of(row.lease_owner)) is not None}
        gone = ended(actors) if ended is not None and actors else ()
        dead = [row for row in rows if (is_gone(row.lease_owner) if row.here else actor_of(row.lease_owner) in gone)]
        for row in dead:
            with self._db.write() as connection:
                same = sa.and_(jobs.c.id == row.id, jobs.c.token == row.token, jobs.c.state.in_(RUNNING))
                self._update(connection, same, told=False, lease_expires=now)
        return len(dead)

    def cancel_wanted(self, lease: Lease) -> bool:
        """Whether somebody wants the job to stop: a look that writes nothing. Raises LeaseLost."""
        with self._db.read() as connection:
            query = sa.select(jobs.c.state, jobs.c.token, jobs.c.cancel_requested).where(jobs.c.id == lease.job)
            found = connection.execute(query).first()
        return bool(self._held(lease, found).cancel_requested)

    def renew(self, lease: Lease, *, progress: Progress | None = None) -> Job:
        """The worker is alive: to be called several times in `limits.lease`. Look at `cancel_requested` of what it
        returns, and then stop and `confirm_cancel`."""
        return self._write(lease, None, **progress_values(progress))

    def advance(
        self,
        lease: Lease,
        state: JobState,
        *,
        plan: str | None = None,
        film: str | None = None,
        progress: Progress | None = None,
    ) -> Job:
        """On to rendering or stitching; or to awaiting_approval, which ends the lease. `plan`, `film`: fingerprints of
        what the job relies on from now on.

        Raises:
            JobError: this state does not follow the job's.
        """
        values = (
            progress_values(progress)
            | ({} if plan is None else {"plan": plan})
            | ({} if film is None else {"film": film})
        )
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
        named = {} if film is None else {"film": film}
        return self._end(lease, JobState.COMPLETED, result=dict(result), **named)

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
            told = state not in (None, JobState.PLANNING)  # which its claim has told
            row = self._update(connection, sa.and_(held, jobs.c.state.in_(before)), told, updated=now, **values)
            if row is not None:
                return job_of(row)
            found = connection.execute(sa.select(jobs.c.state, jobs.c.token).where(jobs.c.id == lease.job)).first()
        raise JobError(f"{lease.job} is {self._held(lease, found).state}, which {state} cannot follow")
