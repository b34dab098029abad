"""The bookkeeping of one film: how it is cut, what each part is called in the store, and what is still to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sgen_ray import __version__
from sgen_ray.engine.actors import BlendSpec, Known, Reblend
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.stored import has_segment, stored_segment, stored_stats
from sgen_ray.errors import EngineError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.fingerprints import Backend, segment_fingerprint, window_fingerprints
from sgen_ray.jobs.manifest import Manifest, manifest_from_bytes
from sgen_ray.jobs.plan_file import kept_plan, plan_from_bytes
from sgen_ray.measures import FilmStats, report
from sgen_ray.media.concat import concat, provenance
from sgen_ray.media.encode import BT709, H264, Encoding
from sgen_ray.shapes import Grid
from sgen_ray.types import Plan, Report, VideoRequest, Window
from sgen_ray.windows import WindowTask, segments, split, window_tasks


@dataclass(frozen=True)
class Part:
    """One segment: latent frames [start, stop), and the windows that show in it."""

    index: int
    start: int
    stop: int
    windows: tuple[int, ...]
    fingerprint: str


@dataclass(frozen=True)
class Film:
    """Everything about a film that follows from its plan; `tasks` and `window_names`, fingerprints, are by window."""

    plan: Plan
    windows: tuple[Window, ...]
    tasks: tuple[WindowTask, ...]
    window_names: tuple[str, ...]
    parts: tuple[Part, ...]
    blend: BlendSpec
    encoding: Encoding

    def known(self, index: int) -> tuple[Known, ...]:
        """Where in the store a window finds what it needs."""
        needs = self.tasks[index].needs
        return tuple(
            Known(self.windows[need.window], self.window_names[need.window], need.start, need.stop) for need in needs
        )

    def reblend(self, segment: int) -> Reblend:
        return Reblend(
            self.blend, tuple((self.windows[index], self.window_names[index]) for index in self.parts[segment].windows)
        )


@dataclass(frozen=True)
class Todo:
    """What the store does not have yet.

    Attributes:
        render: windows to paint; add: windows that are stored and that a missing segment needs.
        waits: of each window to paint, which others of these must be there before.
        segments: segments to decode and encode.
    """

    render: tuple[Window, ...]
    add: tuple[Window, ...]
    waits: Mapping[int, frozenset[int]]
    segments: frozenset[int]

    def of(self, film: Film, windows: frozenset[int]) -> Todo:
        """Of this, what can be done by rendering only these windows: none of them that waits for another."""
        possible = {window.index for window in self.render} & windows
        while blocked := {index for index in possible if self.waits[index] - possible}:
            possible -= blocked
        lacking = {window.index for window in self.render} - possible
        return Todo(
            render=tuple(window for window in self.render if window.index in possible),
            add=self.add,
            waits={index: self.waits[index] for index in sorted(possible)},
            segments=frozenset(index for index in self.segments if not lacking & {*film.parts[index].windows}),
        )


def cut(request: VideoRequest, grid: Grid, engine: EngineConfig) -> tuple[Window, ...]:
    """The windows of a film that is yet to be planned."""
    return split(grid.latent_frames(grid.frames(request.seconds)), grid.unit, engine.window, engine.overlap)


def lay_out(plan: Plan, halo: tuple[int, int], model: str, backend: Backend, engine: EngineConfig) -> Film:
    """Cuts the film and names its parts. `model` is the fingerprint of the weights that render."""
    grid, request = plan.grid, plan.request
    windows = split(plan.latent_frames, grid.unit, engine.window, engine.overlap)
    tasks = window_tasks(windows, plan.shot_starts, engine.seams)
    names = window_fingerprints(plan, tasks, model, backend)
    encoding = Encoding(request.width, request.height, request.fps, grid.fps)
    settings = {"encoding": encoding, "h264": H264, "colours": BT709, "encoder": _encoder_version()}
    parts = []
    for index, (start, stop) in enumerate(segments(plan.latent_frames, engine.segment)):
        first, last = start - halo[0], stop + halo[1]
        shown = [window for window in windows if window.start < last and first < window.stop]
        _, frame_stop = grid.pixel_range(start, stop)
        name = segment_fingerprint(
            [(window, names[window.index]) for window in shown],
            start,
            stop,
            min(frame_stop, plan.frames),
            halo,
            settings,
        )
        parts.append(Part(index, start, stop, tuple(window.index for window in shown), name))
    blend = BlendSpec(windows, grid, halo, plan.frames, engine.segment, plan.shot_starts)
    return Film(plan, windows, tasks, names, tuple(parts), blend, encoding)


def to_do(film: Film, artifacts: Artifacts) -> Todo:
    """Only segments that are missing, only windows that show in one of these, and what those wait for."""
    missing = [part for part in film.parts if not has_segment(artifacts, part.fingerprint)]
    shown = {window for part in missing for window in part.windows}
    stored: dict[int, bool] = {}
    asked = sorted(shown, reverse=True)
    while asked:
        index = asked.pop()
        if index not in stored:
            stored[index] = artifacts.exists("window", film.window_names[index])
            asked += [] if stored[index] else [need.window for need in film.tasks[index].needs]
    render = sorted(index for index, there in stored.items() if not there)
    return Todo(
        render=tuple(film.windows[index] for index in render),
        add=tuple(film.windows[index] for index in sorted(shown) if stored[index]),
        waits={index: frozenset(n.window for n in film.tasks[index].needs) & {*render} for index in render},
        segments=frozenset(part.index for part in missing),
    )


def manifest(film: Film) -> Manifest:
    name, _ = kept_plan(film.plan)
    return Manifest(
        name,
        film.window_names,
        tuple(part.fingerprint for part in film.parts),
        tuple(_shown(film, part) for part in film.parts),
    )


def _shown(film: Film, part: Part) -> int:
    """How many frames of the finished film a segment has."""
    start, stop = film.plan.grid.pixel_range(part.start, part.stop)
    shown = film.encoding.output_frames(start, min(stop, film.plan.frames))
    most = film.plan.request.frames
    return min(shown.stop, most) - min(shown.start, most)


def join(film: Film, artifacts: Artifacts, output: Path, model: str) -> tuple[int, Report]:
    """Joins the stored segments to the film at `output`, without touching their pictures; frames and figures of it."""
    plan = film.plan
    stats = FilmStats()
    for part in film.parts:
        stats.add(stored_stats(artifacts, part.fingerprint, part.index))
    name, data = kept_plan(plan)
    artifacts.put("plan", name, data)  # found again by whoever has the film, to change it
    frames = _join(artifacts, [part.fingerprint for part in film.parts], output, plan, name, model)
    return frames, report(stats, film.windows, plan.shot_starts, plan.grid)


def rejoin(artifacts: Artifacts, film: str, output: Path, model: str) -> None:
    """The finished film again, byte for byte, from its stored list of parts of that name.

    Raises:
        EngineError: some of it is gone.
    """
    listed = artifacts.get("film", film)
    parts = None if listed is None else manifest_from_bytes(listed)
    plan = None if parts is None else artifacts.get("plan", parts.plan)
    if parts is None or plan is None:
        raise EngineError(f"the parts of this film are gone from the store {artifacts.uri}; make it again")
    _join(artifacts, parts.segments, output, plan_from_bytes(plan), parts.plan, model)


def _join(artifacts: Artifacts, segments: Sequence[str], output: Path, plan: Plan, plan_name: str, model: str) -> int:
    pictures = (stored_segment(artifacts, name, index) for index, name in enumerate(segments))
    request = plan.request
    facts = provenance(request, plan.grid, model, __version__, plan_name)
    return concat(pictures, output, request.fps, facts, request.frames)


def _encoder_version() -> str:
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_version())
    except (RuntimeError, OSError):  # the encoder itself will say what is wrong
        return "none"
