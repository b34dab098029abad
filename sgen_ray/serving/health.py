"""/healthz: this process answers. /readyz: films can be asked for and will be made, or why not."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from sgen_ray.client import schema
from sgen_ray.errors import SgenError
from sgen_ray.jobs.presence import seen
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import In

router = APIRouter(tags=["health"])


class Ready(BaseModel):
    status: Literal["ready"] = "ready"
    films: int
    """How many films can be made at once, by workers that were seen lately."""


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


@router.get("/healthz")
async def healthz() -> Alive:
    """Whether this process answers."""
    return Alive()


@router.get("/readyz", responses={503: {"model": schema.ErrorAnswer, "description": "Not ready, and why"}})
def readyz(service: In) -> Ready:
    """Whether the database answers, the store can be read, and somebody makes films."""
    try:
        service.jobs.collecting()
    except SgenError as error:
        raise Problem(503, f"the database of jobs does not answer: {error}", code="database") from error
    try:
        films = seen(service.settings.store)
    except (OSError, ValueError) as error:
        raise Problem(503, f"the store cannot be read: {error}", code="store") from error
    if not films:
        raise Problem(503, "no worker that makes films was seen lately; films wait until there is one", code="workers")
    return Ready(films=films)
