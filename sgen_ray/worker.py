"""A worker of the queue: claims jobs that wait or were lost, makes their films, and sees to it that every job ends."""

from __future__ import annotations

import time
from pathlib import Path

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import JobRecorded, OnEvent
from sgen_ray.engine.warm import Workshop
from sgen_ray.errors import JobError, SgenError
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.owner import this_owner
from sgen_ray.jobs.records import Job
from sgen_ray.paths import space_for, writable_file
from sgen_ray.recorded import engine_of, fail, fill, order_of

POLL = 1.0
"""Seconds between two looks into an empty queue."""


def run(jobs: Jobs, store: str, engine: EngineConfig, on_event: OnEvent | None = None, *, once: bool = False) -> int:
    """Works until it is stopped (Ctrl-C, SIGTERM), which hands its job back; or, `once`, until nothing is to be done.

    Returns how many jobs it took; each has its own end in its record, whatever befell the others.
    """
    owner, taken = this_owner("sgen worker"), 0
    with Workshop(engine) as workshop:
        while True:
            jobs.reap()
            jobs.expire()
            job = jobs.claim(owner)
            if job is None:
                if once:
                    return taken
                time.sleep(POLL)
                continue
            taken += 1
            _make(jobs, job, store, engine, on_event, workshop)


def _make(jobs: Jobs, job: Job, store: str, engine: EngineConfig, on_event: OnEvent | None, workshop: Workshop) -> None:
    assert job.lease is not None
    if on_event is not None:
        on_event(JobRecorded(job.id))
    try:
        order = order_of(job, store)
        if job.output is None and not job.approve:
            raise JobError(f"{job.id} does not say where its film goes; submit it again with an output")
        output = Path(job.output or "film.mp4")
        if not job.approve:
            writable_file(output, (".mp4",), space_for(job.request))
    except SgenError as error:
        fail(jobs, job.lease, error)
        return
    try:
        with workshop.place() as runtime:
            fill(
                jobs, job, order, output, store=store, engine=engine_of(job, engine), on_event=on_event,
                runtime=runtime, hand_back=True,
            )  # fmt: skip
    except Exception:  # which the record tells; the next job is another matter
        return
