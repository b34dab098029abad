"""What a person wants made, checked before anything is loaded: a new film, a plan rendered again, or a film changed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sgen_ray import revision
from sgen_ray.engine.studio import check_plan
from sgen_ray.errors import PlanError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.database import database_url
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.plan_file import plan_from_bytes, read_plan
from sgen_ray.jobs.records import Job, JobKind, is_job
from sgen_ray.media.probe import probe
from sgen_ray.models.factory import load_factory
from sgen_ray.paths import default_database, default_store
from sgen_ray.protocols import ModelFactory
from sgen_ray.request import make_request
from sgen_ray.revision import Revision
from sgen_ray.story import read_story
from sgen_ray.types import Plan, Shot, Tokens, VideoRequest


@dataclass(frozen=True)
class Order:
    """A checked request, the model that can fill it, the plan where there is one, and what a person should know."""

    request: VideoRequest
    factory: ModelFactory
    plan: Plan | None = None
    warnings: tuple[str, ...] = ()
    held: Mapping[int, Tokens] | None = None
    """Of an earlier plan, by semantic step: the rest is planned around it."""
    kind: JobKind = JobKind.GENERATE
    parent: str | None = None
    """The job whose film this one changes, where it is known."""


def place_order(
    prompt: str | None = None,
    *,
    shots: Sequence[Shot] | str | Path = (),
    model: str = VideoRequest.model,
    **wishes: Any,
) -> Order:
    """Checks everything that can be checked without loading weights.

    Args:
        prompt, shots, wishes: as `sgen_ray.request.make_request`; `shots` may be the path of a story.yaml.
        model: a model that comes with sgen, or a model folder.

    Raises:
        RequestError, ModelError: one line that says what to change.
    """
    factory = load_factory(model)
    storyboard = read_story(shots) if isinstance(shots, str | Path) else shots
    request = make_request(prompt, shots=storyboard, model=model, grid=factory.grid, **wishes)
    return Order(request, factory, warnings=_warnings(request, factory))


def reopen(
    plan: Plan | str | Path,
    *,
    model: str | None = None,
    size: str | tuple[int, int] | None = None,
    fps: int | None = None,
    steps: int | None = None,
    store: str | Path | None = None,
    database: str | None = None,
) -> Order:
    """An order to render a plan; what is not given is as the plan's request says. Raises PlanError too."""
    plan, parent = _plan_of(plan, store, database)
    order = _again(plan, plan.request.shots, model=model, size=size, fps=fps, steps=steps)
    return replace(order, plan=replace(plan, request=order.request), kind=JobKind.RENDER, parent=parent)


def edit_order(
    film: Plan | str | Path,
    shot: int,
    prompt: str,
    *,
    store: str | Path | None = None,
    database: str | None = None,
    **changes: Any,
) -> Order:
    """An order for a film with another prompt for one shot. `changes` as `reopen`."""
    plan, parent = _plan_of(film, store, database)
    order = _revised(plan, revision.edit_shot(plan, shot, prompt), **changes)
    return replace(order, kind=JobKind.EDIT, parent=parent)


def extend_order(
    film: Plan | str | Path,
    seconds: float,
    prompt: str | None = None,
    *,
    store: str | Path | None = None,
    database: str | None = None,
    **changes: Any,
) -> Order:
    """An order for a longer film. `changes` as `reopen`."""
    plan, parent = _plan_of(film, store, database)
    order = _revised(plan, revision.extend(plan, seconds, prompt), **changes)
    return replace(order, kind=JobKind.EXTEND, parent=parent)


def _plan_of(film: Plan | str | Path, store: str | Path | None, database: str | None) -> tuple[Plan, str | None]:
    """A plan as it is, from its file, or the plan that a film or the film of a job was made of; and that job."""
    if isinstance(film, Plan):
        return film, None
    if is_job(str(film)):
        kept = str(store or default_store())
        with Jobs(database_url(kept, database or default_database()), kept) as jobs:
            return plan_of_job(jobs, jobs.get(str(film)), kept), str(film)
    path = Path(film).expanduser()
    if path.suffix.lower() != ".mp4":
        return read_plan(path), None
    return plan_of_film(path, str(store or default_store()), str(path)), None


def plan_of_film(path: Path, store: str, name: str) -> Plan:
    """The plan that a film of ours was made of, as the film itself says. `name`: what a person calls the film.

    Raises:
        SgenError: it is no film. PlanError: it does not say, or the plan is not in this store.
    """
    plan = probe(path).provenance.get("plan")
    if not isinstance(plan, str) or not re.fullmatch(r"[0-9a-f]{64}", plan):
        raise PlanError(f"{name} does not say which plan it was made of; give its plan.arrow")
    data = Artifacts(store).get("plan", plan)
    if data is None:
        raise PlanError(
            f"the plan of {name} is not in the store {store}; name its store with --store, or its plan.arrow"
        )
    return plan_from_bytes(data, name)


def plan_of_job(jobs: Jobs, job: Job, store: str) -> Plan:
    """The plan that was made for the job, from the store of its tenant; `store` is that of all. Raises PlanError."""
    data = None if job.plan is None else Artifacts(jobs.store_of(job.tenant, store)).get("plan", job.plan)
    if data is None:
        raise PlanError(f"{job.id} has no plan; it is {job.state}: wait until it is planned, or make it again")
    return replace(plan_from_bytes(data, job.id), request=job.request)


def _again(plan: Plan, shots: Sequence[Shot], *, model: str | None = None, size: str | tuple[int, int] | None = None,
           fps: int | None = None, steps: int | None = None, **limits: Any) -> Order:  # fmt: skip
    """An order as the plan's own was, with these shots and what else is given; `limits` as those of `make_request`."""
    old = plan.request
    factory = load_factory(model or old.model)
    request = make_request(
        shots=shots,
        size=(old.width, old.height) if size is None else size,
        fps=old.fps if fps is None else fps,
        seed=old.seed,
        steps=old.steps if steps is None else steps,
        plan_steps=old.plan_steps,
        guidance=old.guidance,
        negative_prompt=old.negative_prompt,
        model=model or old.model,
        grid=plan.grid,
        **limits,
    )
    return Order(request, factory, warnings=_warnings(request, factory))


def rewritten_order(plan: Plan, shots: Sequence[Shot], **changes: Any) -> Order:
    """An order for a film with another storyboard, where shots that stay keep their plan. `changes` as `reopen`."""
    return _revised(plan, revision.rewrite(plan, shots), **changes)


def _revised(plan: Plan, change: Revision, **changes: Any) -> Order:
    order = _again(plan, change.shots, **changes)
    check_plan(plan, order.factory)
    return replace(order, held=change.held)


def _warnings(request: VideoRequest, factory: ModelFactory) -> tuple[str, ...]:
    unknown = factory.unknown_words(" ".join(shot.prompt for shot in request.shots))
    if not unknown:
        return ()
    words = ", ".join(repr(word) for word in unknown)
    known = ", ".join(dict.fromkeys(factory.known_words()))
    return (f"the demo model has never seen {words}; it knows: {known}",)
