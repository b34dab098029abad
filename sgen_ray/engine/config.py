"""How the engine works: nothing here may change a frame, except how windows and segments are cut and come to agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sgen_ray.windows import SEAMS, SEGMENT_LENGTH, WINDOW_LENGTH, WINDOW_OVERLAP, Seams


@dataclass(frozen=True)
class EngineConfig:
    """None means: chosen from the machine (`machine.choose`).

    Attributes:
        renderers, threads: how many renderers, and CPU threads of each.
        device: where models run; "auto" is a GPU for each renderer where there are some.
        window, overlap, segment: in latent frames; these belong to the film and change its frames.
        seams: how windows come to agree (`windows.window_tasks`); belongs to the film too.
        max_attempts: how often one window or segment is tried before the film fails with its cause.
        max_deaths: workers that may die one after another while nothing gets finished.
        in_flight: calls that a busy renderer holds, the running one included.
        start_timeout: seconds to wait for the first worker, where a cluster has no room.
        in_process: threads of this process instead of Ray.
        address: of a Ray cluster; by default RAY_ADDRESS, or a cluster of its own on this machine.
        object_store_mib: shared memory of a cluster of its own.
    """

    renderers: int | None = None
    threads: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    window: int = WINDOW_LENGTH
    overlap: int = WINDOW_OVERLAP
    segment: int = SEGMENT_LENGTH
    seams: Seams = SEAMS
    max_attempts: int = 3
    max_deaths: int = 6
    in_flight: int = 2
    start_timeout: float = 300.0
    in_process: bool = False
    address: str | None = None
    object_store_mib: int = 300

    def __post_init__(self) -> None:
        for name in ("renderers", "threads", "max_attempts", "max_deaths", "in_flight"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if self.seams not in get_args(Seams):
            raise ValueError(f"seams must be one of {', '.join(get_args(Seams))}, not {self.seams!r}")
