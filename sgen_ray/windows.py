"""The timeline cut into windows to render and segments to decode, in latent frames; integers only.

Window starts and overlaps are multiples of `Grid.unit`, so that a window sees the same attention spans and semantic
steps as a render of the whole film would.
"""

from __future__ import annotations

from collections.abc import Iterator

from sgen_ray.types import Window

WINDOW_LENGTH = 24
"""Latent frames of a window: three attention spans of 8; 12 s at 8 frames a second and 4 frames a latent."""

WINDOW_OVERLAP = 4
"""Latent frames that neighbours share: half an attention span, the least that keeps starts on the grid. Overlap costs
length / (length - overlap) = 1.2 times the work of windows without one."""

SEGMENT_LENGTH = 8
"""Latent frames of a segment: 4 s at 8 frames a second, which is also a usual HLS segment."""


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


def wavefront(count: int) -> Iterator[int]:
    """The order to render windows in, so that the film's beginning is ready first."""
    return iter(range(count))
