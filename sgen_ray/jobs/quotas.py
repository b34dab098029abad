"""Whether one more job may be submitted, and if not, when to ask again: a pure function of how things stand."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from sgen_ray.errors import QuotaExceeded
from sgen_ray.jobs.states import RUNNING, TERMINAL, JobState
from sgen_ray.jobs.tables import jobs
from sgen_ray.jobs.tenant_tables import usage
from sgen_ray.jobs.tenants import Tenant, tenant_of

LONGEST_WAIT = 3600
_TYPICAL = timedelta(seconds=60)
_LOOKED_AT = 20
_LOCK = 0x71756F74  # PostgreSQL's advisory locks are known by numbers; the migration's is another


@dataclass(frozen=True)
class Load:
    """What is to be known of a tenant, and of all of them, before one more job is let in.

    Attributes:
        open: jobs of the tenant that are not over; oldest_claim: of its jobs at work.
        today: seconds of film that it asked for since midnight, UTC.
        queued, running: jobs of all tenants.
        typical: how long a job was at work, of late.
    """

    open: int = 0
    oldest_claim: datetime | None = None
    today: float = 0.0
    queued: int = 0
    running: int = 0
    typical: timedelta = _TYPICAL


def refusal(tenant: Tenant, seconds: float, load: Load, max_queued: int | None, now: datetime) -> QuotaExceeded | None:
    """Why a film of so many seconds is not let in now, with the seconds after which to ask again; None: it is."""
    if tenant.seconds_a_day is not None and load.today + seconds > tenant.seconds_a_day:
        left = max(0.0, tenant.seconds_a_day - load.today)
        midnight = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
        return QuotaExceeded(
            f"{tenant.name} may make {tenant.seconds_a_day:g} s of film a day and has {left:g} s left; ask for a"
            " shorter film, or again after midnight UTC",
            code="daily_quota_exceeded",
            retry_after=max(1, math.ceil((midnight - now).total_seconds())),
        )
    if tenant.concurrent is not None and load.open >= tenant.concurrent:
        since = timedelta() if load.oldest_claim is None else now - load.oldest_claim
        return QuotaExceeded(
            f"{tenant.name} may have {tenant.concurrent} jobs at once and has {load.open}; wait for one of them, or"
            " cancel or approve one",
            code="concurrent_quota_exceeded",
            retry_after=_bounded(load.typical - since),
        )
    if max_queued is not None and load.queued >= max_queued:
        return QuotaExceeded(
            f"the queue is full: {load.queued} jobs wait; try again later",
            code="queue_full",
            retry_after=_bounded(load.typical / max(1, load.running)),
        )
    return None


def _bounded(wait: timedelta) -> int:
    return min(LONGEST_WAIT, max(1, math.ceil(wait.total_seconds())))


def admit(connection: sa.Connection, name: str, seconds: float, max_queued: int | None, now: datetime) -> None:
    """In the transaction of the submission, before it: two that race for the last place cannot both have it, as the
    second waits here (in SQLite at BEGIN) until the first is done.

    Raises:
        QuotaExceeded
    """
    tenant = tenant_of(connection, name)
    if tenant.concurrent is None and tenant.seconds_a_day is None and max_queued is None:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        tenant = tenant_of(connection, name)
    load = _load(connection, name, now)
    if refusal(tenant, seconds, load, max_queued, now) is not None:
        load = replace(load, typical=_typical(connection))
        refused = refusal(tenant, seconds, load, max_queued, now)
        assert refused is not None
        raise refused


def spend(connection: sa.Connection, name: str, seconds: float, now: datetime) -> None:
    """Writes down what the tenant asked for today."""
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    insert = make(usage).values(tenant=name, day=_day(now), seconds=seconds)
    more = {"seconds": usage.c.seconds + insert.excluded.seconds}
    connection.execute(insert.on_conflict_do_update(index_elements=["tenant", "day"], set_=more))


def _load(connection: sa.Connection, name: str, now: datetime) -> Load:
    open_, oldest = connection.execute(
        sa.select(sa.func.count(), sa.func.min(sa.case((jobs.c.state.in_(RUNNING), jobs.c.claimed)))).where(
            jobs.c.tenant == name, jobs.c.state.not_in(TERMINAL)
        )
    ).one()
    today = connection.scalar(sa.select(usage.c.seconds).where(usage.c.tenant == name, usage.c.day == _day(now)))
    waiting = [JobState.QUEUED, *RUNNING]
    counts: dict[str, int] = {
        state: count
        for state, count in connection.execute(
            sa.select(jobs.c.state, sa.func.count()).where(jobs.c.state.in_(waiting)).group_by(jobs.c.state)
        )
    }
    queued = counts.pop(JobState.QUEUED, 0)
    return Load(open_, oldest, today or 0.0, queued, sum(counts.values()))


def _typical(connection: sa.Connection) -> timedelta:
    query = sa.select(jobs.c.claimed, jobs.c.finished).where(
        jobs.c.state == JobState.COMPLETED, jobs.c.claimed.is_not(None)
    )
    took: list[timedelta] = [
        row.finished - row.claimed
        for row in connection.execute(query.order_by(jobs.c.id.desc()).limit(_LOOKED_AT))
        if row.finished > row.claimed
    ]
    return sum(took, timedelta()) / len(took) if took else _TYPICAL


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
