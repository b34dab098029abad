"""The tables of tenants, beside those of jobs in the same database, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from sgen_ray.jobs.tables import Id, Json, Utc, metadata

# A tenant that has no row here is one all the same, without quotas; jobs name their tenants without a foreign key.
tenants = Table(
    "tenants",
    metadata,
    Column("name", String(200)),
    Column("share", Float, nullable=False, server_default="1"),
    Column("concurrent", Integer),
    Column("seconds_a_day", Float),
    Column("common", Boolean, nullable=False, server_default=false()),
    Column("created", Utc, nullable=False),
    PrimaryKeyConstraint("name", name="tenants_key"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Id),
    Column("tenant", String(200), ForeignKey("tenants.name", name="keys_tenant"), nullable=False),
    Column("name", String(200), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("prefix", String(20), nullable=False),
    Column("created", Utc, nullable=False),
    Column("last_used", Utc),
    Column("revoked", Utc),
    PrimaryKeyConstraint("id", name="keys_key"),
    UniqueConstraint("hash", name="keys_hash"),
)

# Of the day in UTC: kept apart from jobs, as a job that is deleted was made all the same.
usage = Table(
    "usage",
    metadata,
    Column("tenant", String(200)),
    Column("day", Date),
    Column("seconds", Float, nullable=False),
    PrimaryKeyConstraint("tenant", "day", name="usage_key"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(50)),
    Column("value", String(100), nullable=False),
    PrimaryKeyConstraint("name", name="secrets_key"),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", Id),
    Column("tenant", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Json, nullable=False),
    # In the clear: to sign, one needs the secret itself. Who reads the database can forge what this service sends.
    Column("secret", String(100), nullable=False),
    Column("created", Utc, nullable=False),
    PrimaryKeyConstraint("id", name="webhook_endpoints_key"),
    Index("webhook_endpoints_tenant", "tenant"),
)

# `due`: when it is to be tried next, or until when one that is being tried belongs to who tries it; NULL when over.
# `job` is no foreign key: that a film failed is still told when its job is deleted.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id),
    Column(
        "endpoint",
        Id,
        ForeignKey("webhook_endpoints.id", name="deliveries_endpoint", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("event", String(50), nullable=False),
    Column("job", Id, nullable=False),
    Column("created", Utc, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due", Utc),
    Column("over", Utc),
    Column("delivered", Boolean, nullable=False, server_default=false()),
    Column("answer", String(500)),
    PrimaryKeyConstraint("id", name="deliveries_key"),
    Index("deliveries_due", "due"),
    Index("deliveries_of_endpoint", "endpoint", "created"),
)
