"""The three kinds of worker: plain classes, in which nothing is known of Ray.

A worker is a cache: whatever it finishes is in the store before it returns, so it may die at any time. Methods that do
work return (small value, payload); see `runtime`. `load` is a call of its own, not the constructor's work, so that a
model that cannot be loaded surfaces as the error that it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgen_ray import protocols
from sgen_ray.engine.stored import encode_latents, find_latents, put_segment, stored_latents
from sgen_ray.errors import Cancelled, EngineError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.fingerprints import visible
from sgen_ray.measures import FrameStats, measure
from sgen_ray.media.encode import Encoding, encode
from sgen_ray.shapes import Grid
from sgen_ray.stitching import Blend
from sgen_ray.types import Latents, Plan, RenderedWindow, Segment, Tokens, VideoRequest, Window

Canceled = Callable[[], bool]


@dataclass(frozen=True)
class Status:
    """What a worker is doing: steps `done` of `total` of the call about `index`. total 0: nothing is known yet."""

    method: str = ""
    index: int = 0
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class BlendSpec:
    """What a stitcher needs to know of its film."""

    windows: tuple[Window, ...]
    grid: Grid
    halo: tuple[int, int]
    frames: int
    segment_length: int
    shot_starts: tuple[int, ...]

    def blend(self) -> Blend:
        return Blend(self.windows, self.grid, self.halo, self.frames, self.segment_length, self.shot_starts)


@dataclass(frozen=True)
class Known:
    """Latent frames [start, stop) of another window, which is in the store under `fingerprint`."""

    window: Window
    fingerprint: str
    start: int
    stop: int


@dataclass(frozen=True)
class Reblend:
    """How to make a segment's latents again from the store, where those that a stitcher made went with their machine:
    the film's cut, and the windows that show in the segment, with their fingerprints."""

    spec: BlendSpec
    windows: tuple[tuple[Window, str], ...]

    def segment(self, index: int, artifacts: Artifacts) -> Segment:
        blend = self.spec.blend()
        ready = [
            segment
            for window, fingerprint in self.windows
            for segment in blend.add(RenderedWindow(window, stored_latents(artifacts, fingerprint, window)))
        ]
        return next(segment for segment in ready if segment.index == index)


def _held(artifacts: Artifacts, known: Sequence[Known]) -> dict[int, Latents]:
    """Latents [C, H, W] of other windows, by absolute latent frame; each window is read once."""
    windows = {
        name: stored_latents(artifacts, name, window)
        for name, window in {k.fingerprint: k.window for k in known}.items()
    }
    return {frame: windows[k.fingerprint][:, frame - k.window.start] for k in known for frame in range(k.start, k.stop)}


class _Steps:
    """Keeps the status and stops a call that was cancelled."""

    def __init__(self, canceled: Canceled) -> None:
        self._canceled = canceled
        self.abandoned = self.resumed = 0  # the last turn of each
        self.now = Status()

    @property
    def stopped(self) -> bool:
        return self.abandoned > self.resumed or self._canceled()

    def begin(self, method: str, index: int) -> protocols.OnStep:
        self.now = Status(method, index)
        if self.stopped:
            raise Cancelled(f"{method} {index} was cancelled")

        def on_step(done: int, total: int) -> None:
            self.now = Status(method, index, done, total)
            if self.stopped:
                raise Cancelled(f"{method} {index} was cancelled after step {done} of {total}")

        return on_step


class _Worker:
    """What the pool asks of every worker. `status` and `abandon` are answered beside a running call."""

    _steps: _Steps

    def status(self) -> Status:
        return self._steps.now

    def abandon(self, turn: int) -> None:
        """Whoever asked for the calls that run and wait is gone: they end at their next step, until `resume`. The two
        come by different threads: of one turn, `resume` is the later, in whichever order they arrive."""
        self._steps.abandoned = turn

    def resume(self, turn: int) -> tuple[None, None]:
        self._steps.resumed = turn
        return None, None


class Planner(_Worker):
    """Makes the plan of a whole film."""

    def __init__(self, canceled: Canceled, factory: protocols.ModelFactory, device: str, threads: int) -> None:
        self._factory, self._device, self._threads = factory, device, threads
        self._steps = _Steps(canceled)

    def load(self) -> tuple[None, None]:
        self._planner = self._factory.planner(self._device, self._threads)
        return None, None

    def plan(
        self, request: VideoRequest, held: Mapping[int, Tokens] | None = None
    ) -> tuple[tuple[float, Plan, NDArray[np.uint8]], None]:
        """Seconds that it took, the plan, and what it looks like, as `preview`: some hundredths of a second."""
        began = time.perf_counter()
        plan = self._planner.plan(request, self._steps.begin("plan", 0), held)
        thumbnails = self._planner.preview(plan)
        return (time.perf_counter() - began, plan, thumbnails), None

    def preview(self, plan: Plan) -> tuple[NDArray[np.uint8], None]:
        return self._planner.preview(plan), None


class Renderer(_Worker):
    """Paints windows, and decodes and encodes segments, with the weights of both in one process. Films have stores of
    their own."""

    def __init__(self, canceled: Canceled, factory: protocols.ModelFactory, device: str, threads: int) -> None:
        self._factory, self._device, self._threads = factory, device, threads
        self._steps = _Steps(canceled)

    def load(self) -> tuple[None, None]:
        self._renderer = self._factory.renderer(self._device, self._threads)
        self._decoder = self._factory.decoder(self._device, self._threads)
        return None, None

    def render(
        self, store: str, plan: Plan, window: Window, fingerprint: str, known: Sequence[Known] = ()
    ) -> tuple[float, Latents]:
        """Seconds that it took, and the latents, which are in the store by then, as those of `known` must be.

        A renderer that died may have stored the window just before; what is stored is not painted again.
        """
        began = time.perf_counter()
        on_step = self._steps.begin("render", window.index)
        artifacts = Artifacts(store)
        stored = find_latents(artifacts, fingerprint)
        if stored is not None:
            return time.perf_counter() - began, stored
        held = _held(artifacts, known)
        if plan.first is not None and window.start == 0:
            held = {0: plan.first, **held}
        latents = self._renderer.render(visible(plan, window), window, held, on_step)
        latents = np.ascontiguousarray(latents, np.float32)
        if not np.isfinite(latents).all():
            raise EngineError(f"window {window.index} came out with NaN or infinite latents: the model is broken here")
        artifacts.put("window", fingerprint, encode_latents(latents, window))
        return time.perf_counter() - began, latents

    def decode(
        self, store: str, ready: Sequence[Segment] | Reblend, place: int, encoding: Encoding, fingerprint: str
    ) -> tuple[tuple[float, float], None]:
        """Seconds of decoding and of encoding one of the segments that `Stitcher.add` returned: the one at `place`; or
        segment `place` of the film, blended again. It is in the store by then, with the figures of its frames."""
        began, artifacts = time.perf_counter(), Artifacts(store)
        segment = ready.segment(place, artifacts) if isinstance(ready, Reblend) else ready[place]
        self._steps.begin("decode", segment.index)
        frames = self._decoder.decode(segment)
        decoded = time.perf_counter()
        self._steps.begin("encode", segment.index)
        self.encode(artifacts, fingerprint, frames, segment.frame_start, encoding)
        return (decoded - began, time.perf_counter() - decoded), None

    def encode(
        self, artifacts: Artifacts, fingerprint: str, frames: NDArray[np.uint8], start: int, encoding: Encoding
    ) -> None:
        """Into the store: frames [T, H, W, 3] that begin at pixel frame `start` of the film, which are measured while
        the encoder is at work."""
        figures: list[FrameStats] = []
        encoded = encode(frames, start, encoding, lambda: figures.append(measure(frames, start)))
        put_segment(artifacts, fingerprint, encoded, figures[0])


class Stitcher(_Worker):
    """Blends windows into segments. `joined` are the windows that one before it already had."""

    def __init__(self, canceled: Canceled, spec: BlendSpec, store: str, joined: Sequence[tuple[Window, str]]) -> None:
        self._spec, self._joined = spec, joined
        self._artifacts = Artifacts(store)
        self._steps = _Steps(canceled)

    def load(self) -> tuple[None, None]:
        self._blend = self._spec.blend()
        for window, fingerprint in self._joined:
            self._blend.add(RenderedWindow(window, stored_latents(self._artifacts, fingerprint, window)))
        return None, None

    def add(self, window: Window, fingerprint: str, latents: Latents | None) -> tuple[list[int], list[Segment]]:
        """Takes one window, from the store where no latents are given; returns the segments that are complete now."""
        self._steps.begin("add", window.index)
        if latents is None:
            latents = stored_latents(self._artifacts, fingerprint, window)
        ready = self._blend.add(RenderedWindow(window, latents))
        return [segment.index for segment in ready], ready
