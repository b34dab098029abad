"""What is to be delivered to webhooks when jobs come to a state, written in the transaction that brings them there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sgen_ray.jobs.records import new_id
from sgen_ray.jobs.states import JobState
from sgen_ray.jobs.tenant_tables import deliveries, webhook_endpoints

EVENTS = {
    JobState.COMPLETED: "video.completed",
    JobState.FAILED: "video.failed",
    JobState.CANCELLED: "video.failed",  # as the wire has it, where a cancelled video is a failed one
    JobState.AWAITING_APPROVAL: "video.awaiting_approval",
}
_KEPT = timedelta(days=30)


def announce(connection: sa.Connection, rows: Iterable[sa.Row[Any]], now: datetime) -> None:
    """Jobs have just come to the states that these rows tell: whoever wants to hear of it is to."""
    for row in rows:
        event = EVENTS.get(JobState(row.state))
        if event is None:
            continue
        of_tenant = webhook_endpoints.c.tenant == row.tenant
        for endpoint in connection.execute(sa.select(webhook_endpoints).where(of_tenant)).all():
            if event in endpoint.events:
                _announce(connection, endpoint.id, event, row.id, now)


def _announce(connection: sa.Connection, endpoint: str, event: str, job: str, now: datetime) -> None:
    old = sa.and_(deliveries.c.endpoint == endpoint, deliveries.c.over < now - _KEPT)
    connection.execute(sa.delete(deliveries).where(old))  # so that they are never more than a month's
    values = {"id": new_id(now, "evt"), "endpoint": endpoint, "event": event, "job": job, "created": now, "due": now}
    connection.execute(sa.insert(deliveries).values(values))
