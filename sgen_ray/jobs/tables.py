"""The tables, as the newest migration leaves them (a test compares the two), and how rows become jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeEngine

from sgen_ray.jobs.records import Job, JobKind, Lease, Progress, Reason, request_from_json
from sgen_ray.jobs.states import JobState

SCHEMA = "0004"
"""The newest migration."""


class Utc(TypeDecorator[datetime]):
    """Times with their zone, always UTC. SQLite keeps none, so there they are stored as UTC and told so again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        assert value.tzinfo is not None, "times of jobs have a zone"
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Id(TypeDecorator[str]):
    """Compared to page through them: by their bytes, whatever the language of the database is. What people send as an
    id may have a NUL in it, which PostgreSQL takes in no text; with another letter it is unknown all the same."""

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return dialect.type_descriptor(String(32, collation="C" if dialect.name == "postgresql" else None))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


Id = _Id()
# What is not there is SQL's NULL, not JSON's null.
Json = JSON(none_as_null=True)

metadata = MetaData()
jobs = Table(
    "jobs",
    metadata,
    Column("id", Id),
    Column("tenant", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("parent", Id, ForeignKey("jobs.id", name="jobs_parent_of", ondelete="SET NULL")),
    Column("request", Json, nullable=False),
    Column("model", String(200)),
    Column("state", String(20), nullable=False),
    Column("created", Utc, nullable=False),
    Column("updated", Utc, nullable=False),
    Column("finished", Utc),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("weight", Float, nullable=False, server_default="1"),
    Column("approve", Boolean, nullable=False, server_default=false()),
    Column("phase", String(200), nullable=False),
    Column("windows_done", Integer, nullable=False, server_default="0"),
    Column("windows_total", Integer, nullable=False, server_default="0"),
    Column("plan", String(64)),
    Column("film", String(64)),
    Column("result", Json),
    Column("error_kind", String(50)),
    Column("error", Text),
    Column("cancel_requested", Boolean, nullable=False, server_default=false()),
    Column("lease_owner", String(200)),
    Column("lease_host", String(255)),
    Column("lease_boot", String(64)),
    Column("lease_expires", Utc),
    Column("token", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claimed", Utc),
    Column("idempotency_key", String(255)),
    Column("request_hash", String(64), nullable=False),
    Column("held", String(64)),
    Column("output", Text),
    Column("engine", Json),
    Column("events", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("id", name="jobs_key"),
    UniqueConstraint("tenant", "idempotency_key", name="jobs_idempotency"),
    Index("jobs_state", "state", "tenant"),
    Index("jobs_claimed", "tenant", "claimed"),
    Index("jobs_parent", "parent"),
)

flights = Table(
    "flights",
    metadata,
    Column("name", String(100)),
    Column("job", Id, ForeignKey("jobs.id", name="flights_job", ondelete="CASCADE")),
    Column("token", Integer, nullable=False),
    Column("expires", Utc),
    PrimaryKeyConstraint("name", name="flights_key"),
    Index("flights_of_job", "job"),
)

events = Table(
    "events",
    metadata,
    Column("job", Id, ForeignKey("jobs.id", name="events_job", ondelete="CASCADE")),
    Column("number", Integer),
    Column("type", String(20), nullable=False),
    Column("at", Utc, nullable=False),
    Column("data", Json, nullable=False),
    PrimaryKeyConstraint("job", "number", name="events_key"),
)


def job_of(row: Row[Any]) -> Job:
    r = row._mapping
    held = r["lease_owner"] is not None
    return Job(
        id=r["id"],
        tenant=r["tenant"],
        kind=JobKind(r["kind"]),
        parent=r["parent"],
        request=request_from_json(r["request"]),
        model=r["model"],
        state=JobState(r["state"]),
        created=r["created"],
        updated=r["updated"],
        finished=r["finished"],
        priority=r["priority"],
        weight=r["weight"],
        approve=r["approve"],
        progress=Progress(r["phase"], r["windows_done"], r["windows_total"]),
        plan=r["plan"],
        film=r["film"],
        result=r["result"],
        error=None if r["error_kind"] is None else Reason(r["error_kind"], r["error"]),
        cancel_requested=r["cancel_requested"],
        lease=Lease(r["id"], r["token"], r["lease_owner"], r["lease_expires"]) if held else None,
        attempts=r["attempts"],
        idempotency_key=r["idempotency_key"],
        held=r["held"],
        output=r["output"],
        engine=r["engine"] or {},
    )
