"""Who is in a picture or a clip, in words that a prompt may use: what the judge reads, as far as it is sure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sgen_ray.errors import RequestError
from sgen_ray.evaluation.judge import Judge
from sgen_ray.world import ATTRIBUTES
from sgen_ray.world.vocabulary import NOUNS

SURE = 0.5
"""Probability from which on a reading is believed."""


def describe(judge: Judge, frames: NDArray[np.uint8]) -> str:
    """ "orange horse": colour and subject of frames [T, H, W, 3] at 8 a second; a still is one frame.

    Raises:
        RequestError: nobody, or nothing, is recognised.
    """
    means = {name: values.mean(0) for name, values in judge.predict(frames).items()}
    seen = {}
    for name in ("subject", "colour"):
        best = int(means[name].argmax())
        if float(means[name][best]) >= SURE:
            seen[name] = ATTRIBUTES[name][best]
    subject, colour = seen.get("subject"), seen.get("colour")
    if subject not in NOUNS:
        raise RequestError(
            "nobody is recognised in it; send a picture or a film that shows one subject of the demo world, large and"
            f" whole: {', '.join(NOUNS)}"
        )
    noun = NOUNS[subject][0][0]
    return noun if colour in (None, "none") else f"{colour} {noun}"
