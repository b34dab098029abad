"""Do films show what their prompts say? Held-out captions, judged attribute by attribute.

Beside each figure: the judge on the world's own film of the caption, on that through the autoencoder, and guessing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import each, judge, model, options, reconstruct, save, show

from sgen_ray.evaluation.adherence import Case, Reading, adherence, draw_cases, guessing, read, world_frames
from sgen_ray.evaluation.painting import paint, request
from sgen_ray.media.sheets import contact_sheet
from sgen_ray.types import VideoRequest
from sgen_ray.world import ATTRIBUTES

SHEET = 20
GOAL = 0.9


@dataclass(frozen=True)
class Task:
    model: str
    case: Case
    seconds: float
    steps: int
    guidance: float


@dataclass(frozen=True)
class Judged:
    """Readings of our film, the world's, and the world's through the autoencoder; our film's middle frame."""

    ours: Reading
    world: Reading
    reconstructed: Reading
    picture: np.ndarray


def main() -> None:
    parser = options(__doc__ or "", films=200, small=4)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each film")
    parser.add_argument("--steps", type=int, default=VideoRequest.steps, help="of the renderer")
    parser.add_argument("--guidance", type=float, default=VideoRequest.guidance, help="of the planner")
    arguments = parser.parse_args()
    cases = draw_cases(arguments.films, arguments.seconds, arguments.seed)
    tasks = [Task(arguments.model, case, arguments.seconds, arguments.steps, arguments.guidance) for case in cases]
    judged = list(each(make_and_judge, tasks, arguments.workers, "films"))

    ours = adherence([j.ours for j in judged], cases)
    world = adherence([j.world for j in judged], cases)
    reconstructed = adherence([j.reconstructed for j in judged], cases)
    guess = guessing(cases)
    rows = [
        [name, ours[name].total, ours[name], world[name], reconstructed[name], guess.get(name)]
        for name in (*ATTRIBUTES, "statements", "films")
    ]
    columns = ["attribute", "stated", "our films, %", "world's films", "reconstructed", "guessing"]
    show(f"Prompt adherence over {len(cases)} held-out captions (95 % intervals)", columns, rows)
    save("adherence", arguments, {"ours": ours, "world": world, "reconstructed": reconstructed, "guessing": guess,
                                  "goal": GOAL})  # fmt: skip
    sheet(judged[:SHEET], cases[:SHEET], arguments.out / "adherence.png")


def make_and_judge(task: Task) -> Judged:
    ours = model(task.model)
    made = ours.planner.plan(request(ours, task.case.caption, task.seconds, task.case.seed, task.steps, task.guidance))
    frames = paint(ours, made)
    truth = world_frames(task.case.film, made.grid, made.frames)
    readings = [read(judge(), film, made.grid.fps) for film in (frames, truth, reconstruct(ours, truth))]
    return Judged(readings[0], readings[1], readings[2], picture=frames[len(frames) // 2])


def sheet(judged: list[Judged], cases: list[Case], path: Path) -> None:
    """Middle frames with their captions, and what the judge missed."""
    notes = []
    for j, case in zip(judged, cases, strict=True):
        wrong = [f"{a}: {j.ours.seen[a]}" for a, wanted in case.stated.items() if j.ours.seen[a] != wanted]
        notes.append(case.caption + (f" [{', '.join(wrong)}]" if wrong else ""))
    middle = [case.film.seconds / 2 for case in cases]
    contact_sheet(np.stack([j.picture for j in judged]), middle, notes, "Held-out captions [misread]").save(path)
    print(f"sheet: {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
