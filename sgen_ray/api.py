"""The film in one call: request, model and engine put together, for Python callers and the command line alike.

    order = place_order("a red fox running through snow", seconds=20)
    video = fill_order(order, "fox.mp4")

`generate`, `plan`, `render`, `edit` and `extend` are such steps in one.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import JobRecorded, OnEvent
from sgen_ray.engine.generate import generate_film, make_plan, preview_plan
from sgen_ray.engine.runtime import Runtime
from sgen_ray.filling import fill
from sgen_ray.jobs.jobs import Jobs
from sgen_ray.jobs.owner import this_owner
from sgen_ray.jobs.plan_file import write_plan
from sgen_ray.jobs.records import Job
from sgen_ray.orders import Order, edit_order, extend_order, place_order, reopen, seen
from sgen_ray.paths import default_database, default_store, space_for, writable_file, writable_folder, writable_store
from sgen_ray.recorded import open_jobs, record
from sgen_ray.types import Plan, Video

__all__ = ["Order", "edit", "edit_order", "extend", "extend_order", "fill_order", "generate", "place_order", "plan",
           "plan_order", "render", "reopen", "thumbnails"]  # fmt: skip


def generate(
    prompt: str | None = None,
    *,
    output: str | Path = "film.mp4",
    store: str | Path | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
    **wishes: Any,
) -> Video:
    """Makes a film and writes it to `output`.

    Args:
        prompt, wishes: as `place_order`: shots, seconds, size, fps, seed, steps, guidance, model, ...
        store: folder or URI that keeps finished work; by default SGEN_STORE, or the user's data folder.
        engine: renderers, threads, device, cluster; by default chosen from the machine.
        on_event: called with each of `sgen_ray.engine.events`; it may raise `Cancelled` to stop.

    Raises:
        SgenError: one line that says what to do.
    """
    order = place_order(prompt, **wishes)
    return fill_order(order, output, store=store, engine=engine, on_event=on_event)


def plan(
    prompt: str | None = None,
    *,
    output: str | Path | None = None,
    store: str | Path | None = None,
    on_event: OnEvent | None = None,
    **wishes: Any,
) -> Plan:
    """The plan alone, written to `output` (.arrow) where given. Arguments and errors as `generate`."""
    return plan_order(place_order(prompt, **wishes), output, store=store, on_event=on_event)


def render(
    plan: Plan | str | Path,
    *,
    output: str | Path = "film.mp4",
    store: str | Path | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
    **changes: Any,
) -> Video:
    """The film of a plan or of a plan file. `changes` as `reopen`; other arguments and errors as `generate`."""
    order = reopen(plan, **changes)
    return fill_order(order, output, store=store, engine=engine, on_event=on_event)


def edit(
    film: Plan | str | Path,
    prompt: str,
    *,
    shot: int = 1,
    output: str | Path = "film.mp4",
    store: str | Path | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
    **changes: Any,
) -> Video:
    """The film with another prompt for one shot, counted from 1; everything else stays as it is.

    Args:
        film: a plan, a plan file, or a film whose plan is still in the store.
        changes, and other arguments and errors: as `render`.
    """
    order = edit_order(film, shot, prompt, store=store, **changes)
    return fill_order(order, output, store=store, engine=engine, on_event=on_event)


def extend(
    film: Plan | str | Path,
    prompt: str | None = None,
    *,
    seconds: float,
    output: str | Path = "film.mp4",
    store: str | Path | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
    **changes: Any,
) -> Video:
    """The film with `seconds` more at its end: a new shot where there is a prompt, else more of the last.

    Arguments and errors as `edit`.
    """
    order = extend_order(film, seconds, prompt, store=store, **changes)
    return fill_order(order, output, store=store, engine=engine, on_event=on_event)


def fill_order(
    order: Order,
    output: str | Path,
    *,
    store: str | Path | None = None,
    engine: EngineConfig | None = None,
    live: str | Path | None = None,
    on_event: OnEvent | None = None,
    database: str | None = None,
    job: Job | None = None,
    jobs: Jobs | None = None,
    runtime: Runtime | None = None,
) -> Video:
    """Makes the ordered film, after making sure that there is room for it.

    Args:
        live: a folder for an HLS playlist, film.m3u8, that plays while the rest is made.
        database: of the job's record; by default SGEN_DATABASE, or jobs.db where the store is a folder.
        jobs: that database, opened. job: the record, where there is one already and this process has claimed it.
        runtime: as `generate_film`.
    """
    engine, order = engine or EngineConfig(), seen(order)
    needed = space_for(order.request)
    output = writable_file(output, (".mp4",), needed)
    store = writable_store(str(store or default_store()), needed)
    where = None if live is None else writable_folder(live, needed)
    opened = nullcontext(jobs) if jobs is not None else open_jobs(store, database or default_database())
    with opened or nullcontext() as records:
        if records is None:
            video = generate_film(
                order.request, order.factory, output, store=store, engine=engine, plan=order.plan, held=order.held,
                first=order.first, live=where, on_event=on_event, runtime=runtime,
            )  # fmt: skip
        else:
            job = job or record(records, order, output, engine=engine, owner=this_owner("sgen"))
            if on_event is not None:
                on_event(JobRecorded(job.id))
            made = fill(
                records, job, order, output, store=store, engine=engine, live=where, on_event=on_event, runtime=runtime
            )
            assert made is not None
            video = made
    return replace(video, warnings=order.warnings)


def plan_order(
    order: Order,
    output: str | Path | None = None,
    *,
    store: str | Path | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """Plans the ordered film and writes the plan to `output` (.arrow) where given."""
    if output is not None:
        output = writable_file(output, (".arrow",))
    store, order = writable_store(str(store or default_store())), seen(order)
    made = make_plan(order.request, order.factory, store=store, held=order.held, first=order.first,
                     engine=_here(), on_event=on_event)  # fmt: skip
    if output is not None:
        write_plan(made, output)
    return made


def thumbnails(order: Order, made: Plan, *, store: str | Path | None = None) -> NDArray[np.uint8]:
    """A plan seen: one picture a semantic step, [S, H, W, 3]."""
    store = writable_store(str(store or default_store()))
    return preview_plan(made, order.factory, store=store, engine=_here())


def _here() -> EngineConfig:
    """One short call needs no cluster: starting one would take longer than planning."""
    return EngineConfig(in_process="RAY_ADDRESS" not in os.environ)
