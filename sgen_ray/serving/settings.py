"""What a service is told when it starts: one frozen object, from the command line or a Serve config."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sgen_ray.jobs.database import database_url
from sgen_ray.paths import default_database, default_store


class Settings(BaseModel):
    """Plain values, so that it travels to every replica and reads from YAML as it is.

    Attributes:
        store, database: as everywhere; by default those of the command line.
        model: what a request gets that names none; models: what else may be asked for.
        films: how many films a worker process makes at once.
        metrics_token: the bearer token that GET /metrics wants; by default SGEN_METRICS_TOKEN, or none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str = Field(default_factory=default_store)
    database: str | None = Field(default_factory=default_database)
    model: str = "nano"
    models: tuple[str, ...] = ()
    films: int = Field(4, ge=1)
    metrics_token: str | None = Field(default_factory=lambda: os.environ.get("SGEN_METRICS_TOKEN") or None, repr=False)

    @property
    def url(self) -> str:
        """Of the database, as SQLAlchemy wants it."""
        return database_url(self.store, self.database)

    def store_of(self, tenant: str) -> str:
        """Where the artifacts of a tenant lie: nobody finds what another has made. "local" is the store itself."""
        if tenant == "local":
            return self.store
        return (
            f"{self.store.rstrip('/')}/tenants/{tenant}"
            if "://" in self.store
            else str(Path(self.store) / "tenants" / tenant)
        )
