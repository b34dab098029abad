"""What a service is told when it starts: one frozen object, from the command line or a Serve config."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sgen_ray.errors import RequestError
from sgen_ray.jobs.database import database_url
from sgen_ray.paths import default_database, default_store, tenant_store
from sgen_ray.request import MAX_PROMPT, MAX_SECONDS


class Settings(BaseModel):
    """Plain values, so that it travels to every replica and reads from YAML as it is.

    Attributes:
        store, database: as everywhere; by default those of the command line.
        model: what a request gets that names none; models: what else may be asked for. A model in a folder is asked for
            by the folder's own name.
        replicas: processes that answer HTTP; workers: processes that make films; films: how many each makes at once.
        renderers: of one film at most; max_renderers: of all, where the cluster may grow; None: by the machine.
        device: where models run; "auto" is a GPU for each renderer where there are some.
        max_seconds, max_prompt, max_shots: of a film, a prompt in characters, a storyboard.
        max_body_mib: of any request; max_picture_mib, max_picture_megapixels: of an uploaded picture.
        max_queue: jobs that may wait; more are refused until some are done.
        poll_after_ms: how soon clients are told to ask again.
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
    device: Literal["auto", "cpu", "cuda"] = "auto"
    max_seconds: float = Field(MAX_SECONDS, ge=1, le=MAX_SECONDS)
    max_prompt: int = Field(MAX_PROMPT, ge=1, le=MAX_PROMPT)
    max_shots: int = Field(100, ge=1)
    max_body_mib: float = Field(64, gt=0)
    max_picture_mib: float = Field(10, gt=0)
    max_picture_megapixels: float = Field(25, gt=0)
    max_queue: int = Field(1000, ge=1)
    poll_after_ms: int = Field(1000, ge=50)

    @property
    def url(self) -> str:
        """Of the database, as SQLAlchemy wants it."""
        return database_url(self.store, self.database)

    @property
    def offered(self) -> dict[str, str]:
        """Models by the names that requests have for them; nothing else is ever looked for on disk."""
        return {Path(model).name: model for model in dict.fromkeys((self.model, *self.models))}

    def store_of(self, tenant: str) -> str:
        """Where the artifacts of a tenant lie: nobody finds what another has made. "local" is the store itself."""
        return tenant_store(self.store, tenant)


def settings_of(values: dict[str, Any]) -> Settings:
    """Settings from a Serve config or a command line. Raises RequestError, of one line, for what cannot be."""
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        known = f"; there are {', '.join(Settings.model_fields)}" if first["type"] == "extra_forbidden" else ""
        raise RequestError(f"the service's setting {name}: {first['msg']}{known}") from error
