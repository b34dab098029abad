"""How should windows come to agree? Ways to do it, beside what only one process could do, on films of a minute.

Each film is planned once and painted in every way from the same plan and noise. Candidates let a window depend on
finitely many others, so they can be resumed, edited and spread over a pool; the reference rows couple every window to
every other at each step. Exchanging hidden states between windows in each shifted layer is bit for bit the whole film
in one forward (tests/test_spans.py), so that row stands for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch
from common import each, judge, mean, model, options, percent, save, show

from sgen_ray.diffusion.flow import per_frame, times
from sgen_ray.diffusion.noise import LATENTS, frame_noise
from sgen_ray.evaluation.adherence import Case, Reading, draw_cases, kept, read, world_frames
from sgen_ray.evaluation.painting import Model, decode, paint_windows, request
from sgen_ray.evaluation.steadiness import Steadiness, steadiness, summary
from sgen_ray.measures import FilmStats, measure, report
from sgen_ray.media.sheets import contact_sheet
from sgen_ray.models.guidance import plan_guided
from sgen_ray.stitching import weights
from sgen_ray.types import Latents, Plan, Window
from sgen_ray.windows import SEAMS, WINDOW_LENGTH, WINDOW_OVERLAP, Seams, WindowTask, split, window_tasks

OTHER_LENGTHS = ((24, 4), (24, 8), (40, 8))
"""Window length and overlap, in latent frames, to compare with the default's."""
RENDERERS = (1, 3)
COLUMNS = {
    "seam_ratio": "seam ratio", "overlap_sharpness": "overlap sharpness", "drift_sharpness": "drift: sharpness",
    "drift_colourfulness": "colourfulness", "drift_motion": "motion", "drift_confidence": "confidence",
    "motion_ratio": "motion of the world's", "read": "read",
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """One row: a candidate, or a reference ("whole", "fused")."""

    seams: Seams | str
    length: int = WINDOW_LENGTH
    overlap: int = WINDOW_OVERLAP

    @property
    def reference(self) -> bool:
        return self.seams not in get_args(Seams)

    @property
    def name(self) -> str:
        names = {"whole": "whole film in one forward", "fused": "fused at every step"}
        sizes = (
            "" if (self.length, self.overlap) == (WINDOW_LENGTH, WINDOW_OVERLAP) else f" {self.length}/{self.overlap}"
        )
        return names.get(self.seams, self.seams) + sizes


WAYS = (
    *(Way(seams) for seams in get_args(Seams)),
    *(Way(SEAMS, *sizes) for sizes in OTHER_LENGTHS),
    Way("whole"),
    Way("fused"),
)


@dataclass(frozen=True)
class Work:
    model: str
    case: Case
    seconds: float
    sheets: Path | None


@dataclass(frozen=True)
class Measured:
    """One film painted in one way.

    Attributes:
        seconds: of a core, for every window, by index; with what each waits for, the time on any number of renderers
            follows. What else the machine does meanwhile does not count.
        painted: window frames over film frames.
    """

    figures: Steadiness
    reading: Reading
    tasks: tuple[WindowTask, ...]
    seconds: tuple[float, ...]
    painted: float


def main() -> None:
    parser = options(__doc__ or "", films=4, small=2)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each film")
    parser.add_argument("--sheets", action="store_true", help="also contact sheets of the first films")
    arguments = parser.parse_args()
    cases = draw_cases(arguments.films, arguments.seconds, 3000 + arguments.seed)
    folder = arguments.out / "seams_table" if arguments.sheets else None
    work = [Work(arguments.model, case, arguments.seconds, folder) for case in cases]
    films = list(each(measure_case, work, arguments.workers, "films in all ways"))

    found: dict[str, dict[str, Any]] = {}
    for name in films[0]:
        measured = [film[name] for film in films]
        figures = [m.figures for m in measured]
        keeps = kept([m.reading for m in measured], cases)
        row = found[name] = {**summary(figures), "kept": keeps, "films_measured": [asdict(f) for f in figures]}
        if name == "world":
            continue
        for count in RENDERERS:
            row[f"seconds_{count}"] = mean([makespan(m.tasks, m.seconds, count) for m in measured])
        row["seconds_any"] = mean([makespan(m.tasks, m.seconds, len(m.tasks)) for m in measured])
        row["painted"] = mean([m.painted for m in measured])
    clocks = [f"seconds_{count}" for count in RENDERERS] + ["seconds_any"]
    rows = [
        [name, *(row.get(c) for c in COLUMNS), percent(row["kept"].get("colour")), percent(row["kept"].get("all")),
         *(row.get(c) for c in (*clocks, "painted"))]
        for name, row in found.items()
    ]  # fmt: skip
    show(f"{len(cases)} films of {arguments.seconds:g} s",
         ["way", *COLUMNS.values(), "kept: colour", "kept: all", *(f"s, {n} renderers" for n in RENDERERS),
          "s, any number", "painted"], rows)  # fmt: skip
    save("seams_table", arguments, {"ways": found, "renderers": RENDERERS, "chosen": Way(SEAMS).name,
                                    "references": [way.name for way in WAYS if way.reference]})  # fmt: skip


def measure_case(work: Work) -> dict[str, Measured]:
    ours, case = model(work.model), work.case
    plan = ours.planner.plan(request(ours, case.caption, work.seconds, case.seed))
    truth = world_frames(case.film, plan.grid, plan.frames)
    joins = split(plan.latent_frames, plan.grid.unit)
    world = _figures(truth, joins, plan, case, None)
    out = {"world": Measured(world[0], world[1], (), (), 1.0)}
    pictures = {"world": truth}
    for way in WAYS:
        windows = split(plan.latent_frames, plan.grid.unit, way.length, way.overlap)
        if way.seams == "whole":
            tasks: tuple[WindowTask, ...] = (WindowTask(Window(0, 0, plan.latent_frames)),)
        else:
            tasks = window_tasks(windows, plan.shot_starts, "independent" if way.reference else cast(Seams, way.seams))
        painted, seconds = _timed(ours, plan, tasks, fused=way.seams == "fused")
        frames = pictures[way.name] = decode(ours, plan, [task.window for task in tasks], painted)
        figures, reading = _figures(frames, windows, plan, case, world[0].motion)
        work_done = sum(task.window.length for task in tasks) / plan.latent_frames
        if way.seams == "fused":  # every window waits for all the others at every step: one process
            tasks = (WindowTask(Window(0, 0, plan.latent_frames)),)
        out[way.name] = Measured(figures, reading, tasks, tuple(seconds), work_done)
    if work.sheets is not None:
        work.sheets.mkdir(parents=True, exist_ok=True)
        for name, frames in pictures.items():
            some = np.arange(0, len(frames), plan.grid.fps * 2)
            sheet = contact_sheet(
                frames[some], [float(k) / plan.grid.fps for k in some], title=f"{name}: {case.caption}"
            )
            sheet.save(work.sheets / f"{case.seed % 1000:03d}-{name.replace(' ', '-').replace('/', '-')}.png")
    return out


def _figures(frames: np.ndarray, windows: Sequence[Window], plan: Plan, case: Case,
             world_motion: float | None) -> tuple[Steadiness, Reading]:  # fmt: skip
    stats = FilmStats()
    stats.add(measure(frames))
    figures, reading = report(stats, windows, plan.shot_starts, plan.grid), read(judge(), frames, plan.grid.fps)
    return steadiness(figures, reading, case, figures.motion if world_motion is None else world_motion), reading


def _timed(
    ours: Model, plan: Plan, tasks: Sequence[WindowTask], fused: bool
) -> tuple[list[tuple[Window, Latents]], list[float]]:
    """Windows and the seconds that each took, by index; all together where they are fused."""
    began = time.process_time()
    if fused:
        latents = paint_fused(ours, plan, [task.window for task in tasks])
        whole = [(task.window, latents[:, task.window.start : task.window.stop]) for task in tasks]
        return whole, [time.process_time() - began]
    painted, seconds = [], [0.0] * len(tasks)
    for window, latents in paint_windows(ours, plan, tasks):
        painted.append((window, latents))
        seconds[window.index], began = time.process_time() - began, time.process_time()
    return painted, seconds


@torch.no_grad()
def paint_fused(ours: Model, plan: Plan, windows: Sequence[Window]) -> Latents:
    """Latents [C, T, H, W] of a film whose windows agree on the predicted picture, by the stitcher's weights, at every
    step (FlowLong; MultiDiffusion, arXiv 2302.08113, in time)."""
    renderer, config = ours.renderer, ours.renderer.network.config
    grid = plan.grid
    shape = (grid.latent_channels, grid.latent_height, grid.latent_width)
    noise = frame_noise(plan.request.seed, LATENTS, 0, plan.latent_frames, shape)
    x = config.sampling_temperature * torch.from_numpy(noise).transpose(0, 1)[None]
    networks = [plan_guided(renderer.network, renderer.conditioning(plan, window, {})) for window in windows]
    clock = times(plan.request.steps, config.sampling_shift)
    for now, then in pairwise(clock):
        clean = torch.zeros_like(x)
        for window, network in zip(windows, networks, strict=True):
            part = x[:, :, window.start : window.stop]
            t = torch.full((1, window.length), now)
            w = torch.ones(window.length)
            w[: window.left] = torch.from_numpy(weights(window.left))
            w[window.length - window.right :] = torch.from_numpy(1 - weights(window.right))
            guess = part - now * renderer.flow.velocity(network, part, t)
            clean[:, :, window.start : window.stop] += per_frame(w[None], guess) * guess
        x = clean + then / now * (x - clean)
    return x[0].numpy()


def makespan(tasks: Sequence[WindowTask], seconds: Sequence[float], renderers: int) -> float:
    """Seconds until all windows are painted, each as soon as a renderer is free and what it needs is there, the lowest
    first: with as many renderers as windows, the critical path."""
    waiting = {index: {need.window for need in task.needs} for index, task in enumerate(tasks)}
    running: list[tuple[float, int]] = []
    now = 0.0
    while waiting or running:
        for index in sorted(index for index, needs in waiting.items() if not needs)[: renderers - len(running)]:
            del waiting[index]
            running.append((now + seconds[index], index))
        now, done = min(running)
        running.remove((now, done))
        for needs in waiting.values():
            needs.discard(done)
    return now


if __name__ == "__main__":
    main()
