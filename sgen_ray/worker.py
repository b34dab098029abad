"""A worker of the queue: claims jobs that wait or were lost, makes their films, and sees to it that every job ends."""

from __future__ import annotations

import logging
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from sgen_ray.engine.cluster import ended_actors, this_actor
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import Event, JobRecorded, OnEvent
from sgen_ray.engine.warm import Workshop
from sgen_ray.errors import SgenError
from sgen_ray.filling import fail, fill
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.owner import this_owner
from sgen_ray.jobs.presence import Presence
from sgen_ray.jobs.records import Job
from sgen_ray.jobs.states import JobState
from sgen_ray.paths import space_for, writable_file
from sgen_ray.recorded import engine_of, order_of
from sgen_ray.telemetry.film import count_end, error_kind

POLL = 1.0
"""Seconds between two looks into an empty queue."""

log = logging.getLogger(__name__)


def run(jobs: Jobs, store: str, engine: EngineConfig, on_event: OnEvent | None = None, *, once: bool = False) -> int:
    """Works until it is stopped (Ctrl-C, SIGTERM), which hands its job back; or, `once`, until nothing is to be done.

    Returns how many jobs it took; each has its own end in its record, whatever befell the others.
    """
    return Worker(jobs, store, engine, on_event).work(once=once)


class Worker:
    """Makes films one after another (`work`), or several at once in threads (`start`), until `stop`.

    Args:
        store: of all tenants; the film of a job is made in the store of its tenant. A job that does not say where its
            film goes has it there, as an artifact.
        engine: where films are made; its tenant and weight become those of each job.
    """

    def __init__(self, jobs: Jobs, store: str, engine: EngineConfig, on_event: OnEvent | None = None) -> None:
        self._jobs, self._store, self._engine, self._on_event = jobs, store, engine, on_event
        self._owner = this_owner("sgen worker", this_actor())
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, films: int) -> None:
        """So many films at once, each by a thread of its own."""
        for number in range(films):
            thread = threading.Thread(target=self._work_on, name=f"films {number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, within: float | None = None) -> bool:
        """Hands all jobs back to the queue at their next step; whether that was done in `within` seconds."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(within)
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def alive(self) -> bool:
        """Whether all threads are at work; one that ended without being told to is a fault of ours."""
        return all(thread.is_alive() for thread in self._threads)

    def work(self, *, once: bool = False) -> int:
        """Returns how many jobs it took."""
        taken = 0
        with Workshop(self._engine) as workshop, Presence(self._store, self._owner) as presence:
            while not self._stopped.is_set():
                presence.tell()
                self._jobs.reap(ended_actors)
                for job in self._jobs.expire():
                    count_end(job.state, job.error.kind if job.error else "")
                claimed = self._jobs.claim(self._owner)
                if claimed is not None:
                    taken += 1
                    self._make(claimed, workshop, presence)
                elif once:
                    break
                else:
                    self._stopped.wait(POLL)
        return taken

    def _work_on(self) -> None:
        """Whatever happens: a database that starts again, a store that is full for a while."""
        while not self._stopped.is_set():
            try:
                self.work()
            except _HandedBack:
                return
            except SgenError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("a film's thread failed; it goes on with the next job")
            self._stopped.wait(POLL)

    def _make(self, job: Job, workshop: Workshop, presence: Presence) -> None:
        def tell(event: Event) -> None:
            if self._stopped.is_set():
                raise _HandedBack
            presence.tell()
            if self._on_event is not None:
                self._on_event(event)

        lease = job.lease
        assert lease is not None
        store = self._jobs.store_of(job.tenant)
        engine = replace(engine_of(job, self._engine), tenant=job.tenant, weight=job.weight)
        try:
            if self._on_event is not None:
                self._on_event(JobRecorded(job.id))
            with ExitStack() as open_until_made:
                try:
                    order = order_of(job, store)
                    folder = open_until_made.enter_context(tempfile.TemporaryDirectory(prefix="sgen-"))
                    output = Path(job.output or Path(folder) / "film.mp4")
                    if not job.approve:
                        writable_file(output, (".mp4",), space_for(job.request))
                except SgenError as error:
                    fail(self._jobs, lease, error)
                    count_end(JobState.FAILED, error_kind(error))
                    return
                runtime = open_until_made.enter_context(workshop.place())
                fill(
                    self._jobs, job, order, output, store=store, engine=engine, on_event=tell, runtime=runtime,
                    hand_back=True,
                )  # fmt: skip
        except _HandedBack:
            raise
        except Exception as error:  # which the record tells; the next job is another matter
            log.info("%s ended: %s", job.id, error)


class _HandedBack(SystemExit):
    """Somebody stops this worker."""
