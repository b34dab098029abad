"""/v1/models: what can be asked for."""

from __future__ import annotations

from fastapi import APIRouter

from sgen_ray.client import schema
from sgen_ray.serving.openapi import documented
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import By, In, Service

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", **documented())
def models(caller: By, service: In) -> schema.ModelList:
    """The models that videos can be made with; the first is taken where a request names none."""
    return schema.ModelList(data=[_model(name, service) for name in service.settings.offered])


@router.get("/{model}", **documented())
def model(model: str, caller: By, service: In) -> schema.Model:
    """One of them."""
    if model not in service.settings.offered:
        raise Problem(404, "there is no such model; GET /v1/models lists those that there are", code="model_not_found")
    return _model(model, service)


def _model(name: str, service: Service) -> schema.Model:
    factory = service.factory(service.settings.offered[name])
    grid = factory.grid
    return schema.Model(
        id=name,
        created=0,  # nobody knows
        owned_by="sgen-ray",
        size=f"{grid.width}x{grid.height}",
        fps=grid.fps,
        max_seconds=service.settings.max_seconds,
        known_words=list(dict.fromkeys(factory.known_words())),
    )
