"""A person's wishes, checked once: everything after this may trust its `VideoRequest`.

Every refusal is a `RequestError` of one line that says what to do. No torch, no Ray, no files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from sgen_ray.errors import RequestError
from sgen_ray.shapes import Grid
from sgen_ray.types import Shot, VideoRequest

MAX_PROMPT = 2000
MIN_SECONDS, MAX_SECONDS = 1, 1200
DEFAULT_SECONDS = 60.0
MIN_SIDE, MAX_SIDE = 16, 3840
MAX_FPS = 60
MAX_STEPS = 100
MAX_GUIDANCE = 30.0
MAX_SEED = 2**63 - 1
LONG, LONG_PLAN_STEPS = 20.0, 32
"""Films of more than so many seconds are planned in more steps: what their prompt leaves open wanders less then, and
shorter ones show nothing more of theirs."""
DISPLAY_WIDTH = 480
"""A film is shown at least this wide, unless somebody asks for less."""


def make_request(
    prompt: str | None = None,
    *,
    grid: Grid,
    shots: Sequence[Shot] = (),
    seconds: float | None = None,
    size: str | tuple[int, int] | None = None,
    fps: int | None = None,
    seed: int = VideoRequest.seed,
    steps: int = VideoRequest.steps,
    plan_steps: int | None = None,
    guidance: float = VideoRequest.guidance,
    negative_prompt: str = VideoRequest.negative_prompt,
    model: str = VideoRequest.model,
    max_prompt: int = MAX_PROMPT,
    max_seconds: float = MAX_SECONDS,
) -> VideoRequest:
    """A valid request, or one `RequestError` naming what to change.

    Args:
        prompt: what the film shows; with `shots` it is optional and goes before every shot's own prompt.
        shots: the storyboard; without it the film is one shot of `prompt`.
        seconds: length of the film; by default the sum of the shots, or a minute without any.
        size: of the film as "WxH" or (width, height), even numbers; by default `default_size(grid)`.
        fps: of the film; by default the grid's own.
        plan_steps: of the planner's sampler; by default `VideoRequest.plan_steps`, of long films `LONG_PLAN_STEPS`.
        max_seconds: where less than `MAX_SECONDS` can be made.
    """
    told = None if prompt is None and shots else _prompt(prompt or "", "the prompt", max_prompt)
    storyboard = _storyboard(told, shots, seconds, min(max_seconds, MAX_SECONDS), max_prompt)
    width, height = default_size(grid) if size is None else parse_size(size)
    request = VideoRequest(
        shots=storyboard,
        width=width,
        height=height,
        fps=_integer("fps", grid.fps if fps is None else fps, 1, MAX_FPS),
        seed=_integer("seed", seed, 0, MAX_SEED),
        steps=_integer("steps", steps, 1, MAX_STEPS),
        plan_steps=_integer("plan steps", VideoRequest.plan_steps if plan_steps is None else plan_steps, 1, MAX_STEPS),
        guidance=_real("guidance", guidance, 0.0, MAX_GUIDANCE),
        negative_prompt=_prompt(negative_prompt, "the negative prompt", max_prompt) if negative_prompt.strip() else "",
        model=model,
    )
    if plan_steps is None and request.seconds > LONG:
        request = replace(request, plan_steps=LONG_PLAN_STEPS)
    return request


def default_size(grid: Grid) -> tuple[int, int]:
    """The smallest whole upscale of the grid that is at least `DISPLAY_WIDTH` pixels wide."""
    scale = max(1, math.ceil(DISPLAY_WIDTH / grid.width))
    return grid.width * scale, grid.height * scale


def parse_size(size: str | tuple[int, int]) -> tuple[int, int]:
    """Width and height of "512x256" or (512, 256): even, `MIN_SIDE` to `MAX_SIDE` pixels each."""
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d{1,6})\s*[xX×]\s*(\d{1,6})\s*", size, re.ASCII)
        if match is None:
            raise RequestError(f"size {_show(size)} is not WIDTHxHEIGHT; write it like 512x256")
        size = int(match[1]), int(match[2])
    width, height = (
        _integer(name, side, MIN_SIDE, MAX_SIDE) for name, side in zip(("width", "height"), size, strict=True)
    )
    if width % 2 or height % 2:
        raise RequestError(
            f"size {width}x{height} has an odd side, which the film's format cannot store; "
            f"use {width + width % 2}x{height + height % 2}"
        )
    return width, height


def _storyboard(
    told: str | None, shots: Sequence[Shot], seconds: float | None, longest: float, max_prompt: int
) -> tuple[Shot, ...]:
    if not shots:
        assert told is not None
        length = _real("seconds", DEFAULT_SECONDS if seconds is None else seconds, MIN_SECONDS, longest)
        return (Shot(told, length),)

    checked = []
    for number, shot in enumerate(shots, 1):
        own = _prompt(shot.prompt, f"the prompt of shot {number}", max_prompt)
        length = _real(f"seconds of shot {number}", shot.seconds, MIN_SECONDS, longest)
        both = own if told is None else _prompt(f"{told}, {own}", f"PROMPT with that of shot {number}", max_prompt)
        checked.append(Shot(both, length))

    total = sum((Fraction(str(shot.seconds)) for shot in checked), Fraction())
    if total > Fraction(str(longest)):
        raise RequestError(f"the shots last {float(total):g} s together; shorten them to {longest:g} s or less")
    if seconds is not None and total != Fraction(str(_real("seconds", seconds, MIN_SECONDS, longest))):
        raise RequestError(
            f"the shots last {float(total):g} s together but seconds is {seconds:g}; change a shot or leave seconds out"
        )
    return tuple(checked)


def _prompt(text: str, name: str, longest: int) -> str:
    """The prompt with its white space made plain, as it goes into file names, metadata and one-line messages."""
    plain = " ".join(text.split())
    if not plain:
        raise RequestError(f'{name} is empty; say what the film shows, e.g. "a red fox running through snow"')
    if len(plain) > longest:
        raise RequestError(f"{name} has {len(plain)} characters; shorten it to {longest} or split it into shots")
    unprintable = next((char for char in plain if not char.isprintable()), None)
    if unprintable is not None:
        raise RequestError(f"{name} holds the unprintable character U+{ord(unprintable):04X}; remove it")
    return plain


def _integer(name: str, value: int, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RequestError(f"{name} is {_show(value)}; use a whole number from {low} to {high}")
    return value


def _real(name: str, value: float, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:  # NaN fails too
        raise RequestError(f"{name} is {_show(value)}; use a number from {low:g} to {high:g}")
    return float(value)


def _show(value: object) -> str:
    shown = value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    shown = " ".join(shown.split())
    return repr(shown[:40] + "…" if len(shown) > 40 else shown) if isinstance(value, str) else shown[:40]
