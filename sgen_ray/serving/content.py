"""/v1/videos/{id}/content: the finished film, and its stills. From the store alone, so any replica has it."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from PIL import Image

from sgen_ray.engine.film import rejoin
from sgen_ray.errors import EngineError
from sgen_ray.jobs.artifacts import Artifacts, Reading
from sgen_ray.jobs.collect import picture_name
from sgen_ray.jobs.records import Job
from sgen_ray.jobs.states import JobState
from sgen_ray.media.stills import sprites, thumbnail
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.ranges import answer, stored
from sgen_ray.serving.service import By, In

router = APIRouter(prefix="/v1/videos", tags=["videos"])

Variant = Literal["video", "thumbnail", "spritesheet"]

_STILLS: dict[str, Callable[[Path], Image.Image]] = {"thumbnail": thumbnail, "spritesheet": sprites}
_making = threading.Lock()
"""One thing at a time is made in a process, and what others have just made is not made again."""


@router.head("/{video_id}/content", include_in_schema=False)
@router.get(
    "/{video_id}/content",
    response_class=Response,
    responses=stored("video/mp4", "image/jpeg"),
)
def content(video_id: str, request: Request, service: In, caller: By, variant: Variant = "video") -> Response:
    """The film as MP4; or as JPEG a picture of it, or up to 100 small ones side by side, ten in a row."""
    job = service.job(video_id, caller)
    artifacts = service.artifacts(job.tenant)
    if job.state is not JobState.COMPLETED:
        raise unfinished(job)
    if variant == "video":
        return answer(request, _film(artifacts, job), "video/mp4", f"{job.id}.mp4")
    name = picture_name(job.film or "", variant)
    reading = made(artifacts, name, lambda: _still(_film(artifacts, job), _STILLS[variant]))
    return answer(request, reading, "image/jpeg", f"{job.id}-{variant}.jpg")


def unfinished(job: Job) -> Problem:
    """What to say of a job that has no film."""
    if job.state is JobState.FAILED:
        reason = job.error.message if job.error else "it is not known why"
        return Problem(404, f"the video {job.id} failed: {reason}", code="video_failed")
    if job.state is JobState.CANCELLED:
        return Problem(404, f"the video {job.id} was cancelled; create it again", code="video_cancelled")
    state = str(job.state).replace("_", " ")
    return Problem(
        409,
        f"the video {job.id} is {state}; wait until its status is completed, or follow /v1/videos/{job.id}/events;"
        f" what is there already plays from /v1/videos/{job.id}/hls/film.m3u8",
        code="video_not_ready",
        headers={"Retry-After": "2"},
    )


def expired(job: Job) -> Problem:
    return Problem(
        404, f"what was made for {job.id} is no longer stored; create the video again to have it made", code="expired"
    )


def made(artifacts: Artifacts, name: str, make: Callable[[], bytes]) -> Reading:
    """The picture of that name, made now where it is not there."""
    if (reading := artifacts.open("picture", name)) is not None:
        return reading
    picture = make()
    artifacts.put("picture", name, picture)
    reading = artifacts.open("picture", name)
    assert reading is not None
    return reading


def _film(artifacts: Artifacts, job: Job) -> Reading:
    """The finished film; joined again where only its parts are there."""
    name = job.film or ""
    if (reading := artifacts.open("video", name)) is not None:
        return reading
    with _making, tempfile.TemporaryDirectory() as folder:
        if not artifacts.listed("video", name):
            path = Path(folder) / "film.mp4"
            try:
                rejoin(artifacts, name, path, job.model or "")
            except EngineError as error:
                raise expired(job) from error
            artifacts.put_file("video", name, path)
    reading = artifacts.open("video", name)
    assert reading is not None
    return reading


def _still(film: Reading, draw: Callable[[Path], Image.Image]) -> bytes:
    with _making, tempfile.TemporaryDirectory() as folder, film:
        path = Path(folder) / "film.mp4"
        with path.open("wb") as file:
            file.writelines(film.read(0, film.size))
        picture = BytesIO()
        draw(path).save(picture, format="JPEG", quality=85)
    return picture.getvalue()
