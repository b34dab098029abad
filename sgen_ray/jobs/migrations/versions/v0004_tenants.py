"""Tenants with their keys, quotas and webhooks, and secrets that all replicas of a service share."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    key = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
    time = sa.DateTime(timezone=True)
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("share", sa.Float, nullable=False, server_default="1"),
        sa.Column("concurrent", sa.Integer),
        sa.Column("seconds_a_day", sa.Float),
        sa.Column("common", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created", time, nullable=False),
        sa.PrimaryKeyConstraint("name", name="tenants_key"),
    )
    op.create_table(
        "keys",
        sa.Column("id", key, nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("prefix", sa.String(20), nullable=False),
        sa.Column("created", time, nullable=False),
        sa.Column("last_used", time),
        sa.Column("revoked", time),
        sa.PrimaryKeyConstraint("id", name="keys_key"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="keys_tenant"),
        sa.UniqueConstraint("hash", name="keys_hash"),
    )
    op.create_table(
        "usage",
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", name="usage_key"),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(50), nullable=False),
        sa.Column("value", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("name", name="secrets_key"),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", key, nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("secret", sa.String(100), nullable=False),
        sa.Column("created", time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="webhook_endpoints_key"),
    )
    op.create_index("webhook_endpoints_tenant", "webhook_endpoints", ["tenant"])
    op.create_table(
        "deliveries",
        sa.Column("id", key, nullable=False),
        sa.Column("endpoint", key, nullable=False),
        sa.Column("event", sa.String(50), nullable=False),
        sa.Column("job", key, nullable=False),
        sa.Column("created", time, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due", time),
        sa.Column("over", time),
        sa.Column("delivered", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("answer", sa.String(500)),
        sa.PrimaryKeyConstraint("id", name="deliveries_key"),
        sa.ForeignKeyConstraint(["endpoint"], ["webhook_endpoints.id"], name="deliveries_endpoint", ondelete="CASCADE"),
    )
    op.create_index("deliveries_due", "deliveries", ["due"])
    op.create_index("deliveries_of_endpoint", "deliveries", ["endpoint", "created"])
