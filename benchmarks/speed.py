"""How long does a minute take on this machine, by phase, from an empty store? Does a second renderer pay?"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common import Progress, options, save, show

from sgen_ray.api import generate
from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.events import Event, FilmFinished
from sgen_ray.models.factory import load_factory
from sgen_ray.types import Video

PROMPT = "An astronaut walking on Mars, the Earth visible in the sky"
PHASES = ("load", "plan", "render", "decode", "encode", "join", "playable")
GOALS = {"seconds_after_load": 60, "speedup": 1.8, "width": 192, "height": 120, "fps": 12}


@dataclass(frozen=True)
class Run:
    video: Video
    peak_memory: int

    @property
    def after_load(self) -> float:
        return self.video.wall["total"] - self.video.wall["load"]

    @property
    def windows_a_second(self) -> float:
        return self.video.windows_rendered / self.video.wall["render"]


def main() -> None:
    parser = options(__doc__ or "", films=3, small=1)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the film")
    parser.add_argument("--prompt", default=PROMPT)
    parser.add_argument("--in-process", action="store_true", help="threads of this process instead of Ray")
    arguments = parser.parse_args()
    runs: dict[str, list[Run]] = {"as it comes": [], "one renderer": [], "two renderers": []}
    progress = Progress(3 * arguments.films, "runs")
    for turn in range(arguments.films):
        # Alternating, so that whatever else the machine does falls on both alike.
        pair = [("one renderer", 1), ("two renderers", 2)][:: -1 if turn % 2 else 1]
        for name, renderers in [("as it comes", None), *pair]:
            engine = EngineConfig(renderers=renderers, threads=1, device="cpu") if renderers else EngineConfig()
            engine = replace(engine, in_process=arguments.in_process)
            runs[name].append(run(arguments.prompt, arguments.seconds, arguments.model, arguments.seed, engine))
            progress.step()

    figures = {name: summary(done) for name, done in runs.items()}
    ratios = [two.windows_a_second / one.windows_a_second
              for one, two in zip(runs["one renderer"], runs["two renderers"], strict=True)]  # fmt: skip
    speedup = {"median": statistics.median(ratios), "runs": ratios}
    columns = ["engine", "renderers", "after load, s", *(f"{phase}, s" for phase in PHASES), "windows/s", "peak MiB"]
    rows = [
        [name, f["renderers"], f["after_load"], *(f["wall"].get(phase) for phase in PHASES), f["windows_a_second"],
         f["peak_memory"] / 2**20]
        for name, f in figures.items()
    ]  # fmt: skip
    show(f"A film of {arguments.seconds:g} s, medians of {arguments.films} runs (phases overlap)", columns, rows)
    print(f"two renderers paint {speedup['median']:.2f} times the windows a second of one "
          f"({min(ratios):.2f} to {max(ratios):.2f})")  # fmt: skip
    grid = load_factory(arguments.model).grid
    native = {"width": grid.width, "height": grid.height, "fps": grid.fps}
    print(f"painted at {grid.width}x{grid.height}, {grid.fps} frames a second")
    save("speed", arguments, {"engines": figures, "speedup": speedup, "native": native, "goals": GOALS}, judged=False)


def run(prompt: str, seconds: float, model: str, seed: int, engine: EngineConfig) -> Run:
    """One film from an empty store, on processes of its own."""
    peaks = [0]

    def on_event(event: Event) -> None:
        if isinstance(event, FilmFinished):
            peaks.append(event.peak_memory)

    with tempfile.TemporaryDirectory() as folder:
        video = generate(
            prompt, seconds=seconds, seed=seed, model=model, output=Path(folder) / "film.mp4",
            store=Path(folder) / "store", engine=engine, on_event=on_event,
        )  # fmt: skip
    return Run(video, max(peaks))


def summary(runs: list[Run]) -> dict[str, Any]:
    """Medians over runs, and each run's seconds."""
    walls = [run.video.wall for run in runs]
    phases = sorted({phase for wall in walls for phase in wall})
    return {
        "renderers": runs[0].video.renderers,
        "windows": runs[0].video.windows,
        "after_load": statistics.median(run.after_load for run in runs),
        "after_load_runs": [run.after_load for run in runs],
        "wall": {phase: statistics.median(wall[phase] for wall in walls if phase in wall) for phase in phases},
        "windows_a_second": statistics.median(run.windows_a_second for run in runs),
        "peak_memory": max(run.peak_memory for run in runs),
    }


if __name__ == "__main__":
    main()
