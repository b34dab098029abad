"""/v1/videos: create, list, look."""

from __future__ import annotations

from fastapi import APIRouter

from sgen_ray.client import schema
from sgen_ray.orders import place_order
from sgen_ray.serving.service import By, In
from sgen_ray.serving.wire import video_of
from sgen_ray.telemetry.context import carried
from sgen_ray.types import Shot

router = APIRouter(prefix="/v1/videos", tags=["videos"])


@router.post("")
def create(body: schema.CreateVideo, service: In, caller: By) -> schema.Video:
    wishes = body.model_dump(exclude_none=True, exclude={"prompt", "shots", "model", "approve", "input_reference"})
    if isinstance(body.seconds, str):
        wishes["seconds"] = float(body.seconds)
    shots = tuple(Shot(shot.prompt, shot.seconds) for shot in body.shots or ())
    order = place_order(body.prompt, shots=shots, model=body.model or service.settings.model, **wishes)
    job = service.jobs.submit(
        order.request,
        tenant=caller.tenant,
        model=order.factory.fingerprint(),
        approve=body.approve,
        engine=carried(),
    )
    return video_of(job)


@router.get("")
def listed(service: In, caller: By, after: str | None = None, limit: int = 20) -> schema.VideoList:
    page = service.jobs.list(tenant=caller.tenant, limit=limit, cursor=after)
    data = [video_of(job) for job in page.jobs]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return schema.VideoList(data=data, first_id=ends[0], last_id=ends[1], has_more=page.next is not None)


@router.get("/{video_id}")
def retrieve(video_id: str, service: In, caller: By) -> schema.Video:
    return video_of(service.jobs.get(video_id, tenant=caller.tenant))
