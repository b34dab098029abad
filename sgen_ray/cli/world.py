"""`sgen world`: the demo world drawn as it is, without any model."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgen_ray.cli import options as o

if TYPE_CHECKING:
    from sgen_ray.media.encode import Encoding
    from sgen_ray.world import Film

LONGEST = 60
"""Seconds of the longest clip."""
_CHUNK_PIXELS = 1 << 23
"""Pixels drawn and encoded in one go: 64 frames of 512x256, and never more than some hundred MiB."""


def world(
    prompt: Annotated[str, typer.Argument(help="What to draw. Sentences, and the word then, part shots.")],
    seconds: Annotated[float, typer.Option(help="Length of the clip, 1 to 60.")] = 8,
    size: Annotated[str, typer.Option(help="Size of the clip.", metavar="WxH")] = "512x256",
    fps: Annotated[int, typer.Option(help="Frames a second.")] = 24,
    seed: Annotated[int, typer.Option(help="What the prompt leaves open comes from the seed.")] = 0,
    output: o.Film = Path("world.mp4"),
    sheet: o.Sheet = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Draw a clip of the demo world, the ground truth that the demo models learned from.

    sgen world "an astronaut walking on Mars, the Earth in the sky" -o mars.mp4

    sgen world "the water cycle" --seconds 40 -o water.mp4 --sheet water.png
    """
    from sgen_ray import __version__
    from sgen_ray.cli import show
    from sgen_ray.cli.progress import counting
    from sgen_ray.cli.sheet import write_sheet
    from sgen_ray.media.concat import concat
    from sgen_ray.media.encode import Encoding
    from sgen_ray.paths import space_for, writable_file
    from sgen_ray.request import make_request
    from sgen_ray.shapes import Grid
    from sgen_ray.world import parse, unknown_words

    begin = time.perf_counter()
    with show.working("nothing was written"):
        any_grid = Grid(512, 256, fps=24, latent_channels=1, semantic_channels=1, semantic_height=1, semantic_width=1)
        request = make_request(
            prompt, seconds=seconds, size=size, fps=fps, seed=seed, model="world", grid=any_grid, max_seconds=LONGEST
        )
        output = writable_file(output, (".mp4",), space_for(request))
        if sheet is not None:
            sheet = writable_file(sheet, (".png",))
        prompt = request.shots[0].prompt
        if unknown := unknown_words(prompt):
            show.warn([f"the demo world does not know {', '.join(map(repr, unknown))}; it is left out"])

        film = parse(prompt, seed, request.seconds)
        frames = max(1, round(request.seconds * fps))
        encoding = Encoding(request.width, request.height, fps, fps)
        about = {"prompt": prompt, "seed": seed, "model": "world", "version": __version__}
        with counting("draw", frames, quiet) as drawn:
            segments = _segments(film, frames, encoding, drawn)
            concat(segments, output, fps, {"title": prompt, "comment": jsonlib.dumps(about)})
        if sheet is not None:
            write_sheet(output, sheet, request)

    facts = {
        "path": str(output),
        "seconds": frames / fps,
        "frames": frames,
        "fps": fps,
        "size": f"{request.width}x{request.height}",
        "seed": seed,
        "shots": [{"seconds": shot.seconds, "subject": shot.subject, "place": shot.place} for shot in film.shots],
        "wall": {"total": time.perf_counter() - begin},
    }
    if json:
        show.show_json(facts)
    else:
        show.show_table(facts)


def _segments(film: Film, frames: int, encoding: Encoding, drawn: Callable[[int], None]) -> Iterator[bytes]:
    """The film's frames as encoded runs, drawn as they are asked for."""
    import torch

    from sgen_ray.media.encode import encode
    from sgen_ray.world import draw

    chunk = max(1, _CHUNK_PIXELS // (encoding.width * encoding.height))
    for start in range(0, frames, chunk):
        times = torch.arange(start, min(start + chunk, frames), dtype=torch.float64)[None] / encoding.fps
        pictures = draw([film], times, encoding.width, encoding.height)[0]
        pixels = pictures.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        yield encode(pixels.contiguous().numpy(), start, encoding)
        drawn(start + len(pixels))
