"""GET /v1/videos/{id}/content: the finished film."""

from __future__ import annotations

from fastapi import APIRouter, Response

from sgen_ray.recorded import kept_film
from sgen_ray.serving.openapi import documented
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import By, In

router = APIRouter(prefix="/v1/videos", tags=["videos"])


@router.get("/{video_id}/content", response_class=Response, **documented())
def content(video_id: str, caller: By, service: In) -> Response:
    job = service.job(video_id, caller)
    film = None if job.film is None else kept_film(service.artifacts(caller.tenant), job.film)
    if film is None:
        raise Problem(409, f"the video is {job.state}; its content is there when it is completed", code="conflict")
    return Response(film, media_type="video/mp4")
