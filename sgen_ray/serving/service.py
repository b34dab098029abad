"""What every route stands on: database of jobs, the store of the caller's tenant, models. No state of its own."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Annotated

from fastapi import Depends, Request

from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Job, Limits, is_job
from sgen_ray.models.factory import load_factory
from sgen_ray.protocols import ModelFactory
from sgen_ray.serving.access import Access
from sgen_ray.serving.access import Caller as Caller
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.settings import Settings


class Service:
    """One a process. Methods of `jobs` block: routes that use them are plain functions, which run in threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(self.settings.url, self.settings.store, limits=Limits(queued=self.settings.max_queue))

    @cached_property
    def access(self) -> Access:
        return Access(self.settings, self.jobs)

    def artifacts(self, tenant: str) -> Artifacts:
        return Artifacts(self.jobs.store_of(tenant))

    def factory(self, model: str) -> ModelFactory:
        return _factory(model)

    def job(self, video_id: str, caller: Caller) -> Job:
        """The caller's job; a Problem 404 where there is none, or it is another tenant's."""
        if not is_job(video_id):  # nothing else ever reaches the database
            raise unknown()
        return self.jobs.get(video_id, tenant=caller.tenant)

    def model(self, name: str | None) -> str:
        """What `load_factory` is to be asked for, where a request asks for `name`."""
        offered = self.settings.offered
        if name is None:
            return self.settings.model
        if name not in offered:
            known = ", ".join(offered)
            raise Problem(
                400, f"there is no model {name[:80]!r}; there are: {known}", code="model_not_found", param="model"
            )
        return offered[name]


def unknown() -> Problem:
    return Problem(404, "there is no such video; GET /v1/videos lists yours", code="not_found", param="video_id")


@lru_cache
def _factory(model: str) -> ModelFactory:
    return load_factory(model)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _caller(request: Request) -> Caller:
    caller = request.state.caller = _service(request).access.caller(request)
    return caller


In = Annotated[Service, Depends(_service)]
By = Annotated[Caller, Depends(_caller)]
