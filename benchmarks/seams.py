"""Do long films hold together? Seams, drift and motion of minutes made by the engine, beside the world's own.

Films of one frozen frame and of noise are measured the same way: they must not count. What the prompt leaves open must
stay what it is over the whole film ("kept").
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from common import Progress, judge, options, percent, save, show

from sgen_ray.api import generate
from sgen_ray.engine.config import EngineConfig
from sgen_ray.evaluation.adherence import Case, Reading, draw_cases, kept, read, world_frames
from sgen_ray.evaluation.steadiness import Steadiness, report_frames, steadiness, summary
from sgen_ray.media.probe import read_frames
from sgen_ray.models.factory import load_factory
from sgen_ray.types import Report
from sgen_ray.world import ATTRIBUTES

KINDS = ("ours", "world", "frozen", "noise")
COLUMNS = {
    "seam_ratio": "seam ratio", "overlap_sharpness": "overlap sharpness", "drift_sharpness": "drift: sharpness",
    "drift_colourfulness": "colourfulness", "drift_motion": "motion", "drift_confidence": "confidence",
    "motion": "motion", "motion_ratio": "of the world's", "read": "read",
}  # fmt: skip
GOALS = {"seam_ratio": 1.05, "overlap_sharpness": 0.97, "drift": 0.0358, "motion_off": 0.1, "kept": 0.98}
"""`motion_off`: how far motion, by the mean of all films, may be from that of the world's own."""


@dataclass(frozen=True)
class Measured:
    figures: Report
    reading: Reading


def main() -> None:
    parser = options(__doc__ or "", films=20, small=2)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each film")
    parser.add_argument("--in-process", action="store_true", help="threads of this process instead of Ray")
    arguments = parser.parse_args()
    grid = load_factory(arguments.model).grid
    frames = grid.frames(arguments.seconds)
    cases = draw_cases(arguments.films, arguments.seconds, 2000 + arguments.seed)
    found: dict[str, list[Steadiness]] = {kind: [] for kind in KINDS}
    readings: dict[str, list[Reading]] = {kind: [] for kind in KINDS}
    progress = Progress(len(cases), "films")
    for case in cases:
        truth = world_frames(case.film, grid, frames)
        ours, first = film(case, arguments.model, arguments.seconds, arguments.workers, arguments.in_process)
        still = np.broadcast_to(first, (frames, *first.shape))
        snow = np.random.default_rng(case.seed).integers(0, 256, truth.shape, np.uint8)
        measured = {"ours": ours}
        for kind, pictures in (("world", truth), ("frozen", still), ("noise", snow)):
            measured[kind] = Measured(report_frames(pictures, grid), read(judge(), pictures, grid.fps))
        for kind in KINDS:
            m = measured[kind]
            found[kind].append(steadiness(m.figures, m.reading, case, measured["world"].figures.motion))
            readings[kind].append(m.reading)
        progress.step()

    sums = {kind: summary(found[kind]) for kind in KINDS}
    counted = summary([f for f in found["ours"] if f.counts])
    rows = [[kind, f"{s['count']}/{s['films']}", *(s.get(name) for name in COLUMNS)] for kind, s in sums.items()]
    rows.insert(1, ["ours that count", "", *(counted.get(name) for name in COLUMNS)])
    show(f"Films of {arguments.seconds:g} s", ["films", "count", *COLUMNS.values()], rows)
    keeps = {kind: kept(readings[kind], cases) for kind in ("ours", "world")}
    show("Kept: share of clips that show what their film mostly does, where the prompt leaves it open",
         ["films", *ATTRIBUTES, "all"],
         [[kind, *(percent(k.get(name)) for name in (*ATTRIBUTES, "all"))] for kind, k in keeps.items()])  # fmt: skip
    save("seams", arguments, {"summary": sums, "counted": counted, "kept": keeps, "goals": GOALS,
                              "films": {kind: [asdict(f) for f in found[kind]] for kind in KINDS}})  # fmt: skip


def film(case: Case, model: str, seconds: float, renderers: int, in_process: bool) -> tuple[Measured, np.ndarray]:
    """Our film through the engine, from an empty store: its figures and reading, and its first frame."""
    engine = EngineConfig(renderers=renderers, threads=1, in_process=in_process)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        video = generate(
            case.caption, seconds=seconds, seed=case.seed, model=model, output=path, store=Path(folder) / "store",
            engine=engine,
        )  # fmt: skip
        pictures = read_frames(path)
    return Measured(video.report, read(judge(), pictures, video.fps)), pictures[0]


if __name__ == "__main__":
    main()
