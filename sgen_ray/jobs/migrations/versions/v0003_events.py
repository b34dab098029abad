"""What happened to each job, for those who follow it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    key = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
    op.add_column("jobs", sa.Column("events", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "events",
        sa.Column("job", key, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("type", sa.String(20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("job", "number", name="events_key"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="events_job", ondelete="CASCADE"),
    )
