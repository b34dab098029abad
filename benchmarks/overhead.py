"""What does the engine cost? Real actors that only wait, at 1 to 64 renderers, and latents of real size."""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from heapq import heapify, heapreplace
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import ray
from common import Progress, percent, save, show
from numpy.typing import NDArray

from sgen_ray.engine import actors
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.controller import PREFIX
from sgen_ray.engine.events import Event, SegmentEncoded
from sgen_ray.engine.generate import generate_film, make_plan
from sgen_ray.engine.stored import put_segment
from sgen_ray.errors import RequestError
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.measures import measure
from sgen_ray.media.encode import Encoding, encode
from sgen_ray.protocols import OnStep
from sgen_ray.shapes import Grid
from sgen_ray.types import Latents, Plan, Seen, Segment, Shot, Tokens, Video, VideoRequest, Window

WHO = ("driver", "pool", "stitcher", "renderer", "Ray")
GOALS = {"efficiency": {"10": 0.95, "2": 0.90}, "overhead_ms": 50.0}
WINDOW, OVERLAP = 32, 8
START_WITHIN = 600.0
"""Seconds for all renderers to start: some 65 MiB and a second of a core each."""
# Latents of 16 channels, 64 x 64, as float32: a window of 32 latent frames has 8 MiB.
GRID = Grid(width=512, height=512, fps=8, latent_channels=16, semantic_channels=1, semantic_height=1,
            semantic_width=1)  # fmt: skip


@dataclass(frozen=True)
class Waiting:
    """A model that waits: `seconds` a window, with `jitter` of it seeded by the window, and `decode` and `encode` a
    segment."""

    seconds: float
    decode: float
    encode: float
    jitter: float
    seed: int

    name = "waiting"
    grid = GRID
    halo = (1, 1)

    def fingerprint(self) -> str:
        return f"waiting {self.seconds} {self.decode} {self.encode} {self.jitter} {self.seed}"

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()

    def known_words(self) -> tuple[str, ...]:
        return ()

    def wait_of(self, window: int) -> float:
        return self.seconds * (1 + self.jitter * float(np.random.default_rng([self.seed, window]).uniform(-1, 1)))

    def see(self, picture: NDArray[np.uint8]) -> Seen:
        raise RequestError("this model has no eyes")

    def planner(self, device: str, threads: int) -> Planner:
        return Planner(self)

    def renderer(self, device: str, threads: int) -> Renderer:
        return Renderer(self)

    def decoder(self, device: str, threads: int) -> Decoder:
        return Decoder(self)


@dataclass(frozen=True)
class Planner:
    model: Waiting

    def plan(
        self, request: VideoRequest, on_step: OnStep | None = None, held: Mapping[int, Tokens] | None = None
    ) -> Plan:
        frames = GRID.frames(request.seconds)
        latent_frames = GRID.latent_frames(frames)
        steps = GRID.semantic_steps(latent_frames)
        return Plan(
            request=request, grid=GRID, semantic=np.zeros((steps, 1, 1, 1), np.float32),
            text=np.zeros((1, 1, 1), np.float32), text_mask=np.ones((1, 1), np.bool_), shot_starts=(0,),
            frames=frames, latent_frames=latent_frames, model_fingerprint=self.model.fingerprint(),
        )  # fmt: skip

    def preview(self, plan: Plan) -> NDArray[np.uint8]:
        return np.zeros((len(plan.semantic), 1, 1, 3), np.uint8)


class Renderer:
    def __init__(self, model: Waiting) -> None:
        self._model = model
        shape = (GRID.latent_channels, WINDOW, GRID.latent_height, GRID.latent_width)
        self._latents = np.random.default_rng(0).standard_normal(shape, np.float32)

    def render(
        self, plan: Plan, window: Window, held: Mapping[int, Latents] | None = None, on_step: OnStep | None = None
    ) -> Latents:
        time.sleep(self._model.wait_of(window.index))
        return self._latents[:, : window.stop - window.start]


@dataclass(frozen=True)
class Decoder:
    model: Waiting
    halo = (1, 1)

    def decode(self, segment: Segment) -> NDArray[np.uint8]:
        time.sleep(self.model.decode)
        return np.zeros((segment.frame_stop - segment.frame_start, 32, 32, 3), np.uint8)


class WaitingRenderer(actors.Renderer):
    """Waits instead of encoding, and stores the bytes of one real segment of that length each time."""

    def load(self) -> tuple[None, None]:
        self.encoded: dict[int, bytes] = {}
        return super().load()

    def encode(
        self, artifacts: Artifacts, fingerprint: str, frames: NDArray[np.uint8], start: int, encoding: Encoding
    ) -> None:
        if len(frames) not in self.encoded:
            self.encoded[len(frames)] = encode(frames, start, encoding)
        time.sleep(cast(Waiting, self._factory).encode)
        put_segment(artifacts, fingerprint, self.encoded[len(frames)], measure(frames, start))


@dataclass(frozen=True)
class Run:
    """Seconds of one film. `work` is what all renderers waited; `ideal` how long that takes without any cost, as the
    last round is never quite full; `wall` is from submission to the last segment."""

    seconds: float
    renderers: int
    windows: int
    work: float
    ideal: float
    wall: float
    render_busy: float
    decode_busy: float
    encode_busy: float
    cpu: Mapping[str, float]
    """Of the driver, the pool, the stitcher, the renderers and Ray's own processes, while the film was made."""

    @property
    def efficiency(self) -> float:
        return self.work / (self.renderers * self.wall)

    @property
    def possible(self) -> float:
        return self.work / (self.renderers * self.ideal)

    @property
    def overhead_ms(self) -> float:
        """Milliseconds that a renderer lost by each of its windows."""
        return (self.wall - self.ideal) * self.renderers / self.windows * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--renderers", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 2.0], help="of one window")
    parser.add_argument("--rounds", type=int, default=12, help="windows for each renderer, at least")
    parser.add_argument("--decode", type=float, default=0.0, help="seconds of one segment's decoding, on the renderers")
    parser.add_argument("--encode", type=float, default=0.0, help="likewise of its encoding")
    parser.add_argument("--jitter", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--small", action="store_true", help="1 and 3 renderers of 0.5 s")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.renderers, arguments.seconds = [1, 3], [0.5]
    actors.Renderer = WaitingRenderer  # type: ignore[misc]
    ray.init("local", num_cpus=max(arguments.renderers) + 2, include_dashboard=False, log_to_driver=False,
             object_store_memory=(256 + 64 * max(arguments.renderers)) << 20, logging_level="ERROR")  # fmt: skip
    progress = Progress(len(arguments.renderers) * len(arguments.seconds), "films")
    runs = []
    for seconds in arguments.seconds:
        model = Waiting(seconds, arguments.decode, arguments.encode, arguments.jitter, arguments.seed)
        for renderers in arguments.renderers:
            runs.append(run(model, renderers, arguments.rounds))
            progress.step()
    columns = ["seconds a window", "renderers", "windows", "wall, s", "efficiency", "without any cost",
               "overhead a window, ms", *(f"CPU ms a window: {who}" for who in WHO)]  # fmt: skip
    rows = [[f"{r.seconds:g}", r.renderers, r.windows, r.wall, percent(r.efficiency), percent(r.possible),
             r.overhead_ms, *(1000 * r.cpu[who] / r.windows for who in WHO)] for r in runs]  # fmt: skip
    show("One film on renderers that wait; from submission to the last segment", columns, rows)
    figures = {
        "runs": [
            {**asdict(r), "efficiency": r.efficiency, "possible": r.possible, "overhead_ms": r.overhead_ms}
            for r in runs
        ],
        "goals": GOALS,
    }
    save("overhead", arguments, figures, judged=False, painted=False)


def run(model: Waiting, renderers: int, rounds: int) -> Run:
    """One film with `rounds` windows for each renderer, on a pool that is warm; its plan is there."""
    stride = WINDOW - OVERLAP
    engine = EngineConfig(renderers=renderers, min_renderers=renderers, threads=1, device="cpu", window=WINDOW,
                          overlap=OVERLAP, segment=stride, namespace=f"overhead {model.seconds} {renderers}",
                          start_timeout=START_WITHIN)  # fmt: skip
    ended: list[float] = []

    def on_event(event: Event) -> None:
        if isinstance(event, SegmentEncoded) and event.done == event.total:
            ended.append(time.perf_counter())

    def film(windows: int, store: Path) -> tuple[Video, float]:
        seconds = (stride * (windows - 1) + WINDOW) * GRID.temporal_compression / GRID.fps
        request = VideoRequest((Shot("nothing", seconds),), width=32, height=32, fps=GRID.fps, model="waiting")
        plan = make_plan(request, model, store=store, engine=EngineConfig(in_process=True))
        begun = time.perf_counter()
        video = generate_film(request, model, store / "film.mp4", store=store, engine=engine, plan=plan,
                              on_event=on_event)  # fmt: skip
        return video, ended[-1] - begun

    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        film(1, Path(first))
        name = next(item["name"] for item in ray.util.list_named_actors(all_namespaces=True)
                    if item["namespace"] == engine.namespace and item["name"].startswith(PREFIX))  # fmt: skip
        pool = ray.get_actor(name, namespace=engine.namespace)
        until = time.monotonic() + START_WITHIN
        while (ready := ray.get(pool.ready.remote())) < renderers:
            if time.monotonic() > until:
                raise SystemExit(f"only {ready} of {renderers} renderers started within {START_WITHIN:g} s")
            time.sleep(0.5)
        with processor_time() as cpu:
            video, wall = film(rounds * renderers, Path(second))
        ray.kill(pool)
    waits = [model.wait_of(window) for window in range(video.windows)]
    decodes = [model.decode + model.encode] * sum(span.phase == "decode" for span in video.timeline)
    return Run(
        seconds=model.seconds, renderers=renderers, windows=video.windows, work=sum(waits) + sum(decodes),
        ideal=_list_schedule(waits + decodes, renderers), wall=wall,
        render_busy=video.wall["render_busy"], decode_busy=video.wall["decode_busy"],
        encode_busy=video.wall["encode_busy"], cpu=cpu,
    )  # fmt: skip


@contextmanager
def processor_time() -> Iterator[dict[str, float]]:
    """Seconds of processor time, by who spent them, once the context is over; looked at twice a second, as processes
    come and go."""
    found = dict.fromkeys(WHO, 0.0)
    before, now = _spent(), {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            now.update(_spent())

    thread = threading.Thread(target=look)
    thread.start()
    yield found
    over.set()
    thread.join()
    now.update(_spent())
    for process, (who, seconds) in now.items():
        found[who] += seconds - before.get(process, (who, 0.0))[1]


def _spent() -> dict[psutil.Process, tuple[str, float]]:
    found = {}
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        with suppress(psutil.Error):
            title = " ".join(process.cmdline())
            names = ("Controller", "Stitcher", "WaitingRenderer")
            kind = next((who for who, name in zip(WHO[1:4], names, strict=True) if f"ray::{name}" in title), WHO[4])
            times = process.cpu_times()
            found[process] = (WHO[0] if process.pid == os.getpid() else kind, times.user + times.system)
    return found


def _list_schedule(waits: list[float], renderers: int) -> float:
    """Seconds until all are done, each taken in order by whoever is free first."""
    free = [0.0] * renderers
    heapify(free)
    for wait in waits:
        heapreplace(free, free[0] + wait)
    return max(free)


if __name__ == "__main__":
    main()
