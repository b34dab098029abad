"""How soon can one watch? Seconds to the first playable second beside the film's total time, and what loading is.

A film of the shipped model by the local engine from an empty store: with processes started anew (cold), and on a
cluster that runs already (warm); and the parts of a cold start, each in a fresh process.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import RESULTS, Progress, save, show

from sgen_ray.api import generate
from sgen_ray.engine.cluster import RayRuntime
from sgen_ray.engine.config import EngineConfig

PROMPT = "a boat sailing on the ocean at night"
PHASES = ("load", "plan", "playable", "total")
PARTS = {
    "Python alone": "pass",
    "import sgen_ray.api": "import sgen_ray.api",
    "import ray": "import ray",
    "start Ray": "from sgen_ray.engine.cluster import RayRuntime; r = RayRuntime(); r.share(0); r.close()",
    "import torch": "import torch",
    "load a planner": "from sgen_ray.models.factory import load_factory; load_factory({model!r}).planner()",
    "load a renderer": "from sgen_ray.models.factory import load_factory as f; f({model!r}).renderer()",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the film")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--small", action="store_true", help="the same as --runs 1 --seconds 12")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.runs, arguments.seconds = 1, 12.0
    progress = Progress(arguments.runs * (len(PARTS) + 2), "runs")
    parts: dict[str, list[float]] = {name: [] for name in PARTS}
    for _ in range(arguments.runs):
        for name, script in PARTS.items():
            parts[name].append(fresh(script.format(model=arguments.model)))
            progress.step()
    films: dict[str, list[dict[str, float]]] = {"cold": [], "warm": []}
    for _ in range(arguments.runs):
        films["cold"].append(film(arguments))
        progress.step()
    cluster = RayRuntime()
    cluster.share(0)  # connects; films that are made meanwhile use this cluster
    try:
        for _ in range(arguments.runs):
            films["warm"].append(film(arguments))
            progress.step()
    finally:
        cluster.close()

    figures: dict[str, Any] = {
        "films": {
            kind: {phase: statistics.median(wall[phase] for wall in walls) for phase in PHASES}
            for kind, walls in films.items()
        },
        "parts": {name: statistics.median(seconds) for name, seconds in parts.items()},
    }
    rows = [[kind, *wall.values(), wall["playable"] / wall["total"]] for kind, wall in figures["films"].items()]
    show(
        f"A film of {arguments.seconds:g} s, medians of {arguments.runs} runs",
        ["engine", *(f"{phase}, s" for phase in PHASES), "playable / total"],
        rows,
    )
    show("A cold start's parts, each in a process of its own", ["part", "seconds"], list(figures["parts"].items()))
    save("playable", arguments, figures, judged=False)


def fresh(script: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True)
    return time.perf_counter() - began


def film(arguments: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        video = generate(
            PROMPT, seconds=arguments.seconds, seed=arguments.seed, model=arguments.model,
            output=Path(name) / "film.mp4", store=Path(name) / "store", engine=EngineConfig(),
        )  # fmt: skip
    return dict(video.wall)


if __name__ == "__main__":
    main()
