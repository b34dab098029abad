"""The timeline cut into windows to render and segments to decode, in latent frames; integers only.

Window starts and overlaps are multiples of `Grid.unit`, so that a window sees the same attention spans and semantic
steps as a render of the whole film would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sgen_ray.types import Window

Seams = Literal["independent", "anchors"]
"""How windows come to agree; `window_tasks` says what each is."""

WINDOW_LENGTH = 36
"""Latent frames of a window: four attention spans of 8 and a half; 18 s of the shipped model's film. A minute of that
is four windows of one length, so that one, two or four renderers end together."""

WINDOW_OVERLAP = 8
"""Latent frames that neighbours share: an attention span, of which all but the outermost are blended (see `stitching`).
Overlap costs length / (length - overlap) = 1.29 times the work of windows without one."""

SEGMENT_LENGTH = 8
"""Latent frames of a segment: 4 s at 8 frames a second, which is also a usual HLS segment."""

SEAMS: Seams = "independent"
"""The default, by the figures in docs/seams.md."""

ANCHORS = 2
"""Latent frames of a shot that its other windows look at. The renderer is trained with one to four."""


@dataclass(frozen=True)
class Need:
    """Finished latent frames [start, stop), taken from window `window`."""

    window: int
    start: int
    stop: int


@dataclass(frozen=True)
class WindowTask:
    """A window and what must be finished before it, for it to look at."""

    window: Window
    needs: tuple[Need, ...] = ()


def split(
    latent_frames: int, unit: int, length: int = WINDOW_LENGTH, overlap: int = WINDOW_OVERLAP
) -> tuple[Window, ...]:
    """Windows that cover latent frames [0, latent_frames), each sharing `overlap` frames with the next.

    The last window may be shorter than `length`, yet shows at least `unit` frames that no other does: a remainder
    smaller than that is painted by the window before it, which is then up to `unit - 1` frames longer.

    Raises:
        ValueError: a size is not positive, `length` or `overlap` is no multiple of `unit`, or `overlap` is more than
            half of `length`, so that three windows would share a frame.
    """
    if latent_frames < 1 or unit < 1:
        raise ValueError(f"a film needs at least one latent frame and a unit of one, not {latent_frames} and {unit}")
    if length < 1 or length % unit:
        raise ValueError(f"window length {length} must be a positive multiple of {unit} latent frames")
    if overlap < 0 or overlap % unit:
        raise ValueError(f"window overlap {overlap} must be a multiple of {unit} latent frames")
    if 2 * overlap > length:
        raise ValueError(f"window overlap {overlap} must be at most half of the window length {length}")
    stride = length - overlap
    beyond_first = max(0, latent_frames - length)
    count = 1 + beyond_first // stride + (beyond_first % stride >= unit)
    return tuple(
        Window(
            index=index,
            start=index * stride,
            stop=latent_frames if index == count - 1 else index * stride + length,
            left=overlap if index > 0 else 0,
            right=overlap if index < count - 1 else 0,
        )
        for index in range(count)
    )


def segments(latent_frames: int, length: int = SEGMENT_LENGTH) -> tuple[tuple[int, int], ...]:
    """Runs [start, stop) of `length` latent frames at fixed absolute places; the last may be shorter.

    Raises:
        ValueError: a size is not positive.
    """
    if latent_frames < 1 or length < 1:
        raise ValueError(f"segments need positive sizes, not {latent_frames} latent frames and length {length}")
    return tuple((start, min(start + length, latent_frames)) for start in range(0, latent_frames, length))


def window_tasks(windows: Sequence[Window], shot_starts: Sequence[int], seams: Seams) -> tuple[WindowTask, ...]:
    """What each window, by index, waits for; each waits for finitely many others, whatever the film's length.

    independent: nothing; neighbours share the noise of their overlap alone.
    anchors: one window of each shot is painted first, and the others of the shot look at `ANCHORS` of its frames.
    """
    shots = list(zip(shot_starts, [*shot_starts[1:], windows[-1].stop], strict=True))
    anchors = [_anchors(windows, *shot) if seams == "anchors" else () for shot in shots]
    first = {need.window for needs in anchors for need in needs}
    tasks = []
    for window in windows:
        shown = [needs for needs, shot in zip(anchors, shots, strict=True) if _overlap(window, *shot)]
        needs = () if window.index in first else tuple(need for each in shown for need in each)
        tasks.append(WindowTask(window, needs))
    return tuple(tasks)


def _anchors(windows: Sequence[Window], start: int, stop: int) -> tuple[Need, ...]:
    """Frames of a shot [start, stop) to look at, evenly spread over what one window alone shows of it: of those that
    show the most, the first, so that the film's beginning is not kept waiting, and a longer shot keeps its anchors.
    None where one window shows the whole shot."""
    if sum(_overlap(window, start, stop) > 0 for window in windows) < 2:
        return ()
    alone = [(max(start, w.start + w.left), min(stop, w.stop - w.right)) for w in windows]
    chosen = max(range(len(windows)), key=lambda index: (alone[index][1] - alone[index][0], -index))
    first, last = alone[chosen]
    length = last - first
    places = sorted({first + (2 * k + 1) * length // (2 * ANCHORS) for k in range(ANCHORS)}) if length > 0 else []
    return tuple(Need(chosen, place, place + 1) for place in places)


def _overlap(window: Window, start: int, stop: int) -> int:
    return max(0, min(window.stop, stop) - max(window.start, start))


def wavefront(tasks: Sequence[WindowTask]) -> Iterator[int]:
    """An order in which everything is there when it is needed, and the film's beginning first."""
    seen: set[int] = set()

    def upto(index: int) -> Iterator[int]:
        if index not in seen:
            seen.add(index)
            for need in sorted(tasks[index].needs, key=lambda need: need.window):
                yield from upto(need.window)
            yield index

    for task in tasks:
        yield from upto(task.window.index)
