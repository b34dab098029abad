"""Figures of a finished film, from a few floats a frame, so that ten minutes cost no more memory than one.

Each segment is measured where it is decoded (`measure`), the results are gathered in any order (`FilmStats`), and
`report` makes the figures. Frames are those of the model's grid, before they are resized and repeated for the output.

Per frame, for uint8 RGB [H, W, 3]:
    sharpness       variance of the Laplacian of the luma, luma in 0..1 (Pech-Pacheco et al., ICPR 2000).
    colourfulness   Hasler and Suesstrunk, "Measuring colourfulness in natural images" (2003), channels in 0..255.
    difference      mean absolute difference to the frame before over pixels and channels, channels in 0..1.

Of the film:
    motion              mean difference, cuts left out: 0 for a frozen film, 1/3 for uniform noise.
    seam_ratio          difference at window joins over difference elsewhere: 1 where joins cannot be told, more
                        where they jump, less where a blend of two pictures slows the motion down.
    overlap_sharpness   sharpness inside overlaps over sharpness elsewhere: below 1 where blending blurs.
    drift               |mean of the first 15 % - mean of the last 15 %| over the mean, a shot at a time.

A still film would win seams and drift, so neither says anything where nothing moves: `seam_ratio` is None and `drift`
empty, and both are to be read beside `motion`. A figure that has no ground (no joins, one frame) is None or left out;
none is ever NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sgen_ray.shapes import Grid
from sgen_ray.types import Report, Window

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

DRIFT_FRACTION = 0.15
"""Share of a shot at either end that drift compares (FramePack, Zhang and Agrawala 2025, eq. 7)."""

STILL = 0.01 / 255
"""A difference of a hundredth of a grey level: as still as a film with any motion at all is taken to be."""


@dataclass(frozen=True)
class FrameStats:
    """One segment's frames, measured: plain data that may travel or be stored beside the segment.

    Attributes:
        start: the film's pixel frame that the segment begins at.
        sharpness, colourfulness: [T]; difference: [T - 1], from each frame to the next.
        first, last: uint8 [H, W, 3], to measure the difference across the segment's borders.
    """

    start: int
    sharpness: Values
    colourfulness: Values
    difference: Values
    first: NDArray[np.uint8]
    last: NDArray[np.uint8]

    @property
    def stop(self) -> int:
        return self.start + len(self.sharpness)


def measure(frames: NDArray[np.uint8], start: int = 0) -> FrameStats:
    """Measures frames [T, H, W, 3] that begin at pixel frame `start` of the film.

    Raises:
        ValueError: there is no frame, or frames are not uint8 RGB.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or not frames.size:
        raise ValueError(f"frames must be uint8 [T, H, W, 3] with at least one, not {frames.dtype} {frames.shape}")
    return FrameStats(
        start=start,
        sharpness=np.array([frame_sharpness(frame) for frame in frames]),
        colourfulness=np.array([frame_colourfulness(frame) for frame in frames]),
        difference=np.array([frame_difference(a, b) for a, b in pairwise(frames)], np.float64),
        first=frames[0].copy(),
        last=frames[-1].copy(),
    )


def frame_sharpness(frame: NDArray[np.uint8]) -> float:
    """Variance of the 4-neighbour Laplacian of the BT.709 luma; 0 for frames smaller than 3x3."""
    luma = frame.astype(np.float32) @ (np.array([0.2126, 0.7152, 0.0722], np.float32) / np.float32(255))
    if min(luma.shape) < 3:
        return 0.0
    laplacian = luma[1:-1, 1:-1] * np.float32(-4)
    for neighbours in (luma[:-2, 1:-1], luma[2:, 1:-1], luma[1:-1, :-2], luma[1:-1, 2:]):
        laplacian += neighbours
    squares = np.einsum("ij,ij->i", laplacian, laplacian).sum(dtype=np.float64) / laplacian.size
    return float(max(0.0, squares - (laplacian.sum(1).sum(dtype=np.float64) / laplacian.size) ** 2))


def frame_colourfulness(frame: NDArray[np.uint8]) -> float:
    """sqrt(var(rg) + var(yb)) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2), rg = R - G, yb = (R + G) / 2 - B; 0 for grey."""
    count = frame[..., 0].size
    red, green, blue = np.ascontiguousarray(frame.reshape(count, 3).T).astype(np.int16)
    rg, rg_squares = _moments(red - green)
    both, both_squares = _moments(red + green - 2 * blue)  # twice yb: all sums are of integers
    spread = np.sqrt(max(0.0, rg_squares - rg**2 + (both_squares - both**2) / 4))
    return float(spread + 0.3 * np.hypot(rg, both / 2))


def _moments(values: NDArray[np.int16]) -> tuple[float, float]:
    """Mean of integers up to 510, and of their squares, exactly: those of 64 still fit into the 24 bits of a float32,
    which numpy adds several times as fast as integers."""
    runs = np.zeros((-(-len(values) // 64), 64), np.float32)
    runs.reshape(-1)[: len(values)] = values
    squares = np.einsum("ij,ij->i", runs, runs)
    return runs.sum(1).sum(dtype=np.float64) / len(values), squares.sum(dtype=np.float64) / len(values)


def frame_difference(earlier: NDArray[np.uint8], later: NDArray[np.uint8]) -> float:
    """Mean absolute difference over pixels and channels, in 0..1."""
    difference = np.maximum(earlier, later) - np.minimum(earlier, later)
    rows = difference.reshape(len(difference), -1).sum(1, dtype=np.uint32)  # several times as fast as `mean`
    return float(rows.sum(dtype=np.uint64)) / difference.size / 255


class FilmStats:
    """Gathers `FrameStats` in any order; a border's frames are kept only until both of its sides were seen."""

    def __init__(self) -> None:
        self._parts: dict[int, tuple[Values, Values, Values]] = {}
        self._crossing: dict[int, float] = {}
        self._firsts: dict[int, NDArray[np.uint8]] = {}
        self._lasts: dict[int, NDArray[np.uint8]] = {}

    @property
    def frames_held(self) -> int:
        """Whole frames in memory now, at borders whose other side was not seen."""
        return len(self._firsts) + len(self._lasts)

    def add(self, stats: FrameStats) -> None:
        """Takes one segment; one that begins where another did before changes nothing."""
        if stats.start in self._parts:
            return
        self._parts[stats.start] = (stats.sharpness, stats.colourfulness, stats.difference)
        if stats.start:
            self._firsts[stats.start] = stats.first
        self._lasts[stats.stop] = stats.last
        for border in (stats.start, stats.stop):
            if border in self._firsts and border in self._lasts:
                self._crossing[border] = frame_difference(self._lasts.pop(border), self._firsts.pop(border))

    def series(self) -> tuple[Values, Values, Values]:
        """Sharpness, colourfulness and difference, [T] each; difference[0] is 0, as nothing is before it.

        Raises:
            ValueError: a segment is missing before the last one, or none was added.
        """
        stop = 0
        for start in sorted(self._parts):
            if start != stop:
                break
            stop += len(self._parts[start][0])
        if not self._parts or stop < max(self._parts):
            raise ValueError(f"frame {stop} was not measured: add every segment before asking for the report")
        parts = [(start, *self._parts[start]) for start in sorted(self._parts)]
        return (
            np.concatenate([sharpness for _, sharpness, _, _ in parts]),
            np.concatenate([colourfulness for _, _, colourfulness, _ in parts]),
            np.concatenate([np.r_[self._crossing.get(start, 0.0), inner] for start, _, _, inner in parts]),
        )


def report(stats: FilmStats, windows: Sequence[Window], shot_starts: Sequence[int], grid: Grid) -> Report:
    """The figures of a whole film. `windows` and `shot_starts` are in latent frames.

    A decoder may tick once a latent frame, and may smear a cut over one. So the difference at a join is compared with
    that at other borders of latent frames only, and differences less than one latent frame from a cut are left out.
    Drift is the mean over the shots that move, by their length.
    """
    sharpness, colourfulness, difference = stats.series()
    step = grid.temporal_compression
    cuts = [start * step for start in shot_starts if start]
    overlaps = [(window.start, window.start + window.left) for window in windows[1:]]
    joins = [latent * step for start, stop in overlaps for latent in range(start, stop + 1)]
    counted = _counted(len(difference), cuts, step)
    drifts: dict[str, list[tuple[float, int]]] = {}
    for shot in _shots(len(difference), cuts):
        moving = difference[shot][counted[shot]]
        if not moving.any():
            continue
        series = {"sharpness": sharpness[shot], "colourfulness": colourfulness[shot], "motion": moving}
        for name, values in series.items():
            if (value := drift(values)) is not None:
                drifts.setdefault(name, []).append((value, shot.stop - shot.start))
    return Report(
        seam_ratio=seam_ratio(difference, joins, cuts, period=step, margin=step),
        overlap_sharpness=overlap_sharpness(sharpness, [grid.pixel_range(*overlap) for overlap in overlaps], cuts),
        drift={name: sum(v * n for v, n in shots) / sum(n for _, n in shots) for name, shots in drifts.items()},
        motion=motion(difference, cuts, margin=step),
    )


def motion(difference: Values, cuts: Sequence[int] = (), margin: int = 1) -> float:
    """Mean of difference [T] (difference[k] is from frame k - 1 to k), without those less than `margin` from a cut."""
    counted = difference[_counted(len(difference), cuts, margin)]
    return float(counted.mean()) if counted.size else 0.0


def seam_ratio(
    difference: Values, joins: Sequence[int], cuts: Sequence[int] = (), period: int = 1, margin: int = 1
) -> float | None:
    """Difference at `joins` (frames) over difference elsewhere, each join against the mean of its own shot.

    Only frames that are multiples of `period` and at least `margin` from a cut take part. None where there is no join
    beside another frame to compare with, or the film stands still; where it stands still between its joins only, that
    stillness is taken as `STILL`, so that such a film scores badly.
    """
    counted = _counted(len(difference), cuts, margin) & (np.arange(len(difference)) % period == 0)
    inside, elsewhere, frames = _beside_own_shot(difference, _mask(len(difference), joins), counted, cuts)
    if not frames or inside == elsewhere == 0:
        return None
    return inside / max(elsewhere, frames * STILL)


def overlap_sharpness(sharpness: Values, overlaps: Sequence[tuple[int, int]], cuts: Sequence[int] = ()) -> float | None:
    """Sharpness of the frames in `overlaps` [start, stop) over that elsewhere, each frame against the mean of its own
    shot; None where there is no overlap beside other frames of its shot, or those are flat."""
    within = _mask(len(sharpness), [frame for overlap in overlaps for frame in range(*overlap)])
    inside, elsewhere, frames = _beside_own_shot(sharpness, within, np.ones(len(sharpness), np.bool_), cuts)
    return inside / elsewhere if frames and elsewhere > 0 else None


def drift(values: Values, fraction: float = DRIFT_FRACTION) -> float | None:
    """|mean of the first part - mean of the last part| / |mean| of one shot's values [T].

    None where `fraction` of the shot is less than one frame, or the mean is 0.
    """
    ends = int(len(values) * fraction)
    if not ends or not (mean := float(values.mean())):
        return None
    return float(abs(values[:ends].mean() - values[-ends:].mean()) / abs(mean))


def _mask(frames: int, indices: Sequence[int]) -> Mask:
    mask = np.zeros(frames, np.bool_)
    mask[[index for index in indices if 0 <= index < frames]] = True
    return mask


def _counted(frames: int, cuts: Sequence[int], margin: int) -> Mask:
    """True at the differences that are motion: not the first frame's, and none less than `margin` from a cut."""
    counted = ~_mask(frames, [near for cut in cuts for near in range(cut - margin + 1, cut + margin)])
    counted[:1] = False
    return counted


def _shots(frames: int, cuts: Sequence[int]) -> list[slice]:
    borders = [0, *sorted({cut for cut in cuts if 0 < cut < frames}), frames]
    return [slice(start, stop) for start, stop in pairwise(borders)]


def _beside_own_shot(values: Values, inside: Mask, counted: Mask, cuts: Sequence[int]) -> tuple[float, float, int]:
    """Sum of the counted values inside, sum of their shots' means elsewhere, and how many they are.

    Shots differ in motion and sharpness by more than a seam does; against its own shot a frame is compared like with
    like. Frames of a shot with nothing elsewhere are left out.
    """
    total, expected, frames = 0.0, 0.0, 0
    for shot in _shots(len(values), cuts):
        within = values[shot][inside[shot] & counted[shot]]
        beside = values[shot][~inside[shot] & counted[shot]]
        if within.size and beside.size:
            total += float(within.sum())
            expected += float(beside.mean()) * within.size
            frames += within.size
    return total, expected, frames
