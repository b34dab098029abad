"""Characters that tenants keep by name."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    key = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
    op.create_table(
        "characters",
        sa.Column("id", key, nullable=False),
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="characters_key"),
        sa.UniqueConstraint("tenant", "name", name="characters_name"),
    )
