"""Run by Alembic: migrates on the connection, and inside the transaction, that `database.Database` hands over."""

from alembic import context

from sgen_ray.jobs.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
)
context.run_migrations()
