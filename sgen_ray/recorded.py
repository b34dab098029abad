"""A film made as a job: its record is there before the work and tells how it ended, so that any process can go on."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
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
from sgen_ray.errors import Cancelled, DatabaseError, JobError, LeaseLost, ModelError, PlanError, SgenError
from sgen_ray.jobs.arrays import arrays_from_bytes, arrays_to_bytes
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.database import database_url
from sgen_ray.jobs.fingerprints import content_fingerprint
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.keeper import Keeper
from sgen_ray.jobs.plan_file import kept_plan, plan_from_bytes
from sgen_ray.jobs.records import Job, JobKind, Lease, Progress
from sgen_ray.jobs.states import JobState
from sgen_ray.journal import Journal
from sgen_ray.models.factory import load_factory
from sgen_ray.orders import Order
from sgen_ray.paths import LOCAL
from sgen_ray.telemetry.context import carried
from sgen_ray.telemetry.film import error_kind, making
from sgen_ray.types import Video

_OF_THE_PROCESS = ("in_process", "address", "object_store_mib", "start_timeout")
"""Settings of the engine that say where a film is made, not how."""


def open_jobs(store: str, database: str | None) -> Jobs | None:
    """The jobs of this store; None where it is no folder and no database was named: films are made without a record.

    Raises:
        DatabaseError: it cannot be opened.
    """
    return None if "://" in store and not database else Jobs(database_url(store, database), store)


def record(
    jobs: Jobs,
    order: Order,
    output: Path | None,
    *,
    store: str,
    engine: EngineConfig,
    key: str | None = None,
    owner: str | None = None,
    tenant: str = "local",
    approve: bool = False,
    weight: float = 1.0,
) -> Job:
    """A job for the order. `owner`: it is this worker's at once; None: it waits for one. `key`: of idempotency.

    store: of all tenants; what the job needs is kept in that of its tenant. output: None, as the film goes there too.
    """
    kept = []
    if order.plan is not None:
        kept.append(("plan", *kept_plan(order.plan)))
    if order.held:
        kept.append(("held", *_held_artifact(order)))
    names = {kind: name for kind, name, _ in kept}
    artifacts = Artifacts(jobs.store_of(tenant, store))
    for kind, name, data in kept:
        artifacts.put(kind, name, data)
    job = jobs.submit(
        order.request,
        kind=order.kind,
        parent=order.parent,
        model=order.factory.fingerprint(),
        idempotency_key=key,
        plan=names.get("plan"),
        held=names.get("held"),
        output=None if output is None else str(output.absolute()),
        engine=_settings(engine) | carried(),
        owner=owner,
        tenant=tenant,
        approve=approve,
        weight=weight,
    )
    if kept and _wait_for_collection(jobs):  # it may not have known that the job needs these
        for kind, name, data in kept:
            artifacts.put(kind, name, data)
    return job


def change_plan(jobs: Jobs, job: Job, order: Order, *, store: str) -> Job:
    """The job, which waits for approval, is planned again as the order says, and waits again.

    Raises:
        JobError: it does not wait for approval.
    """
    artifacts, held, tokens = Artifacts(jobs.store_of(job.tenant, store)), None, b""
    if order.held:
        held, tokens = _held_artifact(order)
        artifacts.put("held", held, tokens)
    job = jobs.approve(job.id, request=order.request, held=held, again=True, tenant=job.tenant)
    if held is not None and _wait_for_collection(jobs):
        artifacts.put("held", held, tokens)
    return job


def _held_artifact(order: Order) -> tuple[str, bytes]:
    """Name and content of what is held of an earlier plan."""
    assert order.held is not None
    tokens = arrays_to_bytes({str(step): array for step, array in order.held.items()})
    return content_fingerprint("held", tokens), tokens


def order_of(job: Job, store: str) -> Order:
    """What the job is to make, from its record and the store of its tenant.

    Raises:
        ModelError, PlanError: the model has changed since, or the plan to be rendered is gone.
    """
    factory = load_factory(job.request.model)
    if job.model is not None and factory.fingerprint() != job.model:
        raise ModelError(
            f"the model {job.request.model!r} is not the one that {job.id} was begun with; restore it, or start anew"
        )
    artifacts = Artifacts(store)
    data = None if job.plan is None else artifacts.get("plan", job.plan)
    if data is None and job.kind is JobKind.RENDER:
        raise PlanError(f"the plan of {job.id} is no longer in the store {store}; run sgen render with its plan again")
    plan = None if data is None else replace(plan_from_bytes(data), request=job.request)
    held = None
    if job.held is not None and plan is None:
        tokens = artifacts.get("held", job.held)
        if tokens is None:
            raise PlanError(f"what {job.id} keeps of an earlier plan is no longer in the store {store}; edit again")
        held = {int(step): array for step, array in arrays_from_bytes(tokens).items()}
    return Order(job.request, factory, plan, (), held, job.kind, job.parent)


def again(jobs: Jobs, job: Job, owner: str) -> Job:
    """The job itself where it waits or lost its worker; a new one like it where it failed or was cancelled.

    Raises:
        JobError: another works on it, or its film is there.
    """
    jobs.reap()
    job = jobs.get(job.id)
    if not job.over:
        return jobs.take(job.id, owner)
    if job.state is JobState.COMPLETED and job.output is not None and Path(job.output).is_file():
        raise JobError(f"{job.id} is completed; its film is {job.output}")
    return jobs.submit(
        job.request, tenant=job.tenant, kind=job.kind, parent=job.parent, model=job.model, priority=job.priority,
        weight=job.weight, plan=job.plan, held=job.held, output=job.output, engine=job.engine, owner=owner,
    )  # fmt: skip


def engine_of(job: Job, engine: EngineConfig | None = None) -> EngineConfig:
    """The settings that the job was begun with; of `engine`, where it is made and with how many renderers."""
    engine = engine or EngineConfig()
    known = {field.name for field in dataclasses.fields(EngineConfig)}
    settings = {name: value for name, value in job.engine.items() if name in known}
    if engine.renderers is not None:
        settings["renderers"] = engine.renderers
    return replace(engine, **settings)


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
            if job.approve:
                make_plan(
                    order.request, order.factory, store=store, held=order.held, engine=engine, on_event=tell,
                    runtime=runtime,
                )  # fmt: skip
            else:
                video = generate_film(
                    order.request, order.factory, output, store=store, engine=engine, plan=order.plan,
                    held=order.held, live=live, on_event=tell, runtime=runtime, flights=_Flights(keeper, store),
                )  # fmt: skip
                if job.output is None:
                    Artifacts(store).put_file("video", tell.film, output)
                watcher.video = video
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
            _wait_for_collection(jobs, self._keeper.check)


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


def _wait_for_collection(jobs: Jobs, check: Callable[[], None] = lambda: None) -> bool:
    """True where there was one to wait for."""
    waited = False
    while jobs.collecting():
        waited = True
        check()
        time.sleep(0.2)
    return waited


def _settings(engine: EngineConfig) -> dict[str, Any]:
    """Plain settings that differ from the defaults, but for those of this process."""
    return {
        field.name: value
        for field in dataclasses.fields(engine)
        if field.name not in _OF_THE_PROCESS
        and (value := getattr(engine, field.name)) != field.default
        and isinstance(value, int | float | str | bool)
    }


def _result(video: Video, in_file: bool) -> dict[str, Any]:
    """in_file: it lies where the person wanted it; else in the store, and the file was for the moment."""
    facts = dataclasses.asdict(replace(video, path=Path(), timeline=()))
    facts = {name: value for name, value in facts.items() if name not in ("timeline", "job")}
    return facts | {"path": str(video.path.absolute()) if in_file else None}
