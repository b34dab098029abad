"""What every route stands on: database of jobs, the store of the caller's tenant, models. No state of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Annotated

from fastapi import Depends, Request

from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.models.factory import load_factory
from sgen_ray.protocols import ModelFactory
from sgen_ray.serving.settings import Settings


@dataclass(frozen=True)
class Caller:
    """Who asks: a tenant, by a key of theirs where keys are wanted."""

    tenant: str = "local"
    key: str | None = None


class Service:
    """One a process. Methods of `jobs` block: routes that use them are plain functions, which run in threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(self.settings.url, self.settings.store)

    def artifacts(self, tenant: str) -> Artifacts:
        return Artifacts(self.settings.store_of(tenant))

    def factory(self, model: str) -> ModelFactory:
        return _factory(model)


@lru_cache
def _factory(model: str) -> ModelFactory:
    return load_factory(model)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _caller(request: Request) -> Caller:
    caller = request.state.caller = Caller()
    return caller


In = Annotated[Service, Depends(_service)]
By = Annotated[Caller, Depends(_caller)]
