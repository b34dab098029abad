"""The table of jobs. Written out, not taken from `tables.py`: that one goes on changing."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    key = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
    time = sa.DateTime(timezone=True)
    op.create_table(
        "jobs",
        sa.Column("id", key, nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("parent", key),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created", time, nullable=False),
        sa.Column("updated", time, nullable=False),
        sa.Column("finished", time),
        sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
        sa.Column("weight", sa.Float, nullable=False, server_default="1"),
        sa.Column("approve", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("phase", sa.String(200), nullable=False),
        sa.Column("windows_done", sa.Integer, nullable=False, server_default="0"),
        sa.Column("windows_total", sa.Integer, nullable=False, server_default="0"),
        sa.Column("plan", sa.String(64)),
        sa.Column("film", sa.String(64)),
        sa.Column("result", sa.JSON),
        sa.Column("error_kind", sa.String(50)),
        sa.Column("error", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("lease_owner", sa.String(200)),
        sa.Column("lease_host", sa.String(255)),
        sa.Column("lease_boot", sa.String(64)),
        sa.Column("lease_expires", time),
        sa.Column("token", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("claimed", time),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="jobs_key"),
        sa.ForeignKeyConstraint(["parent"], ["jobs.id"], name="jobs_parent_of", ondelete="SET NULL"),
        sa.UniqueConstraint("tenant", "idempotency_key", name="jobs_idempotency"),
    )
    op.create_index("jobs_state", "jobs", ["state", "tenant"])
    op.create_index("jobs_claimed", "jobs", ["tenant", "claimed"])
    op.create_index("jobs_parent", "jobs", ["parent"])
