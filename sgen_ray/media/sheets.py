"""Still pictures of films: contact sheets, storyboards, and animated WebP for pages that play no video."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sgen_ray.media.files import replacing

Frames = NDArray[np.uint8]

PAPER, INK, FAINT = (250, 250, 248), (28, 28, 30), (120, 120, 124)
GAP = 8
TEXT_SIZE = 14
LINE = TEXT_SIZE + 5


def contact_sheet(
    frames: Frames,
    seconds: Sequence[float],
    captions: Sequence[str] | None = None,
    title: str = "",
    columns: int = 5,
    cell_width: int = 240,
) -> Image.Image:
    """Frames uint8 [N, H, W, 3] in a grid, each with its time under it and, where given, its caption.

    Raises:
        ValueError: there is no frame, or not one time and one caption for each.
    """
    if not len(frames) or len(seconds) != len(frames) or (captions is not None and len(captions) != len(frames)):
        raise ValueError(f"a sheet needs one time and one caption for each of its {len(frames)} frames")
    columns = min(columns, len(frames))
    cells = [_cell(frame, cell_width) for frame in frames]
    texts = [
        [f"{second:.1f} s", *(_wrap(captions[index], cell_width) if captions else [])]
        for index, second in enumerate(seconds)
    ]
    heading = _wrap(title, columns * (cell_width + GAP) - GAP)
    rows = [range(start, min(start + columns, len(cells))) for start in range(0, len(cells), columns)]
    heights = [cells[0].height + LINE * max(len(texts[index]) for index in row) + GAP for row in rows]
    sheet, draw = _paper(columns, cell_width, LINE * len(heading) + GAP * bool(heading) + sum(heights))
    _write(draw, heading, GAP, GAP, INK)
    top = GAP + LINE * len(heading) + GAP * bool(heading)
    for row, height in zip(rows, heights, strict=True):
        for column, index in enumerate(row):
            left = GAP + column * (cell_width + GAP)
            sheet.paste(cells[index], (left, top))
            _write(draw, texts[index][:1], left, top + cells[index].height + 2, FAINT)
            _write(draw, texts[index][1:], left, top + cells[index].height + 2 + LINE, INK)
        top += height
    return sheet


def filmstrip(
    thumbnails: Frames,
    prompts: Sequence[str],
    starts: Sequence[int],
    seconds_per_thumbnail: float,
    columns: int = 10,
    cell_width: int = 120,
) -> Image.Image:
    """A storyboard: thumbnails uint8 [S, H, W, 3], every shot on rows of its own with time and prompt under them.

    `starts` are the shots' first thumbnails. A shot that has none, being shorter than one, shows its words only.

    Raises:
        ValueError: there is no thumbnail, or not one ascending start from 0 on for every prompt.
    """
    if not len(thumbnails) or len(prompts) != len(starts) or list(starts) != sorted(starts) or list(starts[:1]) != [0]:
        raise ValueError(f"a storyboard needs thumbnails and one ascending start from 0 for each prompt, not {starts}")
    columns = min(columns, len(thumbnails))
    cells = [_cell(frame, cell_width) for frame in thumbnails]
    width = columns * (cell_width + GAP) - GAP
    stops = [*starts[1:], len(cells)]
    words = [
        _wrap(f"{start * seconds_per_thumbnail:g}-{stop * seconds_per_thumbnail:g} s: {prompt}", width)
        for prompt, start, stop in zip(prompts, starts, stops, strict=True)
    ]
    row_height = cells[0].height + GAP
    rows = [-(-(stop - start) // columns) for start, stop in zip(starts, stops, strict=True)]
    sheet, draw = _paper(columns, cell_width, sum(rows) * row_height + sum(LINE * len(text) + GAP for text in words))
    top = GAP
    for start, stop, text, count in zip(starts, stops, words, rows, strict=True):
        for place, index in enumerate(range(start, stop)):
            row, column = divmod(place, columns)
            sheet.paste(cells[index], (GAP + column * (cell_width + GAP), top + row * row_height))
        top += count * row_height
        _write(draw, text, GAP, top - GAP // 2, INK)
        top += LINE * len(text) + GAP
    return sheet


def spritesheet(frames: Iterable[Frames], columns: int = 10, cell_width: int = 160) -> Image.Image:
    """Frames uint8 [H, W, 3], each made small as it comes, side by side without gaps, row by row: what a player shows
    over its time bar.

    Raises:
        ValueError: there is no frame.
    """
    cells = [_cell(frame, cell_width) for frame in frames]
    if not cells:
        raise ValueError("a spritesheet needs at least one frame")
    columns, height = min(columns, len(cells)), cells[0].height
    sheet = Image.new("RGB", (columns * cell_width, -(-len(cells) // columns) * height))
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index % columns * cell_width, index // columns * height))
    return sheet


def sprite_index(
    picture: str, size: tuple[int, int], count: int, seconds: float, columns: int = 10, cell_width: int = 160
) -> str:
    """WebVTT that says which part of `picture`, a spritesheet of that size with `count` cells, shows which part of a
    film that is `seconds` long: media fragments, as players' thumbnail plugins read them."""
    columns = min(columns, count)
    height = size[1] // -(-count // columns)
    cues = [
        f"{_clock(seconds * index / count)} --> {_clock(seconds * (index + 1) / count)}\n"
        f"{picture}#xywh={index % columns * cell_width},{index // columns * height},{cell_width},{height}\n"
        for index in range(count)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _clock(seconds: float) -> str:
    thousandths = round(1000 * seconds)
    minutes, thousandths = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a picture whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")


def save_webp(frames: Frames, fps: float, path: Path, quality: int = 70, width: int | None = None) -> None:
    """Writes frames uint8 [T, H, W, 3] as a WebP that plays for ever, resized to `width` where given.

    Raises:
        ValueError: there is no frame.
        OutputError: it cannot be written there.
    """
    if not len(frames):
        raise ValueError("an animation needs at least one frame")
    first, *rest = (_cell(frame, width or frame.shape[1]) for frame in frames)
    # WebP counts whole milliseconds: rounding each frame's end, not its length, keeps the whole on time.
    ends = [round(1000 * index / fps) for index in range(len(frames) + 1)]
    durations = [later - earlier for earlier, later in pairwise(ends)]
    with replacing(path) as temporary:
        first.save(
            temporary,
            format="WEBP",
            save_all=True,
            append_images=rest,
            duration=durations,
            loop=0,
            quality=quality,
            method=4,
        )


def _cell(frame: Frames, width: int) -> Image.Image:
    height = max(1, round(width * frame.shape[0] / frame.shape[1]))
    image = Image.fromarray(np.ascontiguousarray(frame))
    return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.LANCZOS)


def _paper(columns: int, cell_width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("RGB", (columns * (cell_width + GAP) + GAP, height + 2 * GAP), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[str], left: int, top: int, colour: tuple[int, int, int]) -> None:
    for number, line in enumerate(lines):
        draw.text((left, top + number * LINE), line, fill=colour, font=ImageFont.load_default(TEXT_SIZE))


def _wrap(text: str, width: int, most: int = 4) -> list[str]:
    """At most `most` lines of at most `width` pixels; words that are too long are cut, the rest is an ellipsis."""
    font = ImageFont.load_default(TEXT_SIZE)
    lines: list[str] = []
    # Pillow's own font, the one that is everywhere, has no accents and no dashes: the letters without them are read.
    plain = unicodedata.normalize("NFKD", text).translate({0x2013: "-", 0x2014: "-", 0xD7: "x"})
    for word in "".join(letter for letter in plain if not unicodedata.combining(letter)).split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        while len(word) > 1 and font.getlength(word) > width:
            word = word[:-1]
        lines.append(word)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and font.getlength(last + "…") > width:
        last = last[:-1]
    return [*lines[: most - 1], last + "…"]
