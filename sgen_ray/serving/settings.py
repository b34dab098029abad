"""What a service is told when it starts: one frozen object, from the command line or a Serve config."""

from __future__ import annotations

import ipaddress
import os
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sgen_ray.jobs.database import database_url
from sgen_ray.jobs.stores import store_of
from sgen_ray.paths import default_database, default_store


class Settings(BaseModel):
    """Plain values, so that it travels to every replica and reads from YAML as it is.

    Attributes:
        store, database: as everywhere; by default those of the command line.
        model: what a request gets that names none; models: what else may be asked for.
        films: how many films a worker process makes at once.
        host: where the service listens.
        keys: whether requests need a key; "auto": unless it listens on loopback only. "off" elsewhere needs `insecure`.
        secret: signs the page's sessions and media URLs; by default SGEN_SECRET, or one that the database keeps.
        max_queued: jobs that may wait, of all tenants.
        webhooks_private: they may go to private addresses, and by http.
        cors: origins whose pages may use the API with a key of their own, like "https://films.example".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str = Field(default_factory=default_store)
    database: str | None = Field(default_factory=default_database)
    model: str = "nano"
    models: tuple[str, ...] = ()
    films: int = Field(4, ge=1)
    host: str = "127.0.0.1"
    keys: Literal["auto", "required", "off"] = "auto"
    insecure: bool = False
    secret: str | None = Field(default_factory=lambda: os.environ.get("SGEN_SECRET"), repr=False, min_length=32)
    max_queued: int | None = Field(1000, ge=1)
    webhooks_private: bool = False
    cors: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _no_open_house(self) -> Self:
        if self.keys == "off" and not self.loopback and not self.insecure:
            raise ValueError(
                f"without keys anybody who reaches {self.host} could make films and see all of them; leave keys on,"
                " listen on 127.0.0.1, or say insecure=true if something else keeps strangers out"
            )
        return self

    @property
    def loopback(self) -> bool:
        """Only this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def keys_wanted(self) -> bool:
        return self.keys == "required" or (self.keys == "auto" and not self.loopback)

    @property
    def url(self) -> str:
        """Of the database, as SQLAlchemy wants it."""
        return database_url(self.store, self.database)

    def store_of(self, tenant: str) -> str:
        """Where the artifacts of a tenant lie: nobody finds what another has made. "local" is the store itself."""
        return store_of(self.store, tenant)
