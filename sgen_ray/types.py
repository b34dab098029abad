"""What flows: VideoRequest -> Plan -> Window -> RenderedWindow -> Segment -> Video.

Frozen dataclasses; arrays are numpy, so that every process boundary is plain data. Time is in latent frames unless
a name says otherwise; [C, T, H, W] is channels, latent frames, latent rows, latent columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sgen_ray.shapes import Grid

Latents = NDArray[np.float32]
Tokens = NDArray[np.float32]
"""Of one semantic step: [h, w, C]."""


@dataclass(frozen=True)
class Shot:
    """One shot of the storyboard."""

    prompt: str
    seconds: float


@dataclass(frozen=True)
class VideoRequest:
    """What a person asked for, validated once by `sgen_ray.request.make_request`.

    `width`, `height`, `fps` are of the finished film; the model paints on its own grid.
    """

    shots: tuple[Shot, ...]
    width: int
    height: int
    fps: int
    seed: int = 0
    steps: int = 4
    plan_steps: int = 16
    guidance: float = 2.5
    negative_prompt: str = ""
    model: str = "nano"

    @property
    def seconds(self) -> float:
        return float(sum(Fraction(str(shot.seconds)) for shot in self.shots))

    @property
    def frames(self) -> int:
        """Frames of the finished film: its exact duration at its own frame rate, at least one."""
        return max(1, round(Fraction(str(self.seconds)) * self.fps))


@dataclass(frozen=True)
class Plan:
    """The whole film in semantic space, made once and shared by every renderer.

    Attributes:
        semantic: [S, h, w, C] float32, one step every `grid.frames_per_step` pixel frames.
        text: [shots, L, D] float32 text embeddings; text_mask: [shots, L] bool, True where a token is.
        shot_starts: first latent frame of each shot; the first is 0.
        latent_frames: length of the film in latent frames; frames: in pixel frames of the model's grid.
        model_fingerprint: of the weights that planned.
        first: latent frame 0 as a picture gives it, [C, H, W], where the film begins with one.
    """

    request: VideoRequest
    grid: Grid
    semantic: NDArray[np.float32]
    text: NDArray[np.float32]
    text_mask: NDArray[np.bool_]
    shot_starts: tuple[int, ...]
    frames: int
    latent_frames: int
    model_fingerprint: str
    first: Latents | None = None


@dataclass(frozen=True)
class Seen:
    """A picture as a model sees it: `tokens` [h, w, C] of the semantic step that shows it, `latents` [C, H, W]."""

    tokens: Tokens
    latents: Latents


@dataclass(frozen=True)
class Window:
    """The unit of rendering: latent frames [start, stop), sharing `left` and `right` frames with its neighbours."""

    index: int
    start: int
    stop: int
    left: int = 0
    right: int = 0

    @property
    def length(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class RenderedWindow:
    """Latents of one window, [C, T, H, W] float32, and the seconds that each part of the work took."""

    window: Window
    latents: Latents
    timings: Mapping[str, float] = field(default_factory=dict)
    reused: bool = False


@dataclass(frozen=True)
class Segment:
    """The unit of decoding and encoding: latent frames [start, stop) with the halo that exact decoding needs.

    Attributes:
        latents: [C, T, H, W] for latent frames [latent_start, latent_start + T): [start, stop) and the halo.
        frame_start, frame_stop: pixel frames of the model's grid that this segment shows, trimmed to the film's length.
        cuts: of the latent frames above, those that begin a shot, but for the very first: no picture is drawn from
            latents on both sides of one.
    """

    index: int
    start: int
    stop: int
    latent_start: int
    latents: Latents
    frame_start: int
    frame_stop: int
    cuts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Report:
    """Figures measured on the finished film; definitions in `sgen_ray.measures`."""

    seam_ratio: float | None
    overlap_sharpness: float | None
    drift: Mapping[str, float]
    motion: float


@dataclass(frozen=True)
class Span:
    """One call of one worker: seconds since the work on the film began. `index` is a window's or a segment's."""

    phase: str
    index: int
    worker: int
    start: float
    stop: float


@dataclass(frozen=True)
class Video:
    """A finished film and how it came about. `wall` maps a phase's name, and "total", to seconds; `timeline` has every
    call that was made, and `utilisation` the share of their time that renderers were busy (None: nothing was painted).
    """

    path: Path
    seconds: float
    frames: int
    fps: int
    width: int
    height: int
    seed: int
    model: str
    windows: int
    renderers: int
    windows_rendered: int
    windows_reused: int
    report: Report
    wall: Mapping[str, float]
    warnings: tuple[str, ...] = ()
    timeline: tuple[Span, ...] = ()
    utilisation: float | None = None
    job: str | None = None
    """Its record, where there is one."""
