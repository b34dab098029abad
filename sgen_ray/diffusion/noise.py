"""Noise that belongs to the film, not to the work: keyed by (seed, stream, absolute frame).

Whoever paints a frame, in whatever window, on whatever machine, draws the same numbers; so overlapping windows share
their noise and a window painted twice is the same window. The generator is Philox, counter based, on the CPU.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LATENTS, SEMANTIC, CHOICE = 0, 1, 2
"""Streams never share numbers: the renderer's latents, the planner's semantic tokens (those of further candidates at 3,
5, ...), and what candidates are compared by."""


def frame_noise(seed: int, stream: int, start: int, stop: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal noise [stop - start, *shape] for absolute frames [start, stop)."""
    key = np.array([seed % 2**64, stream], np.uint64)  # as a list, seeds above 2**63 would pass through float64
    out = np.empty((stop - start, *shape), np.float32)
    for row, frame in enumerate(range(start, stop)):
        bits = np.random.Philox(key=key, counter=[0, 0, 0, frame])
        out[row] = np.random.Generator(bits).standard_normal(shape, np.float32)
    return out
