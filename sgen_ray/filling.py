"""The work of a job, as its record tells it: what happens is written into the record, and how the film ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import (
    Event,
    FilmNamed,
    FilmStarted,
    OnEvent,
    PhaseFinished,
    PhaseStarted,
    PlanNamed,
    WindowFinished,
)
from sgen_ray.engine.generate import generate_film, make_plan
from sgen_ray.engine.news import News
from sgen_ray.engine.runtime import Runtime
from sgen_ray.errors import Cancelled, DatabaseError, JobError, LeaseLost, SgenError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.keeper import Keeper
from sgen_ray.jobs.records import Job, Lease, Progress
from sgen_ray.jobs.states import JobState
from sgen_ray.jobs.stores import LOCAL
from sgen_ray.journal import Journal
from sgen_ray.orders import Order
from sgen_ray.recorded import wait_for_collection
from sgen_ray.telemetry.film import error_kind, making
from sgen_ray.types import Video


def fill(
    jobs: Jobs,
    job: Job,
    order: Order,
    output: Path,
    *,
    store: str,
    engine: EngineConfig,
    live: Path | None = None,
    on_event: OnEvent | None = None,
    runtime: Runtime | None = None,
    hand_back: bool = False,
) -> Video | None:
    """Makes the film of a job that this process holds. None: its plan is made, and waits for approval.

    hand_back: who stops the work (Ctrl-C, SIGTERM) gives the job to other workers, and does not cancel it.

    Raises:
        as `generate_film`; Cancelled also where the job was cancelled by somebody else.
        JobError: another worker has taken the job over.
    """
    assert job.lease is not None
    lease = job.lease
    if job.tenant != LOCAL:
        engine = replace(engine, tenant=job.tenant, share=jobs.tenant(job.tenant).share)
    try:
        with (
            making(job, on_event) as watcher,
            Keeper(jobs, lease) as keeper,
            Journal(jobs, job, News(engine.namespace)) as journal,
        ):
            tell = _Teller(keeper, journal, watcher)
            if not job.approve:
                video = generate_film(
                    order.request, order.factory, output, store=store, engine=engine, plan=order.plan,
                    held=order.held, first=order.first, live=live, on_event=tell, runtime=runtime,
                    flights=_Flights(keeper, store),
                )  # fmt: skip
                if job.output is None:
                    Artifacts(store).put_file("video", tell.film, output)
                watcher.video = video
            elif order.plan is None:
                make_plan(
                    order.request, order.factory, store=store, held=order.held, first=order.first, engine=engine,
                    on_event=tell, runtime=runtime,
                )  # fmt: skip
        if job.approve:
            keeper.insist(lambda: jobs.advance(lease, JobState.AWAITING_APPROVAL))
            return None
        result = _result(video, job.output is not None)
        keeper.insist(lambda: jobs.complete(lease, result))
        return replace(video, job=job.id)
    except LeaseLost as error:
        raise JobError(f"{job.id} was taken over by another worker, which goes on with it") from error
    except Cancelled:
        jobs.confirm_cancel(lease)
        raise
    except (KeyboardInterrupt, SystemExit):
        if hand_back:
            jobs.release(lease)
        else:
            jobs.confirm_cancel(lease)
        raise
    except DatabaseError:  # no fault of the job: when its lease is over, another worker goes on
        raise
    except SgenError as error:
        fail(jobs, lease, error)
        raise
    except Exception as error:
        jobs.fail(lease, "fault", f"{type(error).__name__}: {error}")
        raise


def fail(jobs: Jobs, lease: Lease, error: SgenError) -> None:
    """The job failed by something that a person can mend; its kind is the error's own."""
    jobs.fail(lease, error_kind(error), str(error))


class _Teller:
    """Writes what happens into the job and its journal, and passes it on."""

    def __init__(self, keeper: Keeper, journal: Journal, on_event: OnEvent | None) -> None:
        self._keeper, self._journal, self._on_event = keeper, journal, on_event
        self._done = self._total = 0
        self._state = JobState.PLANNING
        self.film = ""

    def __call__(self, event: Event) -> None:
        keeper = self._keeper
        keeper.check()
        match event:
            case PlanNamed(plan):
                self._advance(JobState.PLANNING, plan=plan)
            case FilmNamed(film):
                self.film = film
                self._advance(JobState.RENDERING, film=film)
            case FilmStarted():
                self._done, self._total = event.windows_reused, event.windows
            case WindowFinished():
                self._done += 1
            case PhaseFinished("render") | PhaseStarted("join") if self._state is JobState.RENDERING:
                self._advance(JobState.STITCHING)
        keeper.progress = Progress(str(self._state), self._done, self._total)
        self._journal(event)
        if self._on_event is not None:
            self._on_event(event)

    def _advance(self, state: JobState, plan: str | None = None, film: str | None = None) -> None:
        """The record names what the job relies on before anybody looks for it in the store, and a collection that did
        not know of it has ended by then: so nothing that was found there goes away."""
        jobs, lease = self._keeper.jobs, self._keeper.lease
        progress = Progress(str(state), self._done, self._total)
        self._journal.flush()
        self._keeper.insist(lambda: jobs.advance(lease, state, plan=plan, film=film, progress=progress))
        self._state = state
        if plan or film:
            wait_for_collection(jobs, self._keeper.check)


class _Flights:
    """A database that does not answer costs a window made twice, not the film. Who waits for another's window finds it
    in the store, so only jobs of one store do."""

    def __init__(self, keeper: Keeper, store: str) -> None:
        self._keeper = keeper
        self._store = sha256(Artifacts(store).uri.encode()).hexdigest()[:16]

    def take_off(self, names: Iterable[str]) -> set[str]:
        ours = {f"{self._store}:{name}": name for name in names}
        if not ours:
            return set()
        mine = self._keeper.insist(lambda: self._keeper.jobs.take_off(self._keeper.lease, ours))
        return {ours[name] for name in mine}

    def land(self) -> None:
        self._keeper.insist(lambda: self._keeper.jobs.land(self._keeper.lease))


def _result(video: Video, in_file: bool) -> dict[str, Any]:
    """in_file: it lies where the person wanted it; else in the store, and the file was for the moment."""
    facts = dataclasses.asdict(replace(video, path=Path(), timeline=()))
    facts = {name: value for name, value in facts.items() if name not in ("timeline", "job")}
    return facts | {"path": str(video.path.absolute()) if in_file else None}
