"""What a film's worker tells those who watch: lasting events into the job's record, passing ones onto a board.

A thread of its own writes, some times a second and several events at once, so that the film waits for nobody, and goes
on where nothing can be written.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from sgen_ray.client.schema import Event as Told
from sgen_ray.engine.events import (
    Event,
    FilmStarted,
    PhaseFinished,
    PhaseStarted,
    PlanStep,
    SegmentEncoded,
    WindowFinished,
    WindowStep,
    WorkerLost,
)
from sgen_ray.engine.news import News
from sgen_ray.errors import DatabaseError, LeaseLost
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.records import Job

EVERY = 0.25
"""Seconds between two writes."""

log = logging.getLogger(__name__)


class Journal:
    """Use as a context while the job's lease is held; call it with everything that the engine tells.

    Times of windows, `begin` and `end`, are seconds since the job was submitted, whoever works on it.
    """

    def __init__(self, jobs: Jobs, job: Job, news: News, clock: Callable[[], float] = time.time) -> None:
        assert job.lease is not None
        self._jobs, self._lease, self._news, self._clock = jobs, job.lease, news, clock
        self._submitted = job.created.timestamp()
        self._pending: list[Told] = []
        self._steps = _Steps(clock)
        self._writing = threading.Lock()
        self._open = True
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"journal of {job.id}", daemon=True)

    def __enter__(self) -> Journal:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.flush()
        self._news.tell(self._lease.job, None)

    def __call__(self, event: Event) -> None:
        self._steps.see(event)
        if (found := self._lasting(event)) is not None:
            self._pending.append(Told(type=found[0], at=self._clock(), data=found[1]))

    def flush(self) -> None:
        """Writes what waits, so that it comes before what is written next."""
        with self._writing:
            some = list(self._pending)
            if not some or not self._open:
                return
            try:
                self._jobs.append(self._lease, some)
            except DatabaseError:  # they wait for the next time
                return
            except LeaseLost:  # another's job by now, or over
                self._open = False
            except Exception:
                self._open = False
                log.exception("events of %s are no longer written", self._lease.job)
            del self._pending[: len(some)]

    def _keep(self) -> None:
        said = None
        while not self._over.wait(EVERY):
            self.flush()
            steps = self._steps.now()
            if steps != said:
                said = steps
                self._news.tell(self._lease.job, Told(type="steps", at=self._clock(), data=steps))

    def _lasting(self, event: Event) -> tuple[str, dict[str, Any]] | None:
        match event:
            case FilmStarted():
                return "started", {
                    "windows": event.windows,
                    "segments": event.segments,
                    "renderers": event.renderers,
                    "device": event.device,
                    "windows_reused": event.windows_reused,
                    "segments_reused": event.segments_reused,
                    "reused": list(event.reused),
                }
            case PhaseStarted(phase):
                return "phase", {"phase": phase, "state": "started"}
            case PhaseFinished(phase, seconds):
                return "phase", {"phase": phase, "state": "finished", "seconds": round(seconds, 3)}
            case WindowFinished():
                end = self._clock() - self._submitted
                return "window", {
                    "window": event.window,
                    "renderer": event.renderer,
                    "seconds": round(event.seconds, 3),
                    "begin": round(max(0.0, end - event.seconds), 3),
                    "end": round(end, 3),
                    "done": self._steps.done,
                    "total": self._steps.total,
                }
            case SegmentEncoded():
                return "segment", {"segment": event.segment, "done": event.done, "total": event.total}
            case WorkerLost():
                return "lost", {"worker": event.worker, "work": event.work, "cause": event.cause}
        return None


class _Steps:
    """How far everything under way is. The time left is that of what was done: windows, and steps of windows, painted
    so far and the time since the first began; nothing is said before the first window is done."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._plan: dict[str, int] | None = None
        self._windows: dict[int, dict[str, int]] = {}
        self._began: float | None = None
        self._finished: set[int] = set()
        self._reused = self.total = 0

    @property
    def done(self) -> int:
        return self._reused + len(self._finished)

    def see(self, event: Event) -> None:
        with self._lock:
            match event:
                case FilmStarted():
                    self.total, self._reused = event.windows, event.windows_reused
                case PlanStep(done, total):
                    self._plan = {"done": done, "total": total}
                case PhaseFinished("plan"):
                    self._plan = None
                case WindowStep(window, renderer, done, total) if window not in self._finished:
                    self._began = self._began or self._clock()
                    self._windows[window] = {"window": window, "renderer": renderer, "done": done, "total": total}
                case WindowFinished(window, _, seconds):
                    self._began = self._began or self._clock() - seconds
                    self._windows.pop(window, None)
                    self._finished.add(window)

    def now(self) -> dict[str, Any]:
        """Data of an event `steps`."""
        with self._lock:
            windows = [self._windows[index] for index in sorted(self._windows)]
            return {"plan": self._plan, "windows": windows, "eta": self._eta()}

    def _eta(self) -> float | None:
        """Seconds, in tenths."""
        if self._began is None or not self._finished:
            return None
        painted = len(self._finished) + sum(window["done"] / window["total"] for window in self._windows.values())
        left = max(0.0, self.total - self._reused - painted)
        return round((self._clock() - self._began) / painted * left, 1)
