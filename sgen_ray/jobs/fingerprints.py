"""Names of artifacts: sha256 over canonical JSON of everything that an artifact depends on, and of nothing else.

Too little in a fingerprint gives a wrong film, too much renders again for nothing. What a window may depend on is cut
out of the plan by `visible`, and the renderer is given no more than that.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from sgen_ray.types import Latents, Plan, Tokens, VideoRequest, Window
from sgen_ray.windows import WindowTask, wavefront

# Raised when the arithmetic changes around the weights: what a stretch of a long plan is told, which part of the plan a
# window sees, how answers are pushed, how overlaps are blended.
ENGINE_VERSION = 6


@dataclass(frozen=True)
class Backend:
    """What the same weights need to give the same bits: one film stays within one of these."""

    hardware: str
    torch: str
    dtype: str
    attention: str = "sdpa"


def local_backend(device: str, accelerator: str = "") -> Backend:
    """This machine's, without importing torch. `accelerator` is the GPU's name; CPUs are told apart by maker and
    vector unit, which choose the kernels."""
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "none"
    if device == "cpu":
        return Backend(_cpu(), torch, "float32")
    return Backend(f"{device} {accelerator}".strip(), torch, "bfloat16")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"cpu {platform.machine()}"
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(facts.get("flags", "").split())
    vectors = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if name in flags]
    return " ".join(["cpu", platform.machine(), facts.get("vendor_id", ""), *vectors]).replace("  ", " ")


def fingerprint(value: Any) -> str:
    """sha256, in hex, of a value made of JSON's types, dataclasses, tuples and arrays. NaN is refused."""
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"dtype": value.dtype.str, "shape": list(value.shape), "sha256": content}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def plan_fingerprint(
    request: VideoRequest,
    model: str,
    backend: Backend,
    held: Mapping[int, Tokens] | None = None,
    first: Latents | None = None,
) -> str:
    """Of a plan: not of the finished film's size and frame rate, nor of the renderer's steps. `held` are the known
    tokens, by semantic step; `first` is the first latent frame, where it is known."""
    return fingerprint(
        {
            "kind": "plan",
            "engine": ENGINE_VERSION,
            "shots": request.shots,
            "seed": request.seed,
            "plan_steps": request.plan_steps,
            "guidance": request.guidance,
            "negative_prompt": request.negative_prompt,
            "model": model,
            "backend": backend,
            "held": held or {},
            **({} if first is None else {"first": first}),
        }
    )


def content_fingerprint(kind: str, data: bytes) -> str:
    """Of an artifact that is known by what it is rather than by how it was made."""
    return fingerprint({"kind": kind, "sha256": hashlib.sha256(data).hexdigest()})


def visible_shots(plan: Plan, window: Window) -> range:
    """Shots that have a latent frame in the window."""
    stops = [*plan.shot_starts[1:], plan.latent_frames]
    shown = [
        shot
        for shot, (start, stop) in enumerate(zip(plan.shot_starts, stops, strict=True))
        if start < window.stop and window.start < stop
    ]
    return range(shown[0], shown[-1] + 1)


def visible(plan: Plan, window: Window) -> Plan:
    """The plan as a window may see it: semantic steps outside its range and text of other shots are zero, and only the
    first window knows the film's first frame."""
    first, last = plan.grid.semantic_range(window.start, window.stop)
    shots = visible_shots(plan, window)
    semantic, text, mask = np.zeros_like(plan.semantic), np.zeros_like(plan.text), np.zeros_like(plan.text_mask)
    semantic[first:last] = plan.semantic[first:last]
    text[shots.start : shots.stop] = plan.text[shots.start : shots.stop]
    mask[shots.start : shots.stop] = plan.text_mask[shots.start : shots.stop]
    knows = plan.first if window.start == 0 else None
    return dataclasses.replace(plan, semantic=semantic, text=text, text_mask=mask, first=knows)


def window_fingerprints(plan: Plan, tasks: Sequence[WindowTask], model: str, backend: Backend) -> tuple[str, ...]:
    """Of all windows of a film, by index: each carries the fingerprints of those that it waits for."""
    names: dict[int, str] = {}
    for index in wavefront(tasks):
        known = [(names[need.window], need.start, need.stop) for need in tasks[index].needs]
        names[index] = window_fingerprint(plan, tasks[index].window, model, backend, known)
    return tuple(names[index] for index in range(len(tasks)))


def window_fingerprint(
    plan: Plan, window: Window, model: str, backend: Backend, known: Sequence[tuple[str, int, int]] = ()
) -> str:
    """Of a window's latents. Shots are named by their place in the window, so that a change in one shot leaves the
    windows of the others; `known` are the latent frames [start, stop) of other windows, by fingerprint, that it is held
    to or looks at."""
    first, last = plan.grid.semantic_range(window.start, window.stop)
    shots = visible_shots(plan, window)
    request = plan.request
    return fingerprint(
        {
            "kind": "window",
            "engine": ENGINE_VERSION,
            "grid": plan.grid,
            "start": window.start,
            "stop": window.stop,
            "semantic": plan.semantic[first:last],
            "text": plan.text[shots.start : shots.stop],
            "text_mask": plan.text_mask[shots.start : shots.stop],
            "shot_starts": [plan.shot_starts[shot] - window.start for shot in shots],
            "seed": request.seed,
            "steps": request.steps,
            "guidance": request.guidance,
            "negative_prompt": request.negative_prompt,
            "model": model,
            "backend": backend,
            "known": known,
            **({"first": plan.first} if window.start == 0 and plan.first is not None else {}),
        }
    )


def segment_fingerprint(
    windows: Iterable[tuple[Window, str]], start: int, stop: int, frame_stop: int, halo: Sequence[int], output: Any
) -> str:
    """Of a segment's encoded bytes: the windows that it is blended from with their fingerprints, which say where shots
    begin, its latent frames, the pixel frame that it is trimmed to, the decoder's halo and the settings of the encoder.
    """
    return fingerprint(
        {
            "kind": "segment",
            "engine": ENGINE_VERSION,
            "windows": [[window.start, window.left, window.right, name] for window, name in windows],
            "start": start,
            "stop": stop,
            "frame_stop": frame_stop,
            "halo": halo,
            "output": output,
        }
    )
