"""/v1/videos/{id}/events: what happens to a video, as server-sent events from any replica.

One task a process looks after all jobs that somebody follows, with one query several times a second, however many
streams there are; a stream is a queue, and is gone with its client. Nothing is kept: what lasts is in the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from sgen_ray.client.schema import Event
from sgen_ray.engine.news import News
from sgen_ray.errors import DatabaseError
from sgen_ray.jobs.events import Standing
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.states import RUNNING, TERMINAL
from sgen_ray.serving.openapi import documented
from sgen_ray.serving.service import By, In
from sgen_ray.serving.wire import status_of

router = APIRouter(prefix="/v1/videos", tags=["videos"])

TICK = 0.25
"""Seconds between two looks."""

log = logging.getLogger(__name__)


class Stream:
    """One client: the number of the last lasting event that it was given, its key, and what waits for it; None is the
    end. Its queue is bounded by the lasting events of a job, as passing ones are put only into an empty one."""

    def __init__(self, sent: int, key: str | None = None) -> None:
        self.sent, self.key = sent, key
        self.queue: asyncio.Queue[ServerSentEvent | None] = asyncio.Queue()
        self.steps = 0.0


@dataclass(frozen=True)
class Look:
    """What one look at all jobs that are followed has found."""

    standings: Mapping[str, Standing]
    events: Mapping[str, list[tuple[int, ServerSentEvent]]]
    steps: Mapping[str, tuple[float, ServerSentEvent]]


def look(jobs: Jobs, news: News, after: Mapping[str, int]) -> Look:
    standings = jobs.standings_of(after)
    newer = {job: after[job] for job, standing in standings.items() if standing.events > after[job]}
    events = jobs.events_of(newer) if newer else {}
    steps = news.newest([job for job, standing in standings.items() if standing.state in RUNNING])
    return Look(
        standings,
        {job: [(event.id or 0, _sent(event)) for event in found] for job, found in events.items()},
        {job: (event.at, _sent(event)) for job, event in steps.items()},
    )


def _sent(event: Event) -> ServerSentEvent:
    return ServerSentEvent(
        event=event.type,
        id=None if event.id is None else str(event.id),
        raw_data=event.model_dump_json(exclude={"type", "id"}),
    )


class Follower:
    """The task of a process and its streams; all methods in one event loop. `holds` tells whether a key is valid."""

    def __init__(self, jobs: Jobs, news: News, holds: Callable[[str], bool] = lambda key: True) -> None:
        self._jobs, self._news, self._holds = jobs, news, holds
        self._streams: dict[str, set[Stream]] = {}
        self._task: asyncio.Task[None] | None = None

    async def follow(self, job: str, after: int, key: str | None = None) -> AsyncIterator[ServerSentEvent]:
        """All that happened to the job since the event of that number, and all that happens, until it is over; or
        until the key is revoked, which ends the stream without its last event."""
        stream = Stream(after, key)
        self._streams.setdefault(job, set()).add(stream)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            while (event := await stream.queue.get()) is not None:
                yield event
        finally:
            self._leave(job, stream)

    def __len__(self) -> int:
        return sum(len(streams) for streams in self._streams.values())

    async def _watch(self) -> None:
        try:
            while self._streams:
                after = {job: min(stream.sent for stream in streams) for job, streams in self._streams.items()}
                keys = {stream.key for streams in self._streams.values() for stream in streams if stream.key}
                try:
                    revoked, found = await run_in_threadpool(self._look, after, keys)
                except DatabaseError:  # it may come back; meanwhile clients are only told that we are here
                    pass
                except Exception:
                    log.exception("events were not read; the next look may do better")
                else:
                    self._close(revoked)
                    for job, looked_after in after.items():
                        self._hand_out(job, looked_after, found)
                await asyncio.sleep(TICK)
        finally:
            self._task = None

    def _hand_out(self, job: str, after: int, found: Look) -> None:
        standing = found.standings.get(job)
        for stream in list(self._streams.get(job, ())):
            if stream.sent < after:  # came while the look was on its way, which did not look so far back
                continue
            if standing is None:
                self._end(job, stream, "deleted")
                continue
            for number, event in found.events.get(job, ()):
                if number > stream.sent:
                    stream.queue.put_nowait(event)
                    stream.sent = number
            at, steps = found.steps.get(job, (stream.steps, None))
            if steps is not None and at != stream.steps and stream.queue.empty():
                stream.queue.put_nowait(steps)
                stream.steps = at
            if standing.state in TERMINAL and stream.sent >= standing.events:
                self._end(job, stream, status_of(standing.state))

    def _end(self, job: str, stream: Stream, status: str) -> None:
        stream.queue.put_nowait(_sent(Event(type="end", at=time.time(), data={"status": status})))
        stream.queue.put_nowait(None)
        self._leave(job, stream)

    def _look(self, after: Mapping[str, int], keys: Collection[str]) -> tuple[set[str], Look]:
        """Which of the keys were revoked, and `look`, in one visit to a thread."""
        return {key for key in keys if not self._holds(key)}, look(self._jobs, self._news, after)

    def _close(self, revoked: Collection[str]) -> None:
        ours = [(job, stream) for job, streams in self._streams.items() for stream in streams]
        for job, stream in ours:
            if stream.key in revoked:
                stream.queue.put_nowait(None)
                self._leave(job, stream)

    def _leave(self, job: str, stream: Stream) -> None:
        streams = self._streams.get(job, set())
        streams.discard(stream)
        if not streams:
            self._streams.pop(job, None)


@dataclass(frozen=True)
class Wanted:
    job: str
    after: int
    key: str | None


def _wanted(
    video_id: str,
    service: In,
    caller: By,
    after: Annotated[int | None, Query(ge=0, description="As Last-Event-ID: events with higher numbers.")] = None,
    last_event_id: Annotated[str | None, Header(description="Sent by EventSource when it connects again.")] = None,
) -> Wanted:
    """Found before the answer begins, so that what is wrong is an error and no stream."""
    job = service.job(video_id, caller)
    heard = int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 10 else 0
    standing = service.jobs.standings_of([job.id]).get(job.id)
    return Wanted(job.id, min(max(heard, after or 0), standing.events if standing else 0), caller.key)


async def _follower(request: Request, service: In) -> Follower:
    """The app's; made with its first stream."""
    state = request.app.state
    if not hasattr(state, "follower"):
        state.follower = Follower(service.jobs, News(), service.access.holds)
    follower: Follower = state.follower
    return follower


@router.get("/{video_id}/events", response_class=EventSourceResponse, **documented())
async def events(
    wanted: Annotated[Wanted, Depends(_wanted)], follower: Annotated[Follower, Depends(_follower)]
) -> AsyncIterator[ServerSentEvent]:
    """What happened and happens to the video, until it is over: see `Event`. Connect again with Last-Event-ID."""
    async for event in follower.follow(wanted.job, wanted.after, wanted.key):
        yield event
