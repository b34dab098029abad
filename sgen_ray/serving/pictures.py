"""/v1/videos/{id}/plan and /timeline: what was decided before anything was painted, and who painted what when."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from PIL import Image

from sgen_ray.engine.stored import find_preview
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.collect import picture_name
from sgen_ray.jobs.plan_file import plan_from_bytes
from sgen_ray.jobs.records import Job
from sgen_ray.media.sheets import filmstrip
from sgen_ray.media.timeline import timeline
from sgen_ray.serving.content import expired, made, unfinished
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.ranges import answer, stored
from sgen_ray.serving.reports import painted, planned
from sgen_ray.serving.service import By, In
from sgen_ray.types import Span

router = APIRouter(prefix="/v1/videos", tags=["videos"])

MOST = 120
"""Thumbnails of a filmstrip; of longer plans every second, third, ... one."""


@router.head("/{video_id}/plan", include_in_schema=False)
@router.get(
    "/{video_id}/plan",
    response_class=Response,
    responses=stored("image/png", "application/vnd.apache.arrow.file"),
)
def plan(video_id: str, request: Request, service: In, caller: By, format: Literal["png", "arrow"] = "png") -> Response:
    """The plan as a filmstrip, rows for each shot; or the Arrow file, which pyarrow, pandas and DuckDB read."""
    job = service.job(video_id, caller)
    artifacts = service.artifacts(job.tenant)
    reading = None if job.plan is None else artifacts.open("plan", job.plan)
    if job.plan is None or reading is None:
        raise expired(job) if job.over and job.plan is not None else unfinished(job)
    if format == "arrow":
        return answer(request, reading, "application/vnd.apache.arrow.file", f"{job.id}-plan.arrow")
    reading.close()
    strip = made(artifacts, picture_name(job.plan, "filmstrip"), lambda: _filmstrip(artifacts, job, job.plan or ""))
    return answer(request, strip, "image/png", f"{job.id}-plan.png")


@router.get("/{video_id}/timeline", response_class=Response, responses=stored("image/png"))
def painting(video_id: str, service: In, caller: By) -> Response:
    """Which renderer painted which window when, as far as it is."""
    job = service.job(video_id, caller)
    events = service.jobs.events(job.id)
    spans = [Span("plan", 0, 0, begin, end) for begin, end in planned(job, events)]
    spans += [Span("render", one.window, one.renderer, one.begin, one.end) for one in painted(events)]
    first = min((span.start for span in spans), default=0.0)  # not the time in the queue
    moved = [Span(span.phase, span.index, span.worker, span.start - first, span.stop - first) for span in spans]
    return Response(_png(timeline(moved, f"{job.id}: {job.state}")), media_type="image/png")


def _filmstrip(artifacts: Artifacts, job: Job, name: str) -> bytes:
    data, thumbnails = artifacts.get("plan", name), find_preview(artifacts, name)
    if data is None or thumbnails is None:
        raise Problem(
            404, f"the plan of {job.id} has no pictures; ?format=arrow gives what there is", code="no_filmstrip"
        )
    plan = plan_from_bytes(data)
    grid, every = plan.grid, -(-len(thumbnails) // MOST)
    starts = [-(-start // grid.semantic_stride // every) for start in plan.shot_starts]
    seconds = every * grid.frames_per_step / grid.fps
    shown = thumbnails[::every]
    return _png(filmstrip(shown, [shot.prompt for shot in plan.request.shots], starts, seconds))


def _png(picture: Image.Image) -> bytes:
    data = BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()
