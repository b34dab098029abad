"""What the engine tells while it works: each event happened, none is a guess. Called in the driver's own thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["load", "plan", "render", "decode", "encode", "join"]


@dataclass(frozen=True)
class JobRecorded:
    """The film's job is in the database, and this process works on it."""

    job: str


@dataclass(frozen=True)
class PlanNamed:
    """The plan will be called so in the store; nobody has looked yet whether it is there."""

    plan: str


@dataclass(frozen=True)
class FilmNamed:
    """The film is cut, and the artifact that lists its parts will be called so; nobody has looked for these yet."""

    film: str


@dataclass(frozen=True)
class Looked:
    """Nothing in particular happened; told several times a second while there is work, for whoever wants to stop it."""


@dataclass(frozen=True)
class FilmStarted:
    """The work is known: how it is cut, and how much of it the store already has. `reused`: which windows."""

    windows: int
    segments: int
    renderers: int
    threads: int
    device: str
    windows_reused: int
    segments_reused: int
    reused: tuple[int, ...] = ()


@dataclass(frozen=True)
class PhaseStarted:
    phase: Phase


@dataclass(frozen=True)
class PhaseFinished:
    """Phases overlap; `seconds` is from the first start to the last end of the phase's work."""

    phase: Phase
    seconds: float


@dataclass(frozen=True)
class PlanStep:
    """Sampler steps of the planner done so far."""

    done: int
    total: int


@dataclass(frozen=True)
class WindowStep:
    """Sampler steps of one window done so far, by the renderer that works on it."""

    window: int
    renderer: int
    done: int
    total: int


@dataclass(frozen=True)
class WindowFinished:
    """Rendered and stored, in `seconds` of its renderer's time."""

    window: int
    renderer: int
    seconds: float


@dataclass(frozen=True)
class CallFinished:
    """A worker's work on a window or segment, or the plan, ended `ago` seconds ago, after `seconds` of its time."""

    phase: Phase
    index: int
    worker: int
    seconds: float
    ago: float = 0.0


@dataclass(frozen=True)
class SegmentEncoded:
    """Decoded, encoded and stored; `done` of `total` segments are there now."""

    segment: int
    done: int
    total: int


@dataclass(frozen=True)
class WorkerLost:
    """A process died or a call failed; the work is tried again."""

    worker: str
    work: str
    cause: str


@dataclass(frozen=True)
class FilmFinished:
    """The most memory, in bytes, that this process and all it started occupied at one time, by looks a second apart.
    Workers on a cluster that was there before are not among them."""

    peak_memory: int


Event = (
    JobRecorded
    | PlanNamed
    | FilmNamed
    | Looked
    | FilmStarted
    | PhaseStarted
    | PhaseFinished
    | PlanStep
    | WindowStep
    | WindowFinished
    | CallFinished
    | SegmentEncoded
    | WorkerLost
    | FilmFinished
)
OnEvent = Callable[[Event], None]
