"""Parts of the statements that `Jobs` makes: conditions on a row, and the values that go together."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sgen_ray.jobs.fairness import Standing
from sgen_ray.jobs.records import Progress, Reason, one_line
from sgen_ray.jobs.states import RUNNING, TERMINAL, JobState
from sgen_ray.jobs.tables import jobs

MAX_NAME = 200
NO_LEASE = {"lease_owner": None, "lease_host": None, "lease_boot": None, "lease_expires": None}


def of_tenant(tenant: str | None) -> sa.ColumnElement[bool]:
    return sa.true() if tenant is None else jobs.c.tenant == tenant


def lost(now: datetime) -> sa.ColumnElement[bool]:
    """Its worker has not renewed its lease in time."""
    return sa.and_(jobs.c.state.in_(RUNNING), jobs.c.lease_expires <= now)


def ended(state: JobState, now: datetime, reason: Reason | None = None) -> dict[str, Any]:
    values: dict[str, Any] = {"state": state, "updated": now, "finished": now, **NO_LEASE}
    return values if reason is None else {**values, "error_kind": reason.kind, "error": reason.message}


def state_event(row: sa.Row[Any]) -> dict[str, Any]:
    """The event that tells how the job is now."""
    data: dict[str, Any] = {"state": row.state}
    if row.error_kind is not None:
        data["error"] = {"code": row.error_kind, "message": row.error}
    if row.cancel_requested and row.state not in TERMINAL:
        data["cancel_requested"] = True
    return {"job": row.id, "number": row.events, "type": "state", "at": row.updated, "data": data}


def progress_values(progress: Progress | None) -> dict[str, Any]:
    if progress is None:
        return {}
    return {
        "phase": one_line(progress.phase, MAX_NAME),
        "windows_done": progress.windows_done,
        "windows_total": progress.windows_total,
    }


def standings(connection: sa.Connection, free: sa.ColumnElement[bool], now: datetime) -> list[Standing]:
    at_work = sa.and_(jobs.c.state.in_(RUNNING), jobs.c.lease_expires > now)
    ever = jobs.alias("ever")
    last_claim = sa.select(sa.func.max(ever.c.claimed)).where(ever.c.tenant == jobs.c.tenant).scalar_subquery()
    oldest = sa.func.min(sa.case((free, jobs.c.created)))
    query = (
        sa.select(jobs.c.tenant, sa.func.count(sa.case((at_work, 1))), last_claim, oldest)
        .where(jobs.c.state.not_in(TERMINAL))
        .group_by(jobs.c.tenant)
        .having(oldest.is_not(None))
    )
    return [Standing(*row) for row in connection.execute(query)]
