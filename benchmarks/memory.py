"""Does memory grow with the film's length? The most that stitcher and coordinator occupy, at 1, 5 and 20 minutes.

Latents and frames are of the shipped model's sizes, from a fast model. The coordinator is the driver process, started
anew for each film. What counts is a process's anonymous memory: heaps, stacks, arrays. Pages of the object store, which
is bounded by its size, and of libraries are left out: whose they are taken to be changes with every process that comes
or goes, so that a coordinator would seem to grow by what its workers had when these end (USS does that).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import psutil

LENGTHS = (60.0, 300.0, 1200.0)
GOAL = 0.1
EVERY = 0.1
"""Seconds between two looks."""
KINDS = {"stitcher": "ray::Stitcher", "renderers": "ray::Renderer"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--lengths", type=float, nargs="+", default=LENGTHS, help="seconds of film")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument(
        "--small", action="store_const", dest="lengths", const=(20.0, 60.0), help="films of 20 s and 60 s"
    )
    arguments = parser.parse_args()
    peaks = {}
    for seconds in arguments.lengths:
        with multiprocessing.get_context("spawn").Pool(1) as fresh:
            peaks[f"{seconds:g}"] = fresh.apply(film, (seconds, arguments.seed))

    from common import save, show

    names = ["coordinator", *KINDS]
    rows = [[f"{seconds} s", *(peak[name] / 2**20 for name in names)] for seconds, peak in peaks.items()]
    show("Most anonymous memory, MiB", ["film", *names], rows)
    first, last = peaks[next(iter(peaks))], peaks[list(peaks)[-1]]
    growth = {name: last[name] / first[name] - 1 for name in names}
    print("from the shortest to the longest: " + ", ".join(f"{name} {value:+.1%}" for name, value in growth.items()))
    save("memory", arguments, {"peaks": peaks, "growth": growth, "goal": GOAL}, judged=False, painted=False)


def film(seconds: float, seed: int) -> dict[str, int]:
    """Most bytes of each kind of process while one film is made, in this process and its own cluster."""
    from fast_model import NANO, FastFactory, request

    from sgen_ray.engine.config import EngineConfig
    from sgen_ray.engine.generate import generate_film

    known = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, known))
    peaks = {"coordinator": 0, **dict.fromkeys(KINDS, 0)}
    ended = threading.Event()
    watcher = threading.Thread(target=watch, args=(peaks, ended))
    watcher.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            order = request(NANO, seconds, seed, scale=2, steps=1)
            generate_film(
                order, FastFactory(NANO), folder / "film.mp4", store=folder / "store",
                engine=EngineConfig(renderers=2, device="cpu"),
            )  # fmt: skip
    finally:
        ended.set()
        watcher.join()
    return peaks


def anonymous(process: psutil.Process) -> int:
    """Bytes; on Linux, where what is shared is told."""
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def watch(peaks: dict[str, int], ended: threading.Event) -> None:
    """Keeps the most that was seen of each kind, until `ended`."""
    me = psutil.Process()
    kinds: dict[int, str | None] = {}
    while not ended.wait(EVERY):
        peaks["coordinator"] = max(peaks["coordinator"], anonymous(me))
        for process in me.children(recursive=True):
            with suppress(psutil.Error):
                if kinds.get(process.pid) is None:  # a worker takes its name when its actor begins
                    line = " ".join(process.cmdline()[:1])
                    kinds[process.pid] = next((kind for kind, start in KINDS.items() if line.startswith(start)), None)
                if kind := kinds[process.pid]:
                    peaks[kind] = max(peaks[kind], anonymous(process))


if __name__ == "__main__":
    main()
