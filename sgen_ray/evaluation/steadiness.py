"""Does a long film hold together? The engine's own figures, and whether they count.

A frozen film has no seams and no drift, and neither has noise. So figures count only where the film moves about as much
as the world's own film of its caption does, and where the judge can read in it what the caption states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sgen_ray.evaluation.adherence import Case, Reading
from sgen_ray.measures import DRIFT_FRACTION, FilmStats, drift, measure, report
from sgen_ray.shapes import Grid
from sgen_ray.types import Report
from sgen_ray.windows import split

LEAST_MOTION, MOST_MOTION = 0.9, 2.0
"""Of the world's own motion in the same scene, which is what the plan asks for."""
LEAST_READ = 0.5
"""Of the attributes that the caption states."""


@dataclass(frozen=True)
class Steadiness:
    """One film's figures.

    Attributes:
        motion_ratio: motion over that of the world's own film of the caption.
        read: share of the stated attributes that the judge sees in it; None where none is stated.
        drift: the report's, and "confidence", the judge's.
    """

    seam_ratio: float | None
    overlap_sharpness: float | None
    drift: Mapping[str, float]
    motion: float
    motion_ratio: float
    read: float | None

    @property
    def counts(self) -> bool:
        moves = LEAST_MOTION <= self.motion_ratio <= MOST_MOTION
        return moves and (self.read is None or self.read >= LEAST_READ)


def steadiness(figures: Report, reading: Reading, case: Case, world_motion: float) -> Steadiness:
    """Figures of one film; `world_motion` is that of the world's own film of the case."""
    hits = [reading.seen[name] == wanted for name, wanted in case.stated.items()]
    confidence = drift(np.array(reading.confidence), DRIFT_FRACTION)
    return Steadiness(
        seam_ratio=figures.seam_ratio,
        overlap_sharpness=figures.overlap_sharpness,
        drift={**figures.drift, **({"confidence": confidence} if confidence is not None else {})},
        motion=figures.motion,
        motion_ratio=figures.motion / world_motion if world_motion else 0.0,
        read=sum(hits) / len(hits) if hits else None,
    )


def report_frames(frames: NDArray[np.uint8], grid: Grid) -> Report:
    """The engine's figures of any single-shot film [T, H, W, 3], as if it had been painted in the usual windows."""
    stats = FilmStats()
    stats.add(measure(frames))
    return report(stats, split(grid.latent_frames(len(frames)), grid.unit), (0,), grid)


def summary(films: Sequence[Steadiness]) -> dict[str, float | int | None]:
    """Means over films, each over those that have the figure, and how many count."""
    names = sorted({name for film in films for name in film.drift})
    columns: dict[str, list[float | None]] = {
        "seam_ratio": [film.seam_ratio for film in films],
        "overlap_sharpness": [film.overlap_sharpness for film in films],
        **{f"drift_{name}": [film.drift.get(name) for film in films] for name in names},
        "motion": [film.motion for film in films],
        "motion_ratio": [film.motion_ratio for film in films],
        "read": [film.read for film in films],
    }
    there = {name: [v for v in values if v is not None] for name, values in columns.items()}
    means: dict[str, float | int | None] = {n: float(np.mean(v)) if v else None for n, v in there.items()}
    return {"films": len(films), "count": sum(film.counts for film in films), **means}
