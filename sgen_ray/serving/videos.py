"""/v1/videos: what creates, lists, changes and ends jobs. What is made of them is shown by other modules."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Response

from sgen_ray.client import schema
from sgen_ray.engine.config import EngineConfig
from sgen_ray.errors import ModelError
from sgen_ray.jobs.records import Job, JobKind, is_job
from sgen_ray.jobs.states import JobState
from sgen_ray.orders import Order, edit_order, extend_order, place_order, plan_of_job, rewritten_order
from sgen_ray.recorded import change_plan, ordered, record
from sgen_ray.serving.body import Sent, sent
from sgen_ray.serving.openapi import documented
from sgen_ray.serving.problems import Problem
from sgen_ray.serving.service import By, Caller, In, Service
from sgen_ray.serving.uploads import naming_picture, plan_of_upload, reference
from sgen_ray.serving.wire import states_of, video_of
from sgen_ray.serving.wishes import limits, said, seconds_of, shots_of
from sgen_ray.types import Plan

router = APIRouter(prefix="/v1/videos", tags=["videos"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="The same request under the same key makes one video, however often it is sent.",
    ),
]


class Edit(schema.EditVideo):
    """The film may also be sent as a file."""

    video: schema.VideoReference | None = None  # type: ignore[assignment]


class Extension(schema.ExtendVideo):
    """The film may also be sent as a file."""

    video: schema.VideoReference | None = None  # type: ignore[assignment]


@router.post("", **documented(schema.CreateVideo, files=("input_reference",)))
def create(
    caller: By,
    service: In,
    response: Response,
    sent: Annotated[Sent[schema.CreateVideo], Depends(sent(schema.CreateVideo, "input_reference"))],
    key: Key = None,
) -> schema.Video:
    """Make a film of a prompt or a storyboard."""
    body = sent.body
    picture = reference(body.input_reference, sent.files)
    wishes = body.model_dump(
        exclude_none=True, exclude={"prompt", "shots", "model", "seconds", "approve", "input_reference"}
    )
    with naming_picture("input_reference"):
        order = place_order(
            said(body.prompt, service, caller), shots=shots_of(body.shots, service, caller),
            model=service.model(body.model), seconds=seconds_of(body.seconds), picture=picture, **limits(service),
            **wishes,
        )  # fmt: skip
    return _submitted(order, service, caller, response, key, approve=body.approve)


@router.get("", **documented())
def listed(
    caller: By,
    service: In,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    state: Annotated[list[str] | None, Query(description="Only videos in these states or statuses.")] = None,
) -> schema.VideoList:
    """The caller's videos."""
    if after is not None and not is_job(after):
        raise Problem(400, "after is the id of a video, the last of the page before", param="after")
    page = service.jobs.list(
        tenant=caller.tenant, states=None if state is None else states_of(state), limit=limit, cursor=after,
        oldest_first=order == "asc",
    )  # fmt: skip
    data = [video_of(job) for job in page.jobs]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return schema.VideoList(data=data, first_id=ends[0], last_id=ends[1], has_more=page.next is not None)


@router.post("/edits", **documented(schema.EditVideo, files=("video",)))
def edit(
    caller: By,
    service: In,
    response: Response,
    sent: Annotated[Sent[Edit], Depends(sent(Edit, "video"))],
    key: Key = None,
) -> schema.Video:
    """A film again with another prompt for one shot; the others keep their pictures."""
    plan, parent = _source(sent.body.video, sent, service, caller)
    order = edit_order(plan, sent.body.shot, said(sent.body.prompt, service, caller), **limits(service))
    return _submitted(replace(order, parent=parent), service, caller, response, key)


@router.post("/extensions", **documented(schema.ExtendVideo, files=("video",)))
def extend(
    caller: By,
    service: In,
    response: Response,
    sent: Annotated[Sent[Extension], Depends(sent(Extension, "video"))],
    key: Key = None,
) -> schema.Video:
    """A longer film: what there was stays as it is."""
    plan, parent = _source(sent.body.video, sent, service, caller)
    seconds = seconds_of(sent.body.seconds)
    if seconds is None or not 0 < seconds <= service.settings.max_seconds:
        raise Problem(400, "seconds is how much longer the film becomes, like 10", param="seconds")
    order = extend_order(plan, seconds, said(sent.body.prompt, service, caller), **limits(service))
    return _submitted(replace(order, parent=parent), service, caller, response, key)


@router.get("/{video_id}", **documented())
def retrieve(video_id: str, caller: By, service: In, response: Response) -> schema.Video:
    """How far it is."""
    return _told(service.job(video_id, caller), service, response)


@router.delete("/{video_id}", **documented())
def delete(video_id: str, caller: By, service: In) -> schema.VideoDeleted:
    """Forget the video. Work on it stops at its next step, and its id is unknown from now on."""
    service.job(video_id, caller)
    service.jobs.delete(video_id, at_work=True, tenant=caller.tenant)
    return schema.VideoDeleted(id=video_id)


@router.post("/{video_id}/cancel", **documented())
def cancel(video_id: str, caller: By, service: In, response: Response) -> schema.Video:
    """Stop the work at its next step; the record stays."""
    service.job(video_id, caller)
    return _told(service.jobs.request_cancel(video_id, tenant=caller.tenant), service, response)


@router.post("/{video_id}/retry", **documented())
def retry(video_id: str, caller: By, service: In, response: Response, key: Key = None) -> schema.Video:
    """The same again where a video failed or was cancelled: a new one, with all that this was given. What was finished
    of it is found."""
    job = service.job(video_id, caller)
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise Problem(
            409, f"the video is {job.state}; only one that failed or was cancelled is tried again", code="conflict"
        )
    if job.request.model not in service.settings.offered.values():
        raise Problem(409, "the model that was to make it is not offered here any more", code="conflict")
    try:
        order = ordered(job, service.jobs.store_of(caller.tenant))
    except ModelError as error:
        raise Problem(409, str(error), code="conflict") from error
    return _submitted(order, service, caller, response, key, approve=job.approve)


@router.post("/{video_id}/approve", **documented(schema.ApproveVideo, required=False))
def approve(
    video_id: str,
    caller: By,
    service: In,
    response: Response,
    sent: Annotated[Sent[schema.ApproveVideo], Depends(sent(schema.ApproveVideo))],
) -> schema.Video:
    """Go on to rendering; or, with other shots, plan these and stop again. Shots that stay keep their plan, as long as
    all shots keep their lengths."""
    job = service.job(video_id, caller)
    if sent.body.shots is None:
        return _told(service.jobs.approve(job.id, tenant=caller.tenant), service, response)
    if job.state is not JobState.AWAITING_APPROVAL:
        raise Problem(409, f"the video is {job.state} and does not wait for approval", code="conflict")
    plan = plan_of_job(job, service.jobs.store_of(caller.tenant))
    order = rewritten_order(plan, shots_of(sent.body.shots, service, caller), **limits(service))
    return _told(change_plan(service.jobs, job, order), service, response)


@router.post("/{video_id}/remix", **documented(schema.RemixVideo))
def remix(
    video_id: str,
    caller: By,
    service: In,
    response: Response,
    sent: Annotated[Sent[schema.RemixVideo], Depends(sent(schema.RemixVideo))],
    key: Key = None,
) -> schema.Video:
    """The film with another prompt; its seed, and what it says of other shots, stay."""
    plan = plan_of_job(service.job(video_id, caller), service.jobs.store_of(caller.tenant))
    order = edit_order(plan, sent.body.shot, said(sent.body.prompt, service, caller), **limits(service))
    return _submitted(replace(order, kind=JobKind.REMIX, parent=video_id), service, caller, response, key)


def _source(
    named: schema.VideoReference | None, sent: Sent[Edit] | Sent[Extension], service: Service, caller: Caller
) -> tuple[Plan, str | None]:
    """The plan of the film that is to be changed, by its id or as a file; and its job, where that is known."""
    if named is not None and "video" not in sent.files:
        job = service.job(named.id, caller)
        return plan_of_job(job, service.jobs.store_of(caller.tenant)), job.id
    if named is None and "video" in sent.files:
        plan = plan_of_upload(sent.files["video"], service.jobs.store_of(caller.tenant), "video")
        if plan.request.model not in service.settings.offered.values():
            raise Problem(400, "the model that made the film is not offered here any more", param="video")
        return plan, None
    raise Problem(400, "video: send the id of a video as video[id], or its file, and not both", param="video")


def _submitted(
    order: Order, service: Service, caller: Caller, response: Response, key: str | None, approve: bool = False
) -> schema.Video:
    if key is not None and not (key.isascii() and key.isprintable()):
        raise Problem(400, "an Idempotency-Key is plain ASCII", param="Idempotency-Key")
    job = record(
        service.jobs, order, None, engine=EngineConfig(), key=key, tenant=caller.tenant,
        approve=approve,
    )  # fmt: skip
    return _told(job, service, response)


def _told(job: Job, service: Service, response: Response) -> schema.Video:
    response.headers["openai-poll-after-ms"] = str(service.settings.poll_after_ms)
    return video_of(job)
