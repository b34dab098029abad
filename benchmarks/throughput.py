"""How near do stitching and encoding come to ffmpeg alone on the same raw frames, with the same settings and threads?

What is timed is the work on frames that a decoder has made: figures of every frame, resizing, encoding a segment at a
time, storing, joining to a film; by one renderer, and by as many as the engine has on this machine, each a segment at a
time; and the blend of windows beside it. Yardstick: one ffmpeg that gets all frames through a pipe and writes the film.
All in turn; the ratio is taken run by run. Frames are as large as the shipped model's, and as a larger model's.
"""

from __future__ import annotations

import argparse
import dataclasses
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import torch
from common import RESULTS, Progress, save, show
from fast_model import NANO, FastFactory, request
from numpy.typing import NDArray

from sgen_ray.engine.actors import Renderer
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.film import Film, Part, join, lay_out
from sgen_ray.engine.machine import choose, this_machine
from sgen_ray.jobs.artifacts import Artifacts
from sgen_ray.jobs.fingerprints import local_backend
from sgen_ray.media.encode import command
from sgen_ray.shapes import Grid
from sgen_ray.types import RenderedWindow
from sgen_ray.world import draw, sample_film

GOAL = 0.9
YARDSTICK = "ffmpeg alone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the film")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 6], help="times the model's width and height")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--small", action="store_true", help="the same as --runs 2 --seconds 10")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.runs, arguments.seconds = 2, 10.0
    figures = {f"{NANO.width * size}x{NANO.height * size}": measured(arguments, size) for size in arguments.sizes}
    save("throughput", arguments, {"sizes": figures, "goal": GOAL}, judged=False, painted=False)


def measured(arguments: argparse.Namespace, size: int) -> dict[str, Any]:
    grid = dataclasses.replace(NANO, width=NANO.width * size, height=NANO.height * size)
    factory = FastFactory(grid)
    # The shipped model's films are four times its size; a large model's are as they are.
    order = request(grid, arguments.seconds, arguments.seed, scale=4 if size == 1 else 1)
    plan = factory.planner("cpu", 1).plan(order)
    film = lay_out(plan, factory.halo, "fast", local_backend("cpu"), EngineConfig())
    frames = pictures(grid, arguments.seconds, arguments.seed)
    windows = [factory.renderer("cpu", 1).render(plan, window) for window in film.windows]

    renderer = Renderer(lambda: False, factory, "cpu", 1)
    many = choose(this_machine(), len(windows)).renderers
    one, pool = "encode and join, one renderer", f"encode and join, the {many} renderers of this machine"
    work: dict[str, Callable[[Path], None]] = {
        YARDSTICK: lambda folder: alone(frames, film.encoding, folder),
        one: lambda folder: ours(frames, film, renderer, folder, 1),
        pool: lambda folder: ours(frames, film, renderer, folder, many),
        "blend": lambda folder: blend(film, windows),
    }
    runs: dict[str, list[tuple[float, float]]] = {what: [] for what in work}
    progress = Progress(arguments.runs, "runs")
    for turn in range(arguments.runs):
        # In turn, so that whatever else the machine does falls on both alike.
        for what in list(runs)[:: -1 if turn % 2 else 1]:
            with tempfile.TemporaryDirectory() as name:
                runs[what].append(timed(work[what], Path(name)))
        progress.step()

    shares = {
        what: [statistics.median(a[k] / b[k] for a, b in zip(runs[YARDSTICK], runs[what], strict=True)) for k in (0, 1)]
        for what in (one, pool)
    }
    count = len(frames)
    figures = {
        what: {
            "seconds": statistics.median(s for s, _ in done),
            "cpu": statistics.median(c for _, c in done),
            "frames_a_second": count / statistics.median(s for s, _ in done),
        }
        for what, done in runs.items()
    }
    show(
        f"{count} frames of {frames.shape[2]}x{frames.shape[1]}, medians of {arguments.runs} runs",
        ["work", "seconds", "CPU, s", "frames/s"],
        [[what, *cells.values()] for what, cells in figures.items()],
    )
    for what, (wall, cpu) in shares.items():
        print(f"{what}: {wall:.2f} of ffmpeg's own frames a second by the clock, {cpu:.2f} by processor time")
    return {"work": figures, "share": shares, "frames": count, "film": [order.width, order.height]}


def pictures(grid: Grid, seconds: float, seed: int) -> NDArray[np.uint8]:
    """Frames [T, H, W, 3] of the demo world, as the encoder meets them."""
    world = sample_film(seed, seconds, split="heldout")
    chunks = []
    for start in range(0, grid.frames(seconds), 16):
        times = torch.arange(start, min(start + 16, grid.frames(seconds)), dtype=torch.float64)[None] / grid.fps
        drawn = draw([world], times, grid.width, grid.height)[0]
        chunks.append(drawn.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.ascontiguousarray(np.concatenate(chunks))


def alone(frames: NDArray[np.uint8], encoding: Any, folder: Path) -> None:
    """One ffmpeg for the whole film, fed from memory."""
    line = command(frames.shape[2], frames.shape[1], encoding).compile(cmd=imageio_ffmpeg.get_ffmpeg_exe())
    with (folder / "film.h264").open("wb") as film:
        subprocess.run(line, input=frames.data, stdout=film, check=True)


def ours(frames: NDArray[np.uint8], film: Film, renderer: Renderer, folder: Path, at_once: int) -> None:
    """A run of ffmpeg for each segment, so many at a time, figures of every frame, the store, and the join."""
    artifacts = Artifacts(folder / "store")

    def make(part: Part) -> None:
        start, stop = film.plan.grid.pixel_range(part.start, part.stop)
        renderer.encode(artifacts, part.fingerprint, frames[start : min(stop, len(frames))], start, film.encoding)

    with ThreadPoolExecutor(at_once) as renderers:
        list(renderers.map(make, film.parts))
    join(film, artifacts, folder / "film.mp4", "fast")


def blend(film: Any, windows: list[NDArray[np.float32]]) -> None:
    stitching = film.blend.blend()
    for window, latents in zip(film.windows, windows, strict=True):
        stitching.add(RenderedWindow(window, latents))


def timed(work: Callable[[Path], None], folder: Path) -> tuple[float, float]:
    """Seconds by the clock, and by the processor: of this process and of those that it waited for."""
    began, spent = time.perf_counter(), _processor()
    work(folder)
    return time.perf_counter() - began, _processor() - spent


def _processor() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


if __name__ == "__main__":
    main()
