"""Stills for people: a contact sheet of a finished film, a filmstrip of a plan."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sgen_ray.media.files import replacing
from sgen_ray.media.probe import iter_frames, probe, read_frames
from sgen_ray.media.sheets import contact_sheet, filmstrip, save_png, sprite_index, spritesheet
from sgen_ray.media.timeline import timeline
from sgen_ray.types import Plan, Video, VideoRequest

PICTURES = 20
SPRITES = 100
"""At most; a cell a second for films that are shorter than as many seconds."""


def write_sheet(film: Path, sheet: Path, request: VideoRequest) -> None:
    """Writes `PICTURES` frames of the film, or all where it has fewer, with the prompt of each shot.

    Raises:
        SgenError: the film cannot be read, or the sheet not written.
    """
    facts = probe(film)
    count = min(PICTURES, facts.frames)
    # Each picture from the middle of its share, so that neither a first frame nor a cut is taken by rule.
    indices = [(2 * number + 1) * facts.frames // (2 * count) for number in range(count)]
    seconds = [index / float(facts.fps) for index in indices]
    if len(request.shots) == 1:
        title, captions = request.shots[0].prompt, None
    else:
        stops = list(accumulate(shot.seconds for shot in request.shots))
        shown = [sum(stop <= second for stop in stops[:-1]) for second in seconds]
        title, captions = "", [request.shots[shot].prompt for shot in shown]
    save_png(contact_sheet(read_frames(film, indices), seconds, captions, title), sheet)


def write_thumbnail(film: Path, picture: Path) -> None:
    """Writes the frame a third into the film: a beginning often shows little yet. Raises SgenError."""
    save_png(Image.fromarray(read_frames(film, [probe(film).frames // 3])[0]), picture)


def write_spritesheet(film: Path, picture: Path) -> None:
    """Writes small pictures at even times, and beside them `picture` with .vtt, the WebVTT index that players read.

    Raises:
        SgenError: the film cannot be read, or the files not written.
    """
    facts = probe(film)
    count = max(1, min(SPRITES, facts.frames, round(facts.seconds)))
    indices = {(2 * number + 1) * facts.frames // (2 * count) for number in range(count)}
    sheet = spritesheet(frame for index, frame in enumerate(iter_frames(film)) if index in indices)
    save_png(sheet, picture)
    with replacing(picture.with_suffix(".vtt")) as temporary:
        temporary.write_text(sprite_index(picture.name, sheet.size, count, facts.seconds))


def write_timeline(video: Video, picture: Path) -> None:
    """Writes which worker did what when. Raises OutputError."""
    busy = "" if video.utilisation is None else f", renderers busy {video.utilisation:.0%} of the time"
    save_png(timeline(video.timeline, f"{video.path.name}: {video.wall['total']:.1f} s{busy}"), picture)


def write_filmstrip(thumbnails: NDArray[np.uint8], plan: Plan, strip: Path) -> None:
    """Writes a plan's thumbnails [S, H, W, 3], every shot on rows of its own. Raises OutputError."""
    grid = plan.grid
    starts = [start // grid.semantic_stride for start in plan.shot_starts]
    prompts = [shot.prompt for shot in plan.request.shots]
    save_png(filmstrip(thumbnails, prompts, starts, grid.frames_per_step / grid.fps), strip)
