"""Whom to tell when a job has come to a state: endpoints of tenants, and what is to be delivered to each.

A delivery is written in the transaction that changes the job's state, so that none is lost and none is made up. It is
due until it was delivered or given up; who tries it puts `due` off first, so that no other tries it meanwhile, and
whoever comes next may, should it die. So each arrives at least once, under one id.
"""

from __future__ import annotations

import base64
import secrets as random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sgen_ray.errors import JobError, UnknownJob
from sgen_ray.jobs.announce import EVENTS
from sgen_ray.jobs.opened import Opened
from sgen_ray.jobs.records import new_id, one_line
from sgen_ray.jobs.statements import MAX_NAME
from sgen_ray.jobs.tenant_tables import deliveries, webhook_endpoints

MOST = 10
"""Endpoints of a tenant."""

_ANSWER = 200


@dataclass(frozen=True)
class Endpoint:
    """Where a tenant wants to hear of `events`, each signed with the secret ("whsec_…")."""

    id: str
    tenant: str
    name: str
    url: str
    events: tuple[str, ...]
    secret: str
    created: datetime


@dataclass(frozen=True)
class Delivery:
    """`due`: when it is tried next; None: `delivered`, or given up. `answer`: to the last try, for people."""

    id: str
    endpoint: str
    event: str
    job: str
    created: datetime
    attempts: int
    due: datetime | None
    delivered: bool
    answer: str | None


class ForWebhooks(Opened):
    """`tenant` hides the endpoints of others, as if they did not exist; None sees all."""

    def add_endpoint(self, tenant: str, url: str, events: Iterable[str], name: str = "") -> Endpoint:
        """`url` was checked by who calls this. Raises JobError: there are too many, or no such event."""
        chosen = tuple(dict.fromkeys(events))
        known = set(EVENTS.values())
        if not chosen or not set(chosen) <= known:
            raise JobError(f"a webhook is for one or more of the events {', '.join(sorted(known))}")
        now = self._clock()
        values = {
            "id": new_id(now, "we"),
            "tenant": tenant,
            "name": one_line(name, MAX_NAME),
            "url": url,
            "events": list(chosen),
            "secret": "whsec_" + base64.b64encode(random.token_bytes(32)).decode(),
            "created": now,
        }
        of_tenant = webhook_endpoints.c.tenant == tenant
        with self._db.write() as connection:
            count = connection.scalar(sa.select(sa.func.count()).select_from(webhook_endpoints).where(of_tenant)) or 0
            if count >= MOST:
                raise JobError(f"{tenant} has {MOST} webhooks already; delete one first")
            row = connection.execute(sa.insert(webhook_endpoints).values(values).returning(*webhook_endpoints.c)).one()
        return _endpoint(row)

    def endpoints(self, tenant: str | None = None) -> tuple[Endpoint, ...]:
        """The newest first."""
        query = sa.select(webhook_endpoints).where(_of(tenant)).order_by(webhook_endpoints.c.id.desc())
        with self._db.read() as connection:
            return tuple(_endpoint(row) for row in connection.execute(query))

    def endpoint(self, endpoint_id: str, *, tenant: str | None = None) -> Endpoint:
        query = sa.select(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id, _of(tenant))
        with self._db.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise _unknown(endpoint_id)
        return _endpoint(row)

    def remove_endpoint(self, endpoint_id: str, *, tenant: str | None = None) -> None:
        """With all that was still to be delivered there."""
        query = sa.delete(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id, _of(tenant))
        with self._db.write() as connection:
            if not connection.execute(query).rowcount:
                raise _unknown(endpoint_id)

    def deliveries(self, endpoint_id: str, limit: int = 10) -> tuple[Delivery, ...]:
        """The newest first."""
        query = sa.select(deliveries).where(deliveries.c.endpoint == endpoint_id).order_by(deliveries.c.id.desc())
        with self._db.read() as connection:
            return tuple(_delivery(row) for row in connection.execute(query.limit(limit)))

    def take_deliveries(self, span: timedelta, limit: int = 20) -> tuple[tuple[Delivery, Endpoint], ...]:
        """What is due: the caller's for `span`, in which it is to say how each went. Nothing is written where nothing
        is due."""
        now = self._clock()
        due = sa.select(deliveries.c.id).where(deliveries.c.due <= now).order_by(deliveries.c.due).limit(limit)
        with self._db.read() as connection:
            if connection.scalar(due.limit(1)) is None:
                return ()
        with self._db.write() as connection:
            ids = connection.scalars(due.with_for_update(skip_locked=True)).all()
            mine = sa.update(deliveries).where(deliveries.c.id.in_(ids))
            rows = connection.execute(
                mine.values(due=now + span, attempts=deliveries.c.attempts + 1).returning(*deliveries.c)
            ).all()
            chosen = webhook_endpoints.c.id.in_({row.endpoint for row in rows})
            where = {row.id: _endpoint(row) for row in connection.execute(sa.select(webhook_endpoints).where(chosen))}
        return tuple((_delivery(row), where[row.endpoint]) for row in rows if row.endpoint in where)

    def delivered(self, delivery: Delivery, answer: str) -> None:
        self._tried(delivery, answer, due=None, over=self._clock(), delivered=True)

    def not_delivered(self, delivery: Delivery, answer: str, again: datetime | None) -> None:
        """`again`: when to try next; None: it is given up."""
        self._tried(delivery, answer, due=again, over=self._clock() if again is None else None)

    def _tried(self, delivery: Delivery, answer: str, **values: Any) -> None:
        same = sa.and_(deliveries.c.id == delivery.id, deliveries.c.attempts == delivery.attempts)
        with self._db.write() as connection:
            connection.execute(sa.update(deliveries).where(same).values(answer=one_line(answer, _ANSWER), **values))


def _of(tenant: str | None) -> sa.ColumnElement[bool]:
    return sa.true() if tenant is None else webhook_endpoints.c.tenant == tenant


def _unknown(endpoint_id: str) -> UnknownJob:
    return UnknownJob(f"there is no webhook {one_line(endpoint_id, 40)}; list those that there are")


def _endpoint(row: sa.Row[Any]) -> Endpoint:
    return Endpoint(row.id, row.tenant, row.name, row.url, tuple(row.events), row.secret, row.created)


def _delivery(row: sa.Row[Any]) -> Delivery:
    return Delivery(
        row.id, row.endpoint, row.event, row.job, row.created, row.attempts, row.due, row.delivered, row.answer
    )
