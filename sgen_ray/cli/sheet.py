"""Stills for people: a contact sheet of a finished film, a filmstrip of a plan."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgen_ray.media.files import replacing
from sgen_ray.media.probe import probe, read_frames
from sgen_ray.media.sheets import contact_sheet, filmstrip, save_png, sprite_index
from sgen_ray.media.stills import sprite_count, sprites, thumbnail
from sgen_ray.media.timeline import timeline
from sgen_ray.types import Plan, Video, VideoRequest

PICTURES = 20


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
    """Writes `thumbnail`. Raises SgenError."""
    save_png(thumbnail(film), picture)


def write_spritesheet(film: Path, picture: Path) -> None:
    """Writes small pictures at even times, and beside them `picture` with .vtt, the WebVTT index that players read.

    Raises:
        SgenError: the film cannot be read, or the files not written.
    """
    facts, sheet = probe(film), sprites(film)
    save_png(sheet, picture)
    with replacing(picture.with_suffix(".vtt")) as temporary:
        temporary.write_text(sprite_index(picture.name, sheet.size, sprite_count(facts), facts.seconds))


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
