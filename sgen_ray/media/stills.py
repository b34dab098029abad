"""What a finished film looks like at a glance: one picture of it, and many small ones."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from sgen_ray.media.probe import Probe, iter_frames, probe, read_frames
from sgen_ray.media.sheets import spritesheet

SPRITES = 100
"""At most; a cell a second for films that are shorter than as many seconds."""


def thumbnail(film: Path) -> Image.Image:
    """The frame a third into the film: a beginning often shows little yet. Raises SgenError: it cannot be read."""
    return Image.fromarray(read_frames(film, [probe(film).frames // 3])[0])


def sprites(film: Path) -> Image.Image:
    """Small pictures at even times, `sprite_count` of them. Raises SgenError: the film cannot be read."""
    facts = probe(film)
    count = sprite_count(facts)
    indices = {(2 * number + 1) * facts.frames // (2 * count) for number in range(count)}
    return spritesheet(frame for index, frame in enumerate(iter_frames(film)) if index in indices)


def sprite_count(facts: Probe) -> int:
    return max(1, min(SPRITES, facts.frames, round(facts.seconds)))
