"""Jobs as OpenAI's video objects."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sgen_ray.client import schema
from sgen_ray.jobs.records import Job
from sgen_ray.jobs.states import JobState
from sgen_ray.serving.problems import Problem

_STATUS: dict[JobState, schema.Status] = {
    JobState.QUEUED: "queued",
    JobState.AWAITING_APPROVAL: "awaiting_approval",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "failed",
}


def states_of(names: Iterable[str]) -> set[JobState]:
    """Of states and statuses by name. Raises a Problem 400 for anything else."""
    found: set[JobState] = set()
    for name in names:
        states = {state for state in JobState if name in (state, status_of(state))}
        if not states:
            known = ", ".join(dict.fromkeys([*(str(state) for state in JobState), "in_progress"]))
            raise Problem(400, f"there is no state {name[:40]!r}; there are {known}", param="state")
        found |= states
    return found


def status_of(state: JobState) -> schema.Status:
    return _STATUS.get(state, "in_progress")


def video_of(job: Job) -> schema.Video:
    request, done = job.request, job.state is JobState.COMPLETED
    error = None if job.error is None else schema.VideoError(code=job.error.kind, message=job.error.message)
    if error is None and job.state is JobState.CANCELLED:
        error = schema.VideoError(code="cancelled", message="somebody cancelled it")
    total = job.progress.windows_total
    return schema.Video(
        id=job.id,
        model=Path(request.model).name,
        status=status_of(job.state),
        progress=100 if done else min(99, 100 * job.progress.windows_done // total) if total else 0,
        created_at=int(job.created.timestamp()),
        completed_at=int(job.finished.timestamp()) if done and job.finished else None,
        prompt=" | ".join(shot.prompt for shot in request.shots),
        remixed_from_video_id=job.parent,
        error=error,
        seconds=f"{request.seconds:g}",
        size=f"{request.width}x{request.height}",
        state=str(job.state),
        kind=str(job.kind),
        shots=[schema.Shot(prompt=shot.prompt, seconds=shot.seconds) for shot in request.shots],
        fps=request.fps,
        seed=request.seed,
        windows=schema.Windows(done=job.progress.windows_done, total=total),
        plan_ready=job.plan is not None and job.state not in (JobState.QUEUED, JobState.PLANNING),
        cancel_requested=job.cancel_requested,
    )
