"""Windows and segments of a film that the store lacks, each as soon as what it needs is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sgen_ray.engine.crew import Crew, Task
from sgen_ray.engine.events import SegmentEncoded, WindowFinished
from sgen_ray.engine.film import Film, Todo
from sgen_ray.engine.stored import stored_segment
from sgen_ray.engine.studio import Studio
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.media.live import LivePlaylist
from sgen_ray.types import Window


@contextmanager
def published(film: Film, todo: Todo, artifacts: Artifacts, folder: Path | None) -> Iterator[Callable[[int], None]]:
    """What to call with each segment that is stored; without a folder that does nothing."""
    if folder is None:
        yield lambda segment: None
        return
    request = film.plan.request
    playlist = LivePlaylist(
        folder, request.fps, request.frames,
        lambda segment: stored_segment(artifacts, film.parts[segment].fingerprint, segment),
    )  # fmt: skip
    try:
        for part in film.parts:
            if part.index not in todo.segments:
                playlist.ready(part.index)
        yield playlist.ready
    finally:
        playlist.close()


def paint(film: Film, todo: Todo, studio: Studio, renderers: Crew, ready: Callable[[int], None]) -> None:
    """Everything that the store lacks: windows and segments, each as soon as the windows that it needs are there."""
    joined: list[tuple[Window, str]] = []
    stitcher = studio.stitcher(film.blend, joined)
    watch, names = studio.watch, film.window_names
    plan, store = studio.runtime.share(film.plan), studio.artifacts.uri
    stitcher.submit(*(Task("add", window.index, (window, names[window.index], None)) for window in todo.add))
    waiting = {index: set(others) for index, others in todo.waits.items()}

    def submit_ready() -> None:
        for index in [index for index, others in waiting.items() if not others]:
            del waiting[index]
            known = film.known(index)
            work = (store, plan, film.windows[index], names[index], known)
            renderers.submit(Task("render", index, work, priority=1))

    submit_ready()
    rendered, encoded = 0, len(film.parts) - len(todo.segments)

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
                for place, segment in enumerate(done.result):
                    if segment not in todo.segments:
                        continue
                    made = (film.encoding, film.parts[segment].fingerprint)
                    # The latents may go with their machine; then they are blended again.
                    again = (store, film.reblend(segment), segment, *made)
                    renderers.submit(Task("decode", segment, (store, done.payload, place, *made), again=again))
            case "decode":
                decoding, encoding = done.result
                watch.did("decode", decoding, index, done.worker, ago=encoding)
                watch.did("encode", encoding, index, done.worker)
                encoded += 1
                ready(index)
                watch.tell(SegmentEncoded(index, encoded, len(film.parts)))
    if todo.segments:
        watch.finished("decode")
        watch.finished("encode")
