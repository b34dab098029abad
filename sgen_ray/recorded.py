"""The record of a film that is made as a job: it is there before the work, so that any process can go on from it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sgen_ray.engine.config import EngineConfig
from sgen_ray.errors import JobError, ModelError, PlanError
from sgen_ray.jobs.arrays import arrays_from_bytes, arrays_to_bytes
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.database import database_url
from sgen_ray.jobs.fingerprints import content_fingerprint
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.plan_file import kept_plan, plan_from_bytes
from sgen_ray.jobs.records import Job, JobKind
from sgen_ray.jobs.states import JobState
from sgen_ray.models.factory import load_factory
from sgen_ray.orders import Order, seen
from sgen_ray.telemetry.context import carried

_OF_THE_PROCESS = ("in_process", "address", "object_store_mib", "start_timeout")
"""Settings of the engine that say where a film is made, not how."""
_WHOLE = ("first", "picture")
"""What a job holds that belongs to no semantic step, as an order names it."""


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
    engine: EngineConfig,
    key: str | None = None,
    owner: str | None = None,
    tenant: str = "local",
    approve: bool = False,
    weight: float = 1.0,
) -> Job:
    """A job for the order. `owner`: it is this worker's at once; None: it waits for one. `key`: of idempotency.

    What the job needs is kept in the store of its tenant. output: None, as the film goes there too.
    """
    kept = []
    if order.plan is not None:
        kept.append(("plan", *kept_plan(order.plan)))
    if _holds(order):
        kept.append(("held", *_held_artifact(order)))
    names = {kind: name for kind, name, _ in kept}
    artifacts = Artifacts(jobs.store_of(tenant))
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
    if kept and wait_for_collection(jobs):  # it may not have known that the job needs these
        for kind, name, data in kept:
            artifacts.put(kind, name, data)
    return job


def change_plan(jobs: Jobs, job: Job, order: Order) -> Job:
    """The job, which waits for approval, is planned again as the order says, and waits again.

    Raises:
        JobError: it does not wait for approval.
    """
    artifacts, held, tokens = Artifacts(jobs.store_of(job.tenant)), None, b""
    if _holds(order):
        held, tokens = _held_artifact(order)
        artifacts.put("held", held, tokens)
    job = jobs.approve(job.id, request=order.request, held=held, again=True, tenant=job.tenant)
    if held is not None and wait_for_collection(jobs):
        artifacts.put("held", held, tokens)
    return job


def _holds(order: Order) -> bool:
    return bool(order.held) or order.first is not None or order.picture is not None


def _held_artifact(order: Order) -> tuple[str, bytes]:
    """Name and content of what is held of an earlier plan, or of a picture."""
    known: dict[str, NDArray[Any]] = {str(step): array for step, array in (order.held or {}).items()}
    known |= {name: array for name in _WHOLE if (array := getattr(order, name)) is not None}
    arrays = arrays_to_bytes(known)
    return content_fingerprint("held", arrays), arrays


def order_of(job: Job, store: str) -> Order:
    """What the job is to make, ready to be made: as `ordered`, with its picture looked at."""
    return seen(ordered(job, store))


def ordered(job: Job, store: str) -> Order:
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
    if job.held is None or plan is not None:
        return Order(job.request, factory, plan, kind=job.kind, parent=job.parent)
    arrays = artifacts.get("held", job.held)
    if arrays is None:
        raise PlanError(f"what {job.id} keeps of an earlier plan is no longer in the store {store}; edit again")
    known = arrays_from_bytes(arrays)
    whole = {name: known.pop(name, None) for name in _WHOLE}
    held = {int(step): array for step, array in known.items()}
    return Order(job.request, factory, plan, (), held, kind=job.kind, parent=job.parent, **whole)


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


def wait_for_collection(jobs: Jobs, check: Callable[[], None] = lambda: None) -> bool:
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
