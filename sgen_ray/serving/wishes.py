"""What a request's body says of a film, checked before it is ordered."""

from __future__ import annotations

import math
from typing import Any, overload

from sgen_ray.client import schema
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import Caller, Service
from sgen_ray.types import Shot


@overload
def said(prompt: str, service: Service, caller: Caller) -> str: ...
@overload
def said(prompt: str | None, service: Service, caller: Caller) -> str | None: ...
def said(prompt: str | None, service: Service, caller: Caller) -> str | None:
    """With what the @names of the caller's characters stand for."""
    return None if prompt is None else service.jobs.spoken(prompt, tenant=caller.tenant)


def shots_of(shots: list[schema.Shot] | None, service: Service, caller: Caller) -> tuple[Shot, ...]:
    most = service.settings.max_shots
    if shots is not None and not 0 < len(shots) <= most:
        raise Problem(400, f"a storyboard has 1 to {most} shots, not {len(shots)}", param="shots", code="invalid_value")
    return tuple(Shot(said(shot.prompt, service, caller), shot.seconds) for shot in shots or ())


def seconds_of(value: float | str | None) -> float | None:
    try:
        seconds = None if value is None else float(value)
    except ValueError as error:
        raise Problem(400, 'seconds is a number, like 60 or "60"', param="seconds", code="invalid_value") from error
    if seconds is not None and not math.isfinite(seconds):
        raise Problem(400, 'seconds is a number, like 60 or "60"', param="seconds", code="invalid_value")
    return seconds


def limits(service: Service) -> dict[str, Any]:
    return {"max_seconds": service.settings.max_seconds, "max_prompt": service.settings.max_prompt}
