"""What one film's making is counted, logged and traced as: a listener to the engine's events that never disturbs it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sgen_ray.engine.events import (
    CallFinished,
    Event,
    FilmStarted,
    OnEvent,
    PhaseFinished,
    SegmentEncoded,
    WindowFinished,
    WorkerLost,
)
from sgen_ray.errors import Cancelled, DatabaseError, LeaseLost, SgenError
from sgen_ray.jobs.records import Job
from sgen_ray.jobs.states import JobState
from sgen_ray.telemetry import metrics, spans
from sgen_ray.telemetry.context import bind, trace_of
from sgen_ray.types import Video

if TYPE_CHECKING:
    from opentelemetry.trace import Span

log = logging.getLogger(__name__)

_KINDS = ("planner", "renderer", "stitcher", "pool")


class Making:
    """One attempt at a job, by the process that holds it. `video`: to be set when it is made."""

    def __init__(self, job: Job, on_event: OnEvent | None = None, clock: Callable[[], float] = time.time) -> None:
        assert job.lease is not None
        self.video: Video | None = None
        self._job, self._on_event, self._clock = job, on_event, clock
        self._claim = job.lease.token
        self._first = self._claim == 1
        self._claimed = job.updated.timestamp()
        self._submitted = min(job.created.timestamp(), self._claimed)  # which another host's clock may have told
        self.span: Span | None = None
        _quietly(self._begun)

    def __call__(self, event: Event) -> None:
        _quietly(lambda: self._see(event))
        if self._on_event is not None:
            self._on_event(event)

    def ended(self, error: BaseException | None = None) -> None:
        """It is over: well, or by `error`."""
        _quietly(lambda: self._ended(error))

    def _begun(self) -> None:
        job = self._job
        metrics.begin()
        facts = {"sgen.job": job.id, "sgen.tenant": job.tenant, "sgen.kind": str(job.kind), "sgen.claim": self._claim}
        self.span = spans.begin("film", trace_of(job.engine), self._claimed, facts)
        if self._first:
            metrics.QUEUE.observe(max(0.0, self._claimed - self._submitted))
            spans.within(self.span, "queue", self._submitted, self._claimed)
        log.info("begun", extra={"claim": self._claim, "seconds": job.request.seconds})

    def _see(self, event: Event) -> None:
        now = self._clock()
        match event:
            case CallFinished(phase, index, worker, seconds):
                metrics.WORK.observe(seconds, phase=phase)
                metrics.BUSY.count(seconds, phase=phase)
                about = {"plan": None, "render": "sgen.window"}.get(phase, "sgen.segment")
                facts = {} if about is None else {about: index, "sgen.worker": worker}
                stop = now - event.ago
                spans.within(self.span, phase, stop - seconds, stop, facts)
            case WindowFinished():
                metrics.WINDOWS.count(how="rendered")
            case SegmentEncoded(segment):
                metrics.SEGMENTS.count(how="encoded")
                if segment == 0:
                    self._playable(now)
            case FilmStarted():
                metrics.WINDOWS.count(event.windows_reused, how="reused")
                metrics.SEGMENTS.count(event.segments_reused, how="reused")
                if event.segments_reused == event.segments:
                    self._playable(now)
                facts = {"windows": event.windows, "windows_reused": event.windows_reused, "segments": event.segments}
                spans.note(self.span, "cut", now, {**facts, "renderers": event.renderers, "device": event.device})
            case PhaseFinished("load" | "join" as phase, seconds):
                spans.within(self.span, phase, now - seconds, now)
            case WorkerLost(worker, work, cause):
                kind = worker.split()[0]
                metrics.LOST.count(kind=kind if kind in _KINDS else "other")
                spans.note(self.span, "worker lost", now, {"worker": worker, "work": work, "cause": cause})
                log.warning("%s lost while %s: %s", worker, work, cause)

    def _playable(self, now: float) -> None:
        if self._first:
            metrics.PLAYABLE.observe(now - self._submitted)
        spans.note(self.span, "playable", now)

    def _ended(self, error: BaseException | None) -> None:
        now = self._clock()
        seconds = now - self._claimed
        told = None
        if error is None and self._job.approve:
            log.info("planned, and waits for approval", extra={"took": round(seconds, 3)})
        elif error is None:
            metrics.MADE_IN.observe(seconds)
            count_end(JobState.COMPLETED)
            if self.video is not None:
                self._measured(self.video)
            log.info("completed", extra={"took": round(seconds, 3)})
        elif isinstance(error, Cancelled):
            count_end(JobState.CANCELLED)
            log.info("cancelled", extra={"took": round(seconds, 3)})
        elif isinstance(error, LeaseLost | DatabaseError):  # no end of the job: another worker goes on
            told = str(error)
            log.warning("left to another worker: %s", error)
        elif isinstance(error, Exception):
            told = f"{type(error).__name__}: {error}"
            count_end(JobState.FAILED, error_kind(error))
            unforeseen = None if isinstance(error, SgenError) else error
            log.error("failed: %s", error, extra={"kind": error_kind(error)}, exc_info=unforeseen)
        else:  # Ctrl-C, SIGTERM: the job goes to somebody else or is cancelled
            told = "its worker was stopped"
            log.info("stopped with its worker", extra={"took": round(seconds, 3)})
        spans.end(self.span, now, told)

    def _measured(self, video: Video) -> None:
        metrics.FILM_SECONDS.count(video.seconds)
        if video.utilisation is not None:
            metrics.UTILISATION.observe(video.utilisation)
        if video.report.seam_ratio is not None:
            metrics.SEAMS.observe(video.report.seam_ratio)
        for feature, drift in video.report.drift.items():
            metrics.DRIFT.observe(drift, feature=feature)


@contextmanager
def making(job: Job, on_event: OnEvent | None = None) -> Iterator[Making]:
    """Around the work on a job that this process holds; what it raises says how it ended. To be given to the engine."""
    with bind(trace_of(job.engine), job=job.id, tenant=job.tenant):
        made = Making(job, on_event)
        with bind(None if made.span is None else spans.place(made.span)):
            try:
                yield made
            except BaseException as error:
                made.ended(error)
                raise
            made.ended()


def count_end(state: JobState, kind: str = "") -> None:
    """A job has ended; also for those that nobody works on, as `Jobs.expire` ends them."""
    metrics.ENDED.count(state=str(state), error=kind)


def error_kind(error: BaseException) -> str:
    """As the job's record has it."""
    return type(error).__name__.removesuffix("Error").lower() if isinstance(error, SgenError) else "fault"


def _quietly(step: Callable[[], None]) -> None:
    try:
        step()
    except Exception:
        log.warning("something was not counted or traced", exc_info=True)
