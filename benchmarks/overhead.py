"""What does the engine cost? Real actors that only wait, at 1 to 64 renderers, and latents of real size."""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import Progress, mean, save, show
from numpy.typing import NDArray

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.generate import generate_film, make_plan
from sgen_ray.protocols import OnStep
from sgen_ray.shapes import Grid
from sgen_ray.types import Latents, Plan, Segment, Shot, Tokens, Video, VideoRequest, Window

GOALS = {"10": 0.95, "2": 0.90, "overhead_ms": 50.0}
WINDOW, OVERLAP = 32, 8
# Latents of 16 channels, 64 x 64, as float32: a window of 32 latent frames has 8 MiB.
GRID = Grid(width=512, height=512, fps=8, latent_channels=16, semantic_channels=1, semantic_height=1,
            semantic_width=1)  # fmt: skip


@dataclass(frozen=True)
class Waiting:
    """A model that waits: `seconds` a window, with `jitter` of it seeded by the window, and `decode` a segment."""

    seconds: float
    decode: float
    jitter: float
    seed: int

    name = "waiting"
    grid = GRID
    halo = (1, 1)

    def fingerprint(self) -> str:
        return f"waiting {self.seconds} {self.decode} {self.jitter} {self.seed}"

    def unknown_words(self, text: str) -> tuple[str, ...]:
        return ()

    def known_words(self) -> tuple[str, ...]:
        return ()

    def wait_of(self, window: int) -> float:
        return self.seconds * (1 + self.jitter * float(np.random.default_rng([self.seed, window]).uniform(-1, 1)))

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
        """A small picture instead of a real one: encoding is the machine's cores, and measured in throughput.py."""
        time.sleep(self.model.decode)
        return np.zeros((segment.frame_stop - segment.frame_start, 32, 32, 3), np.uint8)


@dataclass(frozen=True)
class Run:
    renderers: int
    seconds: float
    windows: int
    waited: float
    """Seconds that windows took by themselves: what as many perfect renderers would share."""
    decoded: float
    wall: float
    """From the first window's submission to the last segment."""

    @property
    def efficiency(self) -> float:
        return (self.waited + self.decoded) / (self.renderers * self.wall)

    @property
    def possible(self) -> float:
        """What list scheduling without any cost would reach: the last round is not full, as waits differ."""
        return (self.waited + self.decoded) / (self.renderers * self.ideal)

    ideal: float

    @property
    def overhead_ms(self) -> float:
        """Milliseconds that a renderer lost by each of its windows."""
        return (self.wall - self.ideal) * self.renderers / self.windows * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--renderers", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--seconds", type=float, nargs="+", default=[10.0, 2.0], help="of one window")
    parser.add_argument("--rounds", type=int, default=4, help="windows for each renderer, at least")
    parser.add_argument("--decode", type=float, default=0.0, help="seconds of one segment's decoding, on the renderers")
    parser.add_argument("--jitter", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--small", action="store_true", help="1 and 3 renderers of 0.5 s")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.renderers, arguments.seconds = [1, 3], [0.5]
    progress = Progress(len(arguments.renderers) * len(arguments.seconds), "films")
    runs = []
    for seconds in arguments.seconds:
        model = Waiting(seconds, arguments.decode, arguments.jitter, arguments.seed)
        for renderers in arguments.renderers:
            runs.append(run(model, renderers, arguments.rounds))
            progress.step()
    columns = ["seconds a window", "renderers", "windows", "wall, s", "efficiency", "possible", "overhead a window, ms"]
    rows = [[f"{r.seconds:g}", r.renderers, r.windows, r.wall, f"{r.efficiency:.1%}", f"{r.possible:.1%}",
             r.overhead_ms] for r in runs]  # fmt: skip
    show("One film on renderers that wait; from submission to the last segment", columns, rows)
    figures = {
        "runs": [
            {name: getattr(r, name) for name in ("renderers", "seconds", "windows", "wall", "waited", "decoded",
                                                 "ideal", "efficiency", "possible", "overhead_ms")}
            for r in runs
        ],
        "mean_overhead_ms": mean([r.overhead_ms for r in runs]),
        "goals": GOALS,
    }  # fmt: skip
    save("overhead", arguments, figures, judged=False, painted=False)


def run(model: Waiting, renderers: int, rounds: int) -> Run:
    """One film with `rounds` windows for each renderer, its plan and its workers being there."""
    stride = WINDOW - OVERLAP
    latent_frames = stride * (max(2, rounds * renderers) - 1) + WINDOW
    seconds = latent_frames * GRID.temporal_compression / GRID.fps
    request = VideoRequest((Shot("nothing", seconds),), width=32, height=32, fps=8, model="waiting")
    engine = EngineConfig(renderers=renderers, threads=1, device="cpu", window=WINDOW, overlap=OVERLAP,
                          segment=WINDOW, start_timeout=900)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(request, model, store=folder, engine=EngineConfig(in_process=True))
        video = generate_film(request, model, Path(folder) / "film.mp4", store=folder, engine=engine, plan=plan)
    waits = [model.wait_of(window) for window in range(video.windows)]
    segments = sum(span.phase == "decode" for span in video.timeline)
    return Run(
        renderers=renderers, seconds=model.seconds, windows=video.windows, waited=sum(waits),
        decoded=model.decode * segments, wall=_submission_to_last_segment(video),
        ideal=_list_schedule(waits, renderers) + model.decode * math.ceil(segments / renderers),
    )  # fmt: skip


def _submission_to_last_segment(video: Video) -> float:
    """Loading is over before the first window begins; that is the submission of a film to a warm pool."""
    begin = min(span.start for span in video.timeline if span.phase == "render")
    return max(span.stop for span in video.timeline if span.phase == "encode") - begin


def _list_schedule(waits: list[float], renderers: int) -> float:
    """Seconds until all are done, each taken in order by whoever is free first."""
    free = [0.0] * renderers
    for wait in waits:
        first = min(range(renderers), key=free.__getitem__)
        free[first] += wait
    return max(free)


if __name__ == "__main__":
    main()
