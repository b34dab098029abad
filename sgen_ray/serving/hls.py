"""/v1/videos/{id}/hls: a film that plays while it is made, by any replica from the store alone.

The film's list of parts names its segments; the playlist has those from the beginning on that are stored, and each
fragment is made when it is asked for, in some milliseconds, without touching its pictures.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response

from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.manifest import Manifest, manifest_from_bytes
from sgen_ray.jobs.records import Job
from sgen_ray.jobs.states import JobState
from sgen_ray.media.live import INIT, PLAYLIST, Fragment, fragment, playlist
from sgen_ray.serving.content import expired, unfinished
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.ranges import stored
from sgen_ray.serving.service import By, In

router = APIRouter(prefix="/v1/videos/{video_id}/hls", tags=["videos"])


@router.get(
    f"/{PLAYLIST}",
    response_class=Response,
    responses=stored("application/vnd.apple.mpegurl"),
)
def film(video_id: str, request: Request, service: In, caller: By) -> Response:
    """The playlist (HLS, fragmented MP4): grows until the film is finished. The query is passed on to all in it."""
    job = service.job(video_id, caller)
    artifacts = service.artifacts(job.tenant)
    parts = _parts(artifacts, job)
    query = urlencode(parse_qsl(request.url.query))
    suffix = f"?{query}" if query else ""
    ready = _ready(artifacts, parts, whole=job.state is JobState.COMPLETED)
    fps = job.request.fps
    listed = [(f"{index}.m4s{suffix}", parts.frames[index] / fps) for index in range(ready) if parts.frames[index]]
    if not listed:
        raise expired(job) if job.state is JobState.COMPLETED else unfinished(job)
    ended = job.over or ready == len(parts.segments)
    text = playlist(listed, max(parts.frames) / fps, ended, INIT + suffix)
    return Response(text, media_type="application/vnd.apple.mpegurl", headers={"Cache-Control": "no-store"})


@router.get(f"/{INIT}", response_class=Response, responses=stored("video/mp4"))
def header(video_id: str, request: Request, service: In, caller: By) -> Response:
    """What players need before any segment."""
    job = service.job(video_id, caller)
    artifacts = service.artifacts(job.tenant)
    parts = _parts(artifacts, job)
    first = next(index for index, frames in enumerate(parts.frames) if frames)
    return _answer(request, job, "init", _fragment(artifacts, job, parts, first).header)


@router.get("/{number}.m4s", response_class=Response, responses=stored("video/mp4"))
def segment(video_id: str, number: int, request: Request, service: In, caller: By) -> Response:
    """One segment of the film, with its place in it."""
    job = service.job(video_id, caller)
    artifacts = service.artifacts(job.tenant)
    parts = _parts(artifacts, job)
    if not 0 <= number < len(parts.segments) or not parts.frames[number]:
        raise Problem(404, f"the video {job.id} has no segment {number}; read {PLAYLIST} again", code="not_found")
    return _answer(request, job, str(number), _fragment(artifacts, job, parts, number).media)


def _parts(artifacts: Artifacts, job: Job) -> Manifest:
    """Raises Problem where the film is not cut yet, or its list of parts is gone, or of an older version."""
    data = None if job.film is None else artifacts.get("film", job.film)
    if data is not None and (parts := manifest_from_bytes(data)).frames:
        return parts
    raise expired(job) if job.state is JobState.COMPLETED else unfinished(job)


def _ready(artifacts: Artifacts, parts: Manifest, whole: bool) -> int:
    """How many segments from the beginning on are stored."""
    if whole:
        return len(parts.segments)
    for index, name in enumerate(parts.segments):
        try:
            _seen(artifacts.uri, name)
        except _NotYet:
            return index
    return len(parts.segments)


class _NotYet(Exception):
    pass


@lru_cache(maxsize=100_000)
def _seen(store: str, name: str) -> None:
    """Once there, a segment stays; only that is remembered."""
    if not Artifacts(store).listed("segment", name):
        raise _NotYet(name)


def _fragment(artifacts: Artifacts, job: Job, parts: Manifest, number: int) -> Fragment:
    data = artifacts.get("segment", parts.segments[number])
    if data is None:
        raise expired(job) if job.over else unfinished(job)
    first = list(accumulate(parts.frames, initial=0))[number]
    return fragment(data, number, first, job.request.fps, job.request.frames)


def _answer(request: Request, job: Job, name: str, data: bytes) -> Response:
    tag = f'"{job.film}-{name}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="video/mp4", headers=headers)
