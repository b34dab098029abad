"""Clocks and the memory gauge of one film.

`wall` of a `Video`, in seconds. Phases overlap, so they do not add up to the total:
    load      from the start until the first planner or renderer was ready to work: Ray, processes, weights
    plan, render, decode, encode    from the first start to the last end of the phase's calls
    plan_busy, render_busy, ...     the sum over all its calls, on all workers
    join      making one file of the segments, and the figures
    playable  from the start until the film's first segment was stored, which is when it can begin to play
    total     until the film lay at its place, before processes were ended; total - load is what a warm pool would take
A phase in which nothing was to be done is missing.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sgen_ray.engine.events import CallFinished, Event, OnEvent, Phase, PhaseFinished, PhaseStarted
from sgen_ray.engine.machine import tree_memory
from sgen_ray.types import Span

MEMORY_EVERY = 1.0
"""Seconds between two looks at the memory of all processes, at least."""
MEMORY_SHARE = 0.02
"""Of the time, at most, goes into these looks: one takes some milliseconds a process."""


class _Memory:
    """Of this process and of those that it started: one look serves all films that are made here."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next_look = 0.0
        self._found = 0

    def now(self) -> int:
        """Bytes at the last look, or at one just taken where that was long enough ago."""
        if time.perf_counter() >= self._next_look and self._lock.acquire(blocking=False):
            try:
                began = time.perf_counter()
                self._found = tree_memory(os.getpid())
                ended = time.perf_counter()
                self._next_look = ended + max(MEMORY_EVERY, (ended - began) / MEMORY_SHARE)
            finally:
                self._lock.release()
        return self._found


_memory = _Memory()


class Watch:
    def __init__(self, on_event: OnEvent | None) -> None:
        self._on_event = on_event
        self._began = time.perf_counter()
        self._spans: dict[Phase, tuple[float, float]] = {}
        self._begun: set[Phase] = set()
        self.timeline: list[Span] = []
        self.peak_memory = 0

    def tell(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """The driver's own work."""
        began = time.perf_counter()
        self.begin(phase)
        yield
        self._span(phase, began, time.perf_counter())
        self.finished(phase)

    def begin(self, phase: Phase) -> None:
        """The phase has begun, which is told once."""
        if phase not in self._begun:
            self._begun.add(phase)
            self.tell(PhaseStarted(phase))

    def loaded(self) -> None:
        """A worker is ready to work; the first one counts."""
        if "load" not in self._spans:
            self._span("load", self._began, time.perf_counter())
            self.finished("load")

    def did(self, phase: Phase, seconds: float, index: int = 0, worker: int = 0, ago: float = 0.0) -> None:
        """A worker's work of this phase has just ended, or did `ago` seconds ago, after so many seconds."""
        now = time.perf_counter() - ago
        end = now - self._began
        self.timeline.append(Span(phase, index, worker, max(0.0, end - seconds), end))
        self.begin(phase)
        self._span(phase, now - seconds, now)
        self.tell(CallFinished(phase, index, worker, seconds, ago))

    def finished(self, phase: Phase) -> None:
        start, stop = self._spans[phase]
        self.tell(PhaseFinished(phase, stop - start))

    def gauge(self) -> None:
        """Looks at the memory of this process and those it started."""
        self.peak_memory = max(self.peak_memory, _memory.now())

    def wall(self) -> dict[str, float]:
        figures = {str(phase): stop - start for phase, (start, stop) in self._spans.items()}
        for span in self.timeline:
            busy = f"{span.phase}_busy"
            figures[busy] = figures.get(busy, 0.0) + span.stop - span.start
            if (span.phase, span.index) == ("encode", 0):
                figures["playable"] = span.stop
        return {**figures, "total": time.perf_counter() - self._began}

    def utilisation(self, renderers: int) -> float | None:
        """Share of the time, from the first window's or segment's begin to the last one's end, that renderers painted,
        decoded or encoded; None where they had nothing to do."""
        work = [span for span in self.timeline if span.phase in ("render", "decode", "encode")]
        if not work:
            return None
        room = renderers * (max(span.stop for span in work) - min(span.start for span in work))
        return min(1.0, sum(span.stop - span.start for span in work) / room) if room else None

    def _span(self, phase: Phase, start: float, stop: float) -> None:
        first, last = self._spans.get(phase, (start, stop))
        self._spans[phase] = min(first, start), max(last, stop)
