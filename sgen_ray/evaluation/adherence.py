"""Does a film show what its caption says? Held-out captions, the judge's reading of a film, and the count.

A caption comes with the truth about the scene it was written for: the attributes that it states must be seen in the
film; those that it leaves open may be anything, but should stay what they are ("kept").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sgen_ray.evaluation.judge import FPS, Judge
from sgen_ray.evaluation.shares import Share, share
from sgen_ray.shapes import Grid
from sgen_ray.world import ATTRIBUTES, Film, captions_with_mentions, draw, sample_film


@dataclass(frozen=True)
class Case:
    """A held-out caption, the film of the world it was written for, and what it states: attribute -> class."""

    seed: int
    caption: str
    film: Film
    stated: Mapping[str, str]


@dataclass(frozen=True)
class Reading:
    """What the judge sees in a film.

    Attributes:
        seen: attribute -> class of the film as a whole: the likeliest by the mean over its clips.
        clips: attribute -> class of each clip.
        confidence: mean probability of each clip's likeliest class, [clips], over all attributes.
    """

    seen: Mapping[str, str]
    clips: Mapping[str, tuple[str, ...]]
    confidence: tuple[float, ...]


def draw_cases(count: int, seconds: float, seed: int = 0, split: str = "heldout") -> list[Case]:
    """Single-shot cases: attribute combinations and wordings that no training ever saw, where split is "heldout"."""
    cases = []
    for index in range(count):
        own = seed * 1_000_000 + index
        film = sample_film(own, seconds, 1, split)
        ((caption, mentions),) = captions_with_mentions(film, own, split)
        stated = {name: getattr(film.shots[0], name) for name in ATTRIBUTES if name in mentions}
        cases.append(Case(own, caption, film, stated))
    return cases


def world_frames(film: Film, grid: Grid, frames: int, begin: float = 0.0) -> NDArray[np.uint8]:
    """The world's own film from `begin` (s) on, [frames, H, W, 3] at the grid's size and rate."""
    pictures = draw([film], begin + torch.arange(frames)[None] / grid.fps, grid.width, grid.height)[0]
    return (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def read(judge: Judge, frames: NDArray[np.uint8], fps: int = FPS) -> Reading:
    """The judge's reading of a film's frames [T, H, W, 3]."""
    at_judge_rate = frames[(np.arange(max(1, len(frames) * FPS // fps)) * fps) // FPS]
    probabilities = judge.predict(at_judge_rate)
    return Reading(
        seen={name: ATTRIBUTES[name][int(p.mean(0).argmax())] for name, p in probabilities.items()},
        clips={name: tuple(ATTRIBUTES[name][i] for i in p.argmax(1).tolist()) for name, p in probabilities.items()},
        confidence=tuple(_confidence(probabilities).tolist()),
    )


def _confidence(probabilities: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([p.amax(1) for p in probabilities.values()]).mean(0)


def adherence(readings: Sequence[Reading], cases: Sequence[Case]) -> dict[str, Share]:
    """Attribute -> share of films that show what their caption states of it.

    Also "statements", all of them together, and "films", those where every stated attribute is right.
    """
    hits = [
        {name: reading.seen[name] == wanted for name, wanted in case.stated.items()}
        for reading, case in zip(readings, cases, strict=True)
    ]
    shares = {name: share(film[name] for film in hits if name in film) for name in ATTRIBUTES}
    shares["statements"] = sum(shares.values(), Share(0, 0))
    shares["films"] = share(all(film.values()) for film in hits)
    return shares


def guessing(cases: Sequence[Case]) -> dict[str, Share]:
    """What always answering the commonest class would give, of each attribute and of all "statements"."""
    shares = {}
    for name in ATTRIBUTES:
        stated = [case.stated[name] for case in cases if name in case.stated]
        best = max((stated.count(c) for c in set(stated)), default=0)
        shares[name] = Share(best, len(stated))
    shares["statements"] = sum(shares.values(), Share(0, 0))
    return shares


def kept(readings: Sequence[Reading], cases: Sequence[Case]) -> dict[str, float]:
    """Attribute -> share of clips that show what most clips of their film do, where the caption leaves it open.

    Mean over films, and "all" the mean over all of these; a film of one clip keeps everything and says nothing.
    """
    values: dict[str, list[float]] = {}
    for reading, case in zip(readings, cases, strict=True):
        for name, seen in reading.clips.items():
            if name not in case.stated:
                values.setdefault(name, []).append(max(seen.count(c) for c in set(seen)) / len(seen))
    means = {name: float(np.mean(values[name])) for name in ATTRIBUTES if name in values}
    everything = [value for film in values.values() for value in film]
    return {**means, **({"all": float(np.mean(everything))} if everything else {})}
