"""Rendered windows in, segments to decode out: the blend happens in latent space, before any picture exists.

The result depends on the windows' latents alone, never on the order they arrive in: a frame is blended only when every
window that shows it is there, and always from the earlier window to the later one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sgen_ray.shapes import Grid
from sgen_ray.types import Latents, RenderedWindow, Segment, Window
from sgen_ray.windows import SEGMENT_LENGTH, segments


class Blend:
    """Collects rendered windows and hands out each segment once, as soon as all windows that it needs are there.

    Over an overlap the later window's weight climbs (see `weights`), and the earlier one has the rest; where both agree
    the result is exactly theirs. Latents that no segment still needs are dropped, so that windows arriving roughly in
    order hold a bounded amount of memory whatever the film's length.

    Args:
        windows: as `windows.split` makes them; their last `stop` is the film's length in latent frames.
        halo: latent frames before and after a run that exact decoding needs; clipped at the film's ends.
        frames: pixel frames of the film; segments are trimmed to it.
        segment_length: latent frames of a segment.
        shot_starts: first latent frame of each shot.

    Raises:
        ValueError: the windows do not cover `frames`, do not join, or the halo is negative.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        grid: Grid,
        halo: tuple[int, int],
        frames: int,
        segment_length: int = SEGMENT_LENGTH,
        shot_starts: Sequence[int] = (0,),
    ) -> None:
        _check_windows(windows, grid, frames)
        before, after = halo
        if before < 0 or after < 0:
            raise ValueError(f"the decoder's halo must not be negative, not {halo}")
        self._windows = tuple(windows)
        self._grid = grid
        self._frames = frames
        self._shot_starts = tuple(shot_starts)
        self._latents: dict[int, Latents] = {}
        self._seen: set[int] = set()
        self._segments = segments(windows[-1].stop, segment_length)
        # Segment index -> the latent frames [start, stop) that decoding it needs.
        self._pending = {
            index: (max(0, start - before), min(windows[-1].stop, stop + after))
            for index, (start, stop) in enumerate(self._segments)
        }

    @property
    def segment_count(self) -> int:
        """Segments of the whole film."""
        return len(self._segments)

    @property
    def done(self) -> bool:
        """True when every segment was handed out."""
        return not self._pending

    @property
    def held(self) -> int:
        """Latent frames in memory now."""
        return sum(latents.shape[1] for latents in self._latents.values())

    def add(self, rendered: RenderedWindow) -> list[Segment]:
        """Takes one window and returns the segments that it completed, by index; a window seen before changes nothing.

        Raises:
            ValueError: the window is not one of this film's, or its latents do not fit it.
        """
        window, latents = rendered.window, rendered.latents
        if not 0 <= window.index < len(self._windows) or window != self._windows[window.index]:
            raise ValueError(f"{window} is not a window of this film")
        expected = (self._grid.latent_channels, window.length, self._grid.latent_height, self._grid.latent_width)
        if latents.shape != expected:
            raise ValueError(f"window {window.index} has latents {latents.shape}, but {expected} was expected")
        if window.index in self._seen:
            return []
        self._seen.add(window.index)
        self._latents[window.index] = latents
        ready = [index for index, (start, stop) in self._pending.items() if self._showing(start, stop) <= self._seen]
        finished = [self._segment(index) for index in ready]
        for index in ready:
            del self._pending[index]
        needed = set().union(*(self._showing(start, stop) for start, stop in self._pending.values()))
        self._latents = {index: kept for index, kept in self._latents.items() if index in needed}
        return finished

    def _showing(self, start: int, stop: int) -> set[int]:
        return {window.index for window in self._windows if window.start < stop and start < window.stop}

    def _segment(self, index: int) -> Segment:
        start, stop = self._segments[index]
        latent_start, latent_stop = self._pending[index]
        frame_start, frame_stop = self._grid.pixel_range(start, stop)
        return Segment(
            index=index,
            start=start,
            stop=stop,
            latent_start=latent_start,
            latents=self._blend(latent_start, latent_stop),
            frame_start=frame_start,
            frame_stop=min(frame_stop, self._frames),
            cuts=tuple(cut for cut in self._shot_starts if latent_start < cut < latent_stop),
        )

    def _blend(self, start: int, stop: int) -> Latents:
        """Latents [C, stop - start, H, W] of absolute latent frames [start, stop)."""
        grid = self._grid
        blended = np.empty((grid.latent_channels, stop - start, grid.latent_height, grid.latent_width), np.float32)
        for index in sorted(self._showing(start, stop)):
            window = self._windows[index]
            first, last = max(start, window.start), min(stop, window.stop)
            shared = min(max(first, window.start + window.left), last)
            painted = self._latents[index].astype(np.float32, copy=False)
            # Earlier + weight * (later - earlier) keeps a frame on which both agree as it is, bit for bit.
            ramp = weights(window.left)[first - window.start : shared - window.start]
            earlier = blended[:, first - start : shared - start]
            later = painted[:, first - window.start : shared - window.start]
            earlier += ramp[None, :, None, None] * (later - earlier)
            blended[:, shared - start : last - start] = painted[:, shared - window.start : last - window.start]
        return blended


def weights(overlap: int) -> NDArray[np.float32]:
    """How much of the later window each of `overlap` shared latent frames shows.

    It climbs linearly over all but the outer eighths. These show one window alone: there the other knows only one
    side of what it paints, and the two agree less.
    """
    margin = overlap // 8
    climb = (np.arange(overlap, dtype=np.float32) - margin + 1) / np.float32(overlap - 2 * margin + 1)
    return climb.clip(0, 1)


def _check_windows(windows: Sequence[Window], grid: Grid, frames: int) -> None:
    if not windows or windows[0].start or windows[0].left or windows[-1].right:
        raise ValueError("windows must begin at latent frame 0, and share nothing with what is outside the film")
    if grid.latent_frames(frames) != windows[-1].stop:
        raise ValueError(
            f"windows cover {windows[-1].stop} latent frames, but {frames} frames need {grid.latent_frames(frames)}"
        )
    for index, window in enumerate(windows):
        if window.index != index or window.left + window.right > window.length:
            raise ValueError(f"window {index} is out of place or shares more than it has: {window}")
    for earlier, later in pairwise(windows):
        if not earlier.stop - later.start == earlier.right == later.left:
            raise ValueError(f"windows {earlier.index} and {later.index} do not join: {earlier}, {later}")
