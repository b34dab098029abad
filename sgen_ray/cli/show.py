"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from sgen_ray.errors import Cancelled
from sgen_ray.types import Plan, Video


def warn(messages: Iterable[str]) -> None:
    for message in messages:
        print(f"warning: {message}", file=sys.stderr)


class Stopped(Exception):
    """Somebody stopped the work; the text says what is left of it and how to go on."""


@contextlib.contextmanager
def working(when_stopped: str) -> Iterator[None]:
    """Keeps stdout for the result alone, and raises `Stopped` when somebody stops the work."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (KeyboardInterrupt, Cancelled, SystemExit) as stop:  # Ray answers SIGTERM with SystemExit
        raise Stopped(when_stopped) from stop


def show_json(facts: Mapping[str, Any]) -> None:
    print(json.dumps(facts, allow_nan=False))


def show_table(facts: Mapping[str, Any]) -> None:
    """A line for each fact that there is; values that are mappings or lists are spelled out."""
    width = max(len(name) for name in facts) + 2
    for name, value in facts.items():
        if value not in (None, "", (), [], {}):
            print(f"{name.replace('_', ' '):<{width}}{_spell(value)}")


def video_facts(video: Video) -> dict[str, Any]:
    """A film as `--json` prints it."""
    return {
        "path": str(video.path),
        "job": video.job,
        "seconds": video.seconds,
        "frames": video.frames,
        "fps": video.fps,
        "size": f"{video.width}x{video.height}",
        "seed": video.seed,
        "model": video.model,
        "windows": video.windows,
        "renderers": video.renderers,
        "windows_rendered": video.windows_rendered,
        "windows_reused": video.windows_reused,
        "seam_ratio": video.report.seam_ratio,
        "overlap_sharpness": video.report.overlap_sharpness,
        "drift": dict(video.report.drift),
        "motion": video.report.motion,
        "wall": dict(video.wall),
        "utilisation": video.utilisation,
        "timeline": [asdict(span) for span in video.timeline],
    }


def plan_facts(plan: Plan) -> dict[str, Any]:
    """A plan as `--json` prints it."""
    request, grid = plan.request, plan.grid
    return {
        "seconds": request.seconds,
        "shots": [{"prompt": shot.prompt, "seconds": shot.seconds} for shot in request.shots],
        "size": f"{request.width}x{request.height}",
        "fps": request.fps,
        "seed": request.seed,
        "steps": request.steps,
        "plan_steps": request.plan_steps,
        "guidance": request.guidance,
        "negative_prompt": request.negative_prompt,
        "model": request.model,
        "model_fingerprint": plan.model_fingerprint,
        "native": f"{grid.width}x{grid.height}@{grid.fps}",
        "semantic_shape": list(plan.semantic.shape),
        "latent_frames": plan.latent_frames,
    }


def show_video(video: Video, as_json: bool) -> None:
    if as_json:
        show_json(video_facts(video))
        return
    phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in video.wall.items() if name != "total")
    figures = {"seam ratio": video.report.seam_ratio, "overlap sharpness": video.report.overlap_sharpness}
    figures |= {f"{name} drift": value for name, value in video.report.drift.items()} | {"motion": video.report.motion}
    print(f"{video.path}: {video.seconds:g} s, {video.width}x{video.height} at {video.fps} frames a second")
    print(f"took {video.wall['total']:.1f} s ({phases}) with {video.renderers} renderer{'s' * (video.renderers != 1)}")
    busy = "" if video.utilisation is None else f"; renderers were busy {video.utilisation:.0%} of the time"
    print(f"{video.windows} windows, {video.windows_rendered} rendered and {video.windows_reused} from the store{busy}")
    print(", ".join(f"{name} {value:.3f}" for name, value in figures.items() if value is not None))
    if video.job is not None:
        print(f"job {video.job}")


def _spell(value: Any) -> str:
    match value:
        case float():
            return f"{value:.4g}"
        case Mapping():
            return ", ".join(f"{name} {_spell(item)}" for name, item in value.items())
        case list() | tuple():
            return ("; " if isinstance(value[0], Mapping) else ", ").join(_spell(item) for item in value)
    return str(value)
