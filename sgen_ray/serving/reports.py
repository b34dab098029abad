"""/v1/videos/{id}/report: figures measured on the film, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from sgen_ray.client import schema
from sgen_ray.jobs.records import Job
from sgen_ray.serving.openapi import documented
from sgen_ray.serving.service import By, In
from sgen_ray.serving.wire import status_of

router = APIRouter(prefix="/v1/videos", tags=["videos"])


@router.get("/{video_id}/report", **documented())
def report(video_id: str, service: In, caller: By) -> schema.Report:
    """Seams, drift, seconds by phase, and which renderer painted which window when."""
    job = service.job(video_id, caller)
    result: dict[str, Any] = dict(job.result or {})
    known = ("wall", "utilisation", "renderers", "windows", "windows_rendered", "windows_reused", "frames")
    facts = {name: result.get(name) for name in known}
    return schema.Report.model_validate(
        {
            "id": job.id,
            "status": status_of(job.state),
            "figures": result.get("report"),
            "timeline": painted(service.jobs.events(job.id)),
            **facts,
        }
    )


def painted(events: Sequence[schema.Event]) -> list[schema.Painted]:
    """In the order in which they were finished, whoever worked on the job."""
    return [schema.Painted(**event.data) for event in events if event.type == "window"]


def planned(job: Job, events: Sequence[schema.Event]) -> list[tuple[float, float]]:
    """When planners worked: seconds since the job was submitted."""
    submitted = job.created.timestamp()
    return [
        (event.at - submitted - event.data["seconds"], event.at - submitted)
        for event in events
        if event.type == "phase" and (event.data["phase"], event.data["state"]) == ("plan", "finished")
    ]
