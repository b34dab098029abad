"""What another process needs to go on with a job, and who makes which artifact just now."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    key = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
    op.add_column("jobs", sa.Column("held", sa.String(64)))
    op.add_column("jobs", sa.Column("output", sa.Text))
    op.add_column("jobs", sa.Column("engine", sa.JSON))
    op.create_table(
        "flights",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("job", key),
        sa.Column("token", sa.Integer, nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("name", name="flights_key"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="flights_job", ondelete="CASCADE"),
    )
    op.create_index("flights_of_job", "flights", ["job"])
