"""A film from a request: the planner decides it, the renderers paint it in windows, the stitcher joins it.

Whatever is finished is in the store, so any run may be cut off anywhere, and the next one goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import (
    FilmFinished,
    FilmNamed,
    FilmStarted,
    Looked,
    OnEvent,
    PlanNamed,
)
from sgen_ray.engine.film import Film, Todo, cut, join, lay_out, manifest, to_do
from sgen_ray.engine.paint import paint, published
from sgen_ray.engine.runtime import Runtime
from sgen_ray.engine.studio import Studio, opened
from sgen_ray.engine.watch import Watch
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.paths import space_for, writable_file
from sgen_ray.protocols import ModelFactory
from sgen_ray.types import Latents, Plan, Tokens, Video, VideoRequest

WAIT = 0.5
"""Seconds between two looks at windows that other jobs make."""


class Flights(Protocol):
    """Who makes which artifact just now, so that two jobs do not make the same one at once."""

    def take_off(self, names: Iterable[str]) -> set[str]:
        """Which of these this job is to make: all but those that others make."""
        ...

    def land(self) -> None: ...


def generate_film(
    request: VideoRequest,
    factory: ModelFactory,
    output: str | Path,
    *,
    store: str | Path,
    engine: EngineConfig | None = None,
    plan: Plan | None = None,
    held: Mapping[int, Tokens] | None = None,
    first: Latents | None = None,
    live: Path | None = None,
    on_event: OnEvent | None = None,
    runtime: Runtime | None = None,
    flights: Flights | None = None,
) -> Video:
    """Makes the film and writes it to `output`, whole or not at all.

    Args:
        store: where finished work is kept and taken from; a folder or a URI for `Artifacts`.
        plan: made before, by `make_plan` or from a file; `request` then says seed, steps and the output.
        held: what of an earlier plan is kept, by semantic step; the rest is planned around it.
        first: the first latent frame [C, H, W], where it is known: with its picture's tokens `held`, the film begins
            with that picture.
        live: folder for an HLS playlist that plays while the rest is made.
        on_event: called with everything that happens; it may raise `Cancelled` to stop, as Ctrl-C does.
        runtime: where to work, and left open: for more films too, unless what was raised is neither an `SgenError` nor
            `Cancelled`. By default the film opens its own.
        flights: says which windows are another job's to render; by default none is.

    Raises:
        PlanError, ModelError, OutputError, EngineError: one line each that says what to do. What was finished is kept.
        Cancelled, KeyboardInterrupt: after every running call has stopped at its next step.
    """
    engine, output, watch = engine or EngineConfig(), Path(output), Watch(on_event)
    writable_file(output, (".mp4",), space_for(request))
    with _studio(request, factory, store, engine, watch, runtime) as studio:
        renderers = None
        if plan is not None:
            studio.check(plan)
        else:
            watch.tell(PlanNamed(studio.plan_name(request, held, first)))
            if (plan := studio.stored_plan(request, held, first)) is None:
                planner, renderers = studio.planner(), studio.renderers()  # these load while that plans
                plan = studio.make_plan(planner, request, held, first)
        film = lay_out(replace(plan, request=request), factory.halo, studio.model, studio.backend, engine)
        parts = manifest(film)
        watch.tell(FilmNamed(parts.name))
        studio.artifacts.put("film", parts.name, parts.to_bytes())
        todo = to_do(film, studio.artifacts)
        layout, painted = studio.layout, {window.index for window in todo.render}
        reused = tuple(window.index for window in film.windows if window.index not in painted)
        watch.tell(
            FilmStarted(
                windows=len(film.windows),
                segments=len(film.parts),
                renderers=layout.renderers,
                threads=layout.threads,
                device=layout.device,
                windows_reused=len(reused),
                segments_reused=len(film.parts) - len(todo.segments),
                reused=reused,
            )
        )
        with published(film, todo, studio.artifacts, live) as ready:
            rendered = 0
            left = todo
            while left.segments:
                now = left if flights is None else _ours(film, left, flights)
                if now.render or now.segments:
                    renderers = renderers or studio.renderers(max(len(todo.render), len(todo.segments)))
                    paint(film, now, studio, renderers, ready)
                    rendered += len(now.render)
                else:
                    watch.tell(Looked())
                    time.sleep(WAIT)
                if flights is not None:
                    flights.land()
                if now == left:
                    break
                left = to_do(film, studio.artifacts)
        studio.close()
        with watch.phase("join"):
            frames, report = join(film, studio.artifacts, output, studio.model)
        wall = watch.wall()
        watch.tell(FilmFinished(watch.peak_memory))
    return Video(
        path=output,
        seconds=frames / request.fps,
        frames=frames,
        fps=request.fps,
        width=request.width,
        height=request.height,
        seed=request.seed,
        model=request.model,
        windows=len(film.windows),
        renderers=layout.renderers,
        windows_rendered=rendered,
        windows_reused=len(film.windows) - rendered,
        report=report,
        wall=wall,
        timeline=tuple(watch.timeline),
        utilisation=watch.utilisation(layout.renderers),
    )


def make_plan(
    request: VideoRequest,
    factory: ModelFactory,
    *,
    store: str | Path,
    held: Mapping[int, Tokens] | None = None,
    first: Latents | None = None,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
    runtime: Runtime | None = None,
) -> Plan:
    """The plan alone, from the store where the same was planned before. Raises as `generate_film` does."""
    watch = Watch(on_event)
    with _studio(request, factory, store, engine or EngineConfig(), watch, runtime) as studio:
        watch.tell(PlanNamed(studio.plan_name(request, held, first)))
        return studio.stored_plan(request, held, first) or studio.make_plan(studio.planner(), request, held, first)


def preview_plan(
    plan: Plan,
    factory: ModelFactory,
    *,
    store: str | Path,
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
) -> NDArray[np.uint8]:
    """One thumbnail a semantic step, [S, H, W, 3]. Raises as `generate_film` does."""
    with _studio(plan.request, factory, store, engine or EngineConfig(), Watch(on_event)) as studio:
        studio.check(plan)
        return studio.preview(plan)


def _ours(film: Film, todo: Todo, flights: Flights) -> Todo:
    """What of it is ours to do now: not what waits for windows that another job makes."""
    names = {f"window:{film.window_names[window.index]}": window.index for window in todo.render}
    return todo.of(film, frozenset(names[name] for name in flights.take_off(names)))


@contextmanager
def _studio(
    request: VideoRequest,
    factory: ModelFactory,
    store: str | Path,
    engine: EngineConfig,
    watch: Watch,
    runtime: Runtime | None = None,
) -> Iterator[Studio]:
    """Whatever happens inside, running calls are stopped at their next step and no process stays."""
    windows = cut(request, factory.grid, engine)
    with opened(engine) if runtime is None else nullcontext(runtime) as place:
        studio = Studio(place, factory, Artifacts(store), engine, watch, len(windows))
        try:
            yield studio
        except BaseException:
            studio.stop()
            raise
        finally:
            studio.close()
