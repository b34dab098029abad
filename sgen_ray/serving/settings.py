"""What a service is told when it starts: one frozen object, from the command line or a Serve config."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sgen_ray.errors import RequestError
from sgen_ray.jobs.database import database_url
from sgen_ray.paths import default_database, default_store
from sgen_ray.request import MAX_PROMPT, MAX_SECONDS


class Settings(BaseModel):
    """Plain values, so that it travels to every replica and reads from YAML as it is.

    Attributes:
        store, database: as everywhere; by default those of the command line.
        model: what a request gets that names none; models: what else may be asked for. A model in a folder is asked for
            by the folder's own name.
        replicas: processes that answer HTTP; workers: processes that make films; films: how many each makes at once.
        renderers: of one film at most; max_renderers: of all, where the cluster may grow; None: by the machine.
        max_seconds, max_prompt, max_shots: of a film, a prompt in characters, a storyboard.
        max_body_mib: of any request; max_picture_mib, max_picture_megapixels: of an uploaded picture.
        max_queue: jobs that may wait; more are refused until some are done.
        poll_after_ms: how soon clients are told to ask again.
        host: where the service listens.
        keys: whether requests need a key; "auto": unless it listens on loopback only. "off" elsewhere needs `insecure`.
        secret: signs the page's sessions and media URLs; by default SGEN_SECRET, or one that the database keeps.
        webhooks_private: they may go to private addresses, and by http.
        cors: origins whose pages may use the API with a key of their own, like "https://films.example".
        log_format: of log lines; log_file: where they go, else to standard error of each process (`telemetry.logs`).
        metrics_token: the bearer token that GET /metrics wants; by default SGEN_METRICS_TOKEN, or none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str = Field(default_factory=default_store)
    database: str | None = Field(default_factory=default_database)
    model: str = "nano"
    models: tuple[str, ...] = ()
    replicas: int = Field(1, ge=1)
    workers: int = Field(1, ge=1)
    films: int = Field(4, ge=1)
    renderers: int | None = Field(None, ge=1)
    max_renderers: int | None = Field(None, ge=1)
    max_seconds: float = Field(MAX_SECONDS, ge=1, le=MAX_SECONDS)
    max_prompt: int = Field(MAX_PROMPT, ge=1, le=MAX_PROMPT)
    max_shots: int = Field(100, ge=1)
    max_body_mib: float = Field(64, gt=0)
    max_picture_mib: float = Field(10, gt=0)
    max_picture_megapixels: float = Field(25, gt=0)
    max_queue: int = Field(1000, ge=1)
    poll_after_ms: int = Field(1000, ge=50)
    host: str = "127.0.0.1"
    keys: Literal["auto", "required", "off"] = "auto"
    insecure: bool = False
    secret: str | None = Field(default_factory=lambda: os.environ.get("SGEN_SECRET"), repr=False, min_length=32)
    webhooks_private: bool = False
    cors: tuple[str, ...] = ()

    log_format: Literal["text", "json"] | None = None
    log_file: str | None = None
    metrics_token: str | None = Field(default_factory=lambda: os.environ.get("SGEN_METRICS_TOKEN") or None, repr=False)

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

    @property
    def offered(self) -> dict[str, str]:
        """Models by the names that requests have for them; nothing else is ever looked for on disk."""
        return {Path(model).name: model for model in dict.fromkeys((self.model, *self.models))}


def settings_of(values: dict[str, Any]) -> Settings:
    """Settings from a Serve config or a command line. Raises RequestError, of one line, for what cannot be."""
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = f"; there are {', '.join(Settings.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise RequestError(f"the service's setting {name}: {first['msg']}{known}") from error
