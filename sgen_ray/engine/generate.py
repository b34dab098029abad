"""A film from a request: the planner decides it, the renderers paint it in windows, the stitcher joins it.

Whatever is finished is in the store, so any run may be cut off anywhere, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.crew import Crew, Task
from sgen_ray.engine.events import FilmFinished, FilmStarted, OnEvent, SegmentEncoded, WindowFinished
from sgen_ray.engine.film import Film, Todo, cut, join, lay_out, to_do
from sgen_ray.engine.stored import stored_segment
from sgen_ray.engine.studio import Studio, opened
from sgen_ray.engine.watch import Watch
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.media.live import LivePlaylist
from sgen_ray.paths import space_for, writable_file
from sgen_ray.protocols import ModelFactory
from sgen_ray.types import Plan, Tokens, Video, VideoRequest, Window


def generate_film(
    request: VideoRequest,
    factory: ModelFactory,
    output: str | Path,
    *,
    store: str | Path,
    engine: EngineConfig | None = None,
    plan: Plan | None = None,
    held: Mapping[int, Tokens] | None = None,
    live: Path | None = None,
    on_event: OnEvent | None = None,
) -> Video:
    """Makes the film and writes it to `output`, whole or not at all.

    Args:
        store: where finished work is kept and taken from; a folder or a URI for `Artifacts`.
        plan: made before, by `make_plan` or from a file; `request` then says seed, steps and the output.
        held: what of an earlier plan is kept, by semantic step; the rest is planned around it.
        live: folder for an HLS playlist that plays while the rest is made.
        on_event: called with everything that happens; it may raise `Cancelled` to stop, as Ctrl-C does.

    Raises:
        PlanError, ModelError, OutputError, EngineError: one line each that says what to do. What was finished is kept.
        Cancelled, KeyboardInterrupt: after every running call has stopped at its next step.
    """
    engine, output, watch = engine or EngineConfig(), Path(output), Watch(on_event)
    writable_file(output, (".mp4",), space_for(request))
    with _studio(request, factory, store, engine, watch) as studio:
        renderers = None
        if plan is not None:
            studio.check(plan)
        elif (plan := studio.stored_plan(request, held)) is None:
            planner, renderers = studio.planner(), studio.renderers()  # these load while that plans
            plan = studio.make_plan(planner, request, held)
        film = lay_out(replace(plan, request=request), factory.halo, studio.model, studio.backend, engine)
        todo = to_do(film, studio.artifacts)
        layout = studio.layout
        watch.tell(
            FilmStarted(
                windows=len(film.windows),
                segments=len(film.parts),
                renderers=layout.renderers,
                threads=layout.threads,
                device=layout.device,
                windows_reused=len(film.windows) - len(todo.render),
                segments_reused=len(film.parts) - len(todo.segments),
            )
        )
        with _published(film, todo, studio.artifacts, live) as ready:
            if todo.segments:
                renderers = renderers or studio.renderers(max(len(todo.render), len(todo.segments)))
                _paint(film, todo, studio, renderers, ready)
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
        windows_rendered=len(todo.render),
        windows_reused=len(film.windows) - len(todo.render),
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
    engine: EngineConfig | None = None,
    on_event: OnEvent | None = None,
) -> Plan:
    """The plan alone, from the store where the same was planned before. Raises as `generate_film` does."""
    with _studio(request, factory, store, engine or EngineConfig(), Watch(on_event)) as studio:
        return studio.stored_plan(request, held) or studio.make_plan(studio.planner(), request, held)


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


@contextmanager
def _published(film: Film, todo: Todo, artifacts: Artifacts, folder: Path | None) -> Iterator[Callable[[int], None]]:
    """What to call with each segment that is stored; without a folder that does nothing."""
    if folder is None:
        yield lambda segment: None
        return
    request, first = film.plan.request, film.parts[0]
    length = film.plan.grid.pixel_range(first.start, first.stop)
    seconds = (length[1] - length[0]) / film.plan.grid.fps
    playlist = LivePlaylist(
        folder, request.fps, request.frames, seconds,
        lambda segment: stored_segment(artifacts, film.parts[segment].fingerprint, segment),
    )  # fmt: skip
    try:
        for part in film.parts:
            if part.index not in todo.segments:
                playlist.ready(part.index)
        yield playlist.ready
    finally:
        playlist.close()


def _paint(film: Film, todo: Todo, studio: Studio, renderers: Crew, ready: Callable[[int], None]) -> None:
    """Everything that the store lacks: windows and segments, each as soon as the windows that it needs are there."""
    joined: list[tuple[Window, str]] = []
    stitcher = studio.stitcher(film.blend, film.encoding, joined)
    watch, names = studio.watch, film.window_names
    plan = studio.runtime.share(film.plan)
    stitcher.submit(*(Task("add", window.index, (window, names[window.index], None)) for window in todo.add))
    waiting = {index: set(others) for index, others in todo.waits.items()}

    def submit_ready() -> None:
        for index in [index for index, others in waiting.items() if not others]:
            del waiting[index]
            known = film.known(index)
            renderers.submit(Task("render", index, (plan, film.windows[index], names[index], known), priority=1))

    submit_ready()
    rendered, encoded = 0, len(film.parts) - len(todo.segments)
    blended: list[Task] = []  # segments that wait for their turn; decoded frames are large, so few are under way
    decoding, most = 0, 2 * studio.layout.renderers + 2

    for done in studio.finished():
        index = done.task.index
        match done.task.method:
            case "render":
                watch.did("render", done.result, index, done.worker)
                watch.tell(WindowFinished(index, done.worker, done.result))
                stored = (film.windows[index], names[index])
                stitcher.submit(Task("add", index, (*stored, done.payload), again=(*stored, None)))
                for others in waiting.values():
                    others.discard(index)
                submit_ready()
                rendered += 1
                if rendered == len(todo.render):
                    watch.finished("render")
            case "add":
                joined.append((film.windows[index], names[index]))
                missing = [(place, segment) for place, segment in enumerate(done.result) if segment in todo.segments]
                blended += [Task("decode", segment, (done.payload, place)) for place, segment in missing]
            case "decode":
                watch.did("decode", done.result, index, done.worker)
                part = film.parts[index]
                stitcher.submit(Task("encode", index, (part.frame_start, done.payload, part.fingerprint, index)))
            case "encode":
                watch.did("encode", done.result, index, done.worker)
                encoded += 1
                decoding -= 1
                ready(index)
                watch.tell(SegmentEncoded(index, encoded, len(film.parts)))
        blended.sort(key=lambda task: task.index)
        while blended and decoding < most:
            renderers.submit(blended.pop(0))
            decoding += 1
    watch.finished("decode")
    watch.finished("encode")


@contextmanager
def _studio(
    request: VideoRequest, factory: ModelFactory, store: str | Path, engine: EngineConfig, watch: Watch
) -> Iterator[Studio]:
    """Whatever happens inside, running calls are stopped at their next step and no process stays."""
    windows = cut(request, factory.grid, engine)
    with opened(engine) as runtime:
        studio = Studio(runtime, factory, Artifacts(store), engine, watch, len(windows))
        try:
            yield studio
        except BaseException:
            studio.stop()
            raise
